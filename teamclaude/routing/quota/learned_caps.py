"""What an account's window can take, in burned tokens, learned from its own answers.

Two estimates; the better known one wins:

- slope: tokens per unit of utilization between answers of one window, at least 3 points apart,
  the median of the latest samples (others may use the account too, so single samples lie);
- ceiling: the burn at the first account 429 of a streak, smoothed, raised by successes above it
  and decaying towards the largest successful burn.

Bare and model-scoped 429s teach nothing: they do not speak about this window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from .lenient_json import LenientObject, as_number
from .windows import SAME_WINDOW_SEC, Window

__all__ = ["LearnedCap"]

MIN_MOVEMENT = 0.03
MAX_SAMPLES = 9
HALF_LIFE_SEC = 86400.0


@dataclass
class LearnedCap:
    """The learned cap of one window of one account."""

    samples: list[float] = field(default_factory=list)
    anchor: Optional[tuple[float, float, float]] = None  # utilization, tokens burned since start, resets_at
    ceiling: Optional[float] = None
    ceiling_at: float = 0.0
    best: float = 0.0  # largest burn of one window that was still served

    def record_success(self, window: Window, burned: float, now: float) -> None:
        """An answer below 400 while `burned` tokens of this window are spent."""
        self.best = max(self.best, burned)
        if self.ceiling is not None and burned > self.ceiling:
            self.ceiling, self.ceiling_at = burned, now
        if window.utilization is None or window.resets_at is None:
            return
        anchor = self.anchor
        if (
            anchor is None
            or abs(anchor[2] - window.resets_at) > SAME_WINDOW_SEC
            or window.utilization < anchor[0]
            or burned < anchor[1]
        ):
            self.anchor = (window.utilization, burned, window.resets_at)
            return
        moved = window.utilization - anchor[0]
        if moved >= MIN_MOVEMENT - 1e-9 and burned > anchor[1]:
            self.samples = (self.samples + [(burned - anchor[1]) / moved])[-MAX_SAMPLES:]
            self.anchor = (window.utilization, burned, window.resets_at)

    def record_429(self, burned: float, alpha: float, now: float) -> None:
        """The first account 429 of a streak, at `burned` tokens."""
        if burned <= 0:
            return
        known = self._ceiling(now)
        self.ceiling = burned if known is None else alpha * burned + (1.0 - alpha) * known
        self.ceiling_at = now

    def estimate(self, now: float) -> Optional[float]:
        """Tokens the window can take, or None while nothing is known."""
        return _median(self.samples) if self.samples else self._ceiling(now)

    def _ceiling(self, now: float) -> Optional[float]:
        if self.ceiling is None:
            return None
        faded: float = 0.5 ** (max(0.0, now - self.ceiling_at) / HALF_LIFE_SEC)
        return self.best + (self.ceiling - self.best) * faded

    def to_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "ceiling": self.ceiling,
            "ceilingAt": self.ceiling_at,
            "best": self.best,
            "anchor": list(self.anchor) if self.anchor else None,
        }

    @classmethod
    def from_json(cls, saved: LenientObject) -> LearnedCap:
        return cls(
            samples=[sample for sample in saved.each("samples", as_number) if sample > 0][-MAX_SAMPLES:],
            anchor=saved.find("anchor", _as_anchor),
            ceiling=saved.find("ceiling", as_number),
            ceiling_at=saved.get("ceilingAt", as_number, 0.0),
            best=saved.get("best", as_number, 0.0),
        )


def _median(samples: list[float]) -> float:
    # Not `statistics`: it brings fractions and decimal, 15 ms of the start and 1.5 MB.
    ordered, half = sorted(samples), len(samples) // 2
    return ordered[half] if len(samples) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _as_anchor(value: Any) -> tuple[float, float, float]:
    try:
        utilization, burned, resets_at = value
    except TypeError:
        raise ValueError("not three numbers") from None
    return as_number(utilization), as_number(burned), as_number(resets_at)
