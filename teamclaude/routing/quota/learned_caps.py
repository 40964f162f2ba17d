"""Count the tokens that an account burned, and estimate what its windows can take of them.

Burned tokens are those that count against a window (`Usage.burn`); `Burn` keeps the latest
week of them.  What a window can take, `LearnedCap` learns from the account's own responses.  It has two
estimates; the first that exists counts:

- size: tokens burned per unit of utilization, a straight line through what all windows so far have shown: in
  each, what was burned and how far it has risen since its first response.  What was used before that is not
  ours.  The more a window has risen, the less it matters what the headers' rounding (0.01) and requests in
  flight hide, so a window counts with the square of its rise; with each later one it counts less.  One that
  takes MAX_FACTOR times as much as all before it counts alone: the owner has a larger plan.  A smaller one is
  found slowly (half too large after eight windows): a window that others use, too, looks like it.
- ceiling: tokens burned at the first account 429 of a streak.  It is smoothed with `capEmaAlpha`, raised by
  successes above it, and decays towards the largest burn that was served (half-life one day).

A rise between two responses that our own requests cannot explain means that somebody else uses the account:
counting begins anew there.  Bare and model-scoped 429s teach nothing: they are not about this window.

Measured in the lab (two weeks, seeds 1 and 3, seen half, every 6 h, against the median of all): 90 % of the
sizes of 5h windows are off by less than 8 % for the team, 16 % for 30 agents with 8 accounts, and 17 % where
others use the accounts, too.  With a mean of the slopes at each response, used before, it was 26, 55, 39 %:
a window that had begun with requests in flight decided by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional, TypeVar

from ...values import dataclass, field
from .lenient_json import LenientObject, as_amount
from .windows import SAME_WINDOW_SEC, Window, Windows

__all__ = ["FOREIGN_RISE_5H", "FOREIGN_RISE_7D", "Burn", "LearnedCap", "ScopedCap", "observe_scoped"]

MIN_RISE = 0.08  # utilization; with less the rounding of headers says too little
ROUNDING = 0.01  # of the headers' utilization
FADE = 0.9  # of the evidence of earlier windows, with each one
SURE_RISE, MAX_FACTOR = 0.4, 2.0  # a window that has risen so far may say that all earlier ones are wrong
SAVED_EVIDENCE = 0.25  # of a size that was saved without any
MAX_EVIDENCE = 1.0 / (1.0 - FADE)  # of windows that were all used up
HALF_LIFE_SEC = 86400.0
# A rise between two responses that is more than our own requests cause.
FOREIGN_RISE_5H, FOREIGN_RISE_7D = 0.1, 0.05
BUCKET_SEC = 300
_Cap = TypeVar("_Cap", bound="LearnedCap")
KEEP_SEC = 7 * 86400
MAX_CACHED_SUMS = 8


class Burn:
    """Tokens per 5-minute bucket of the last 7 days.

    A reset in the middle of a bucket cuts it: what was burned after the cut is counted apart.

    Responses ask for the same two sums, of their 5h and their 7d window.  They are cached; summed anew they
    took 65 us of a request after a busy week.
    """

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._buckets: dict[int, int] = dict(buckets)
        self._newest = max(self._buckets, default=0)
        self._sums: dict[int, int] = {}  # first bucket -> tokens from there on, but for the newest bucket
        self._after_cut: tuple[float, int] = (0.0, 0)  # the latest cut, tokens after it in its bucket

    def add(self, tokens: int, now: float, cut: Optional[float] = None) -> None:
        """Count tokens burned at `now`; a `cut` that has passed is a known reset (epoch seconds)."""
        if tokens <= 0:
            return
        index = int(now // BUCKET_SEC)
        if cut is not None and cut <= now and cut // BUCKET_SEC == index:
            before = self._after_cut[1] if self._after_cut[0] == cut else 0
            self._after_cut = (cut, before + tokens)
        if index > self._newest:
            self._add_to_sums(self._newest, self._buckets.get(self._newest, 0))
            self._newest = index
            self._drop_old(index)
        elif index < self._newest:  # the clock moved back
            self._add_to_sums(index, tokens)
        self._buckets[index] = self._buckets.get(index, 0) + tokens

    def tokens_since(self, start: float, now: float) -> int:
        """Return the tokens burned in `start`'s bucket and after it."""
        first = int(start // BUCKET_SEC)
        last = int(now // BUCKET_SEC)
        if last < self._newest:  # the clock moved back
            return self._sum(first, last)
        known = self._sums.get(first)
        if known is None:
            if len(self._sums) >= MAX_CACHED_SUMS:
                self._sums.clear()
            known = self._sums[first] = self._sum(first, self._newest - 1)
        return known + self._buckets.get(self._newest, 0) if first <= self._newest else known

    def _add_to_sums(self, index: int, tokens: int) -> None:
        for first in self._sums:
            if first <= index:
                self._sums[first] += tokens

    def _sum(self, first: int, last: int) -> int:
        if last - first < len(self._buckets):
            return sum(self._buckets.get(i, 0) for i in range(first, last + 1))
        return sum(tokens for index, tokens in self._buckets.items() if first <= index <= last)

    def tokens_in_window(self, length: float, reset: Optional[float], now: float) -> int:
        """Return the tokens burned since the window of `length` seconds began.

        `reset` is the last one known: of the running window, or one that has passed, with which the running
        window began at the earliest.  Where it is unknown or long ago, the last `length` seconds count.
        """
        if reset is None or reset <= now - length:
            return self.tokens_since(now - length, now)
        return self.tokens_since(reset - length, now) if reset > now else self._since_cut(reset, now)

    def _since_cut(self, cut: float, now: float) -> int:
        """Return the tokens burned at or after `cut`, exact also within its bucket."""
        whole = self.tokens_since(cut, now)
        if cut % BUCKET_SEC == 0:
            return whole
        in_bucket = self._buckets.get(int(cut // BUCKET_SEC), 0)
        after = self._after_cut[1] if self._after_cut[0] == cut else 0
        return whole - in_bucket + min(after, in_bucket)

    def to_json(self) -> list[tuple[int, int]]:
        """Return the buckets in order: number since the epoch, tokens."""
        return sorted(self._buckets.items())

    def _drop_old(self, newest: int) -> None:
        oldest = newest - KEEP_SEC // BUCKET_SEC
        if min(self._buckets, default=oldest) < oldest:
            self._buckets = {i: n for i, n in self._buckets.items() if i >= oldest}
            self._sums.clear()


@dataclass
class _Track:
    """One window from its first response to its latest."""

    resets_at: float
    first_used: float  # utilization
    first_burned: int  # tokens
    window: Window  # as the latest response has it
    used: float
    burned: int


@dataclass
class LearnedCap:
    """The learned cap of one window of one account."""

    foreign_rise: float = FOREIGN_RISE_5H
    size: Optional[float] = None
    # Squares of the rises of earlier windows, those of long ago less, and the size by these windows alone.
    _evidence: float = field(default=0.0, compare=False)
    _known: Optional[float] = field(default=None, compare=False)
    ceiling: Optional[float] = None
    ceiling_at: float = 0.0
    best: float = 0.0  # largest burn of one window that was still served
    _track: Optional[_Track] = field(default=None, compare=False)

    # --- the size -------------------------------------------------------------------------------

    def observe(self, window: Window, burned: int) -> None:
        """Compare the window's utilization with the `burned` tokens of the account's whole life."""
        track, size = self._track, self.size
        if track is None or window is not track.window:  # else the headers have not changed
            used, resets_at = window.utilization or 0.0, window.resets_at
            if resets_at is None:
                return
            if (
                track is None
                or abs(track.resets_at - resets_at) > SAME_WINDOW_SEC
                or used < track.first_used
                or (  # a rise that our own requests do not explain
                    used - track.used >= self.foreign_rise
                    and (size is None or burned - track.burned < 0.25 * (used - track.used) * size)
                )
            ):
                self._begin_track(_Track(resets_at, used, burned, window, used, burned))
                return
            track.window, track.used = window, used
        track.burned = burned
        rise, tokens = track.used - track.first_used, burned - track.first_burned
        if rise < MIN_RISE or tokens <= 0:
            return
        if self._known is not None and rise >= SURE_RISE and tokens > MAX_FACTOR * rise * self._known:
            self._evidence, self._known, size = 0.0, None, None
        if self._known is not None:
            self.size = (self._evidence * self._known + rise * tokens) / (self._evidence + rise * rise)
        elif size is None:
            self.size = tokens / rise
        else:  # nothing else tells what of the rise is that of others who have begun meanwhile
            self.size = size + min(0.5, 0.2 * rise) * (tokens / rise - size)

    def _begin_track(self, new: _Track) -> None:
        """Begin to count anew; what the last window has shown goes to that of the earlier ones."""
        old, self._track = self._track, new
        if old is None or self.size is None:
            return
        rise = old.used - old.first_used
        if rise >= MIN_RISE and old.burned > old.first_burned:
            self._evidence, self._known = FADE * (self._evidence + rise * rise), self.size

    def at_least(self, guess: Optional[float]) -> Optional[float]:
        """Return `guess`, raised to what the window holds for certain: much was burned under a small rise."""
        track = self._track
        if guess is None or track is None:
            return guess
        tokens, rise = track.burned - track.first_burned, track.used - track.first_used
        return max(guess, tokens / (rise + ROUNDING))

    # --- the ceiling ----------------------------------------------------------------------------

    def record_success(self, burned: float, now: float) -> None:
        """Record a response below 400 while `burned` tokens of this window are spent."""
        self.best = max(self.best, burned)
        if self.ceiling is not None and burned > self.ceiling:
            self.ceiling, self.ceiling_at = burned, now

    def record_429(self, burned: float, alpha: float, now: float) -> None:
        """Record the first account 429 of a streak, at `burned` tokens."""
        if burned <= 0:
            return
        known = self._ceiling_at(now)
        self.ceiling = burned if known is None else alpha * burned + (1.0 - alpha) * known
        self.ceiling_at = now

    def _ceiling_at(self, now: float) -> Optional[float]:
        if self.ceiling is None:
            return None
        faded: float = 0.5 ** (max(0.0, now - self.ceiling_at) / HALF_LIFE_SEC)
        return self.best + (self.ceiling - self.best) * faded

    def estimate(self, now: float) -> Optional[float]:
        """Return the tokens the window can take, or None while nothing is known."""
        return self._ceiling_at(now) if self.size is None else self.size

    # --- a restart ------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return what a restart must not lose; the window's track begins anew."""
        rise = 0.0 if self._track is None else self._track.used - self._track.first_used
        return {
            "size": self.size,
            "evidence": self._evidence + (rise * rise if rise >= MIN_RISE else 0.0),
            "ceiling": self.ceiling,
            "ceilingAt": self.ceiling_at,
            "best": self.best,
        }

    @classmethod
    def from_json(cls: type[_Cap], saved: LenientObject, foreign_rise: float) -> _Cap:
        """Read what was saved; a file from before `size` has `samples` of it."""
        size = saved.find("size", as_amount)
        samples = sorted(saved.each("samples", as_amount))
        if size is None and samples:
            size = samples[len(samples) // 2]
        size = size if size is not None and size > 0 else None
        evidence = min(MAX_EVIDENCE, saved.get("evidence", as_amount, SAVED_EVIDENCE))
        return cls(
            foreign_rise,
            size=size,
            _evidence=evidence if size is not None else 0.0,
            _known=size,
            ceiling=saved.find("ceiling", as_amount),
            ceiling_at=saved.get("ceilingAt", saved.as_time, 0.0),
            best=saved.get("best", as_amount, 0.0),
        )


@dataclass
class ScopedCap(LearnedCap):
    """The learned cap of a window that binds only some models; `burned` are their tokens alone."""

    burned: int = 0


def observe_scoped(
    caps: dict[str, ScopedCap], windows: Windows, model: Optional[str], tokens: int, now: float
) -> None:
    """Compare the windows that bind `model` alone with what was burned before, then count `tokens`."""
    for axis in windows.scoped:
        if windows.covers(axis, model):
            cap = caps.get(axis)
            if cap is None:
                cap = caps[axis] = ScopedCap(FOREIGN_RISE_5H)
            window = windows.axes[axis]
            if (window.resets_at or 0.0) > now:
                cap.observe(window, cap.burned)
            cap.burned += tokens
