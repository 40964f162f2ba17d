"""How large recorded accounts' windows are, by what was charged while they rose.

All responses are read before the result is asked for: charge over rise, summed over all windows, is nearer to
the truth than the router's running estimate (median error in the lab 1.2 % for 5h and 1.7 % for the week; the
router's has 7.9 % and 2.6 %, quota/learned_caps.py).
"""

from __future__ import annotations

from typing import Optional

from ..routing.quota.windows import SAME_WINDOW_SEC
from ..values import NamedTuple
from .workload import WEEK_SEC

__all__ = ["RecordedAccount", "WindowSizes"]

MIN_SIGNAL = 0.05  # headers round to 0.01: a smaller rise says too little


class RecordedAccount(NamedTuple):
    """A recorded account: its windows in weighted tokens, its first weekly reset (s); None: not known."""

    week: Optional[float] = None
    five: Optional[float] = None
    resets_at: Optional[float] = None
    name: str = ""  # the hash that stands for it in the recording


class _WindowTrack:
    """One axis: what was charged between the first and the last sight of each of its windows."""

    def __init__(self) -> None:
        self.resets_at = 0.0
        self._first = self._last = (0.0, 0.0)  # used (0-1), charged so far
        self._rise = self._charged = 0.0

    def observe(self, used: float, resets_at: float, charged: float) -> None:
        if abs(resets_at - self.resets_at) > SAME_WINDOW_SEC or used < self._last[0]:
            self._close()
            self.resets_at, self._first = resets_at, (used, charged)
        self._last = (used, charged)

    def size(self) -> Optional[float]:
        self._close()
        self._first = self._last
        return self._charged / self._rise if self._rise >= MIN_SIGNAL and self._charged > 0 else None

    def _close(self) -> None:
        self._rise += self._last[0] - self._first[0]
        self._charged += self._last[1] - self._first[1]


class WindowSizes:
    """One account's answers in order."""

    def __init__(self) -> None:
        self._rises = {"5h": _WindowTrack(), "7d": _WindowTrack()}
        self._charged = 0.0

    def record_response(self, windows: dict[str, tuple[float, float]], charge: float) -> None:
        """Record a response: its windows as they were before it, and what it was charged."""
        for axis, rise in self._rises.items():
            if axis in windows:
                rise.observe(*windows[axis], self._charged)
        self._charged += charge

    def result(self, begin: float) -> RecordedAccount:
        """Return the account; seconds count from `begin`."""
        resets_at = self._rises["7d"].resets_at
        first = (resets_at - begin) % WEEK_SEC if resets_at else None
        return RecordedAccount(self._rises["7d"].size(), self._rises["5h"].size(), first)
