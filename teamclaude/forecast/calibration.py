"""How wide the ranges are: factors for their two sides, corrected by what became of earlier forecasts.

A range is right when in 10 of 100 cases less than its lower end comes, and in 10 more than its upper end.
After each outcome a side is drawn in a little where it held, and let out by nine times as much where it did
not: it is at rest when one in ten fails (adaptive conformal inference: Gibbs and Candes, 2021).  Quiet and
busy times are told apart: else the sure ranges of the night would make those of the day too narrow.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

from ..values import NamedTuple
from .readings import HOUR_SEC
from .saved import saved_numbers

__all__ = ["HORIZONS", "Calibration", "Range"]

HORIZONS = (1.0, 3.0, 24.0)  # hours ahead, at which outcomes are looked at
KEEP_SEC = 3600.0  # forecasts are kept this often
LATE_SEC = 900.0  # an outcome that is known so late only is none
STEP = 0.04  # of a factor's logarithm, when a side fails; a ninth of it when it holds
MOST = 1.2  # of that logarithm: no factor goes beyond 0.3 and 3.3
FAILS = 0.1
BUSY_RISE = 0.003  # of the used share: a time in which less is expected is quiet
# At first, by kind of window, horizon, quiet or busy: the factors below and above, as tuned in the lab.
_FIRST: Mapping[tuple[str, int, bool], tuple[float, float]] = {
    ("5h", 0, False): (0.6, 1.8),
    ("5h", 0, True): (0.75, 0.75),
    ("5h", 1, True): (0.9, 0.75),
    ("7d", 0, True): (0.8, 0.7),
    ("7d", 1, True): (0.9, 0.75),
    ("7d", 2, False): (1.15, 1.0),
    ("7d", 2, True): (1.1, 0.95),
}


class Range(NamedTuple):
    """The forecast of one window's used share."""

    name: str
    axis: str
    resets_at: float
    horizon: int  # index of HORIZONS
    is_busy: bool
    p10: float
    p90: float


class Calibration:
    """Factors by kind of window, horizon, quiet or busy, and side."""

    def __init__(self) -> None:
        self._pending: deque[tuple[float, Range]] = deque()  # due
        self._kept_at: Optional[float] = None
        self._logs: dict[tuple[str, int, bool], list[float]] = {}

    def factors(self, axis: str, offset: float, is_busy: bool) -> tuple[float, float]:
        """Return how much farther out the levels below and above the median are, `offset` seconds ahead."""
        hours = max(HORIZONS[0], min(HORIZONS[-1], offset / HOUR_SEC))
        place = 0 if hours <= HORIZONS[1] else 1
        low, high = HORIZONS[place : place + 2]
        part = math.log(hours / low) / math.log(high / low)
        near, far = (self._of(axis, horizon, is_busy) for horizon in (place, place + 1))
        below, above = (math.exp(a + (b - a) * part) for a, b in zip(near, far))
        return below, above

    def _of(self, axis: str, horizon: int, is_busy: bool) -> list[float]:
        key = "5h" if axis == "5h" else "7d", horizon, is_busy
        found = self._logs.get(key)
        if found is None:
            found = self._logs[key] = [math.log(factor) for factor in _FIRST.get(key, (1.0, 1.0))]
        return found

    def to_json(self) -> dict[str, list[float]]:
        """Return what was learned: the two logarithms of each kind of range."""
        return {
            name: [round(log, 4) for log in self._logs[key]] for name, key in _names() if key in self._logs
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_json` returned in an earlier run; what can't be read stays as at first."""
        for name, key in _names():
            logs = saved_numbers(saved.get(name), 2)
            if logs is not None:
                self._logs[key] = [max(-MOST, min(MOST, log)) for log in logs]

    def is_due(self, now: float) -> bool:
        """Return whether forecasts should be kept again."""
        return self._kept_at is None or not 0.0 <= now - self._kept_at < KEEP_SEC

    def keep(self, now: float, ranges: list[Range]) -> None:
        """Keep forecasts that were made `now`, until their outcome is known."""
        self._kept_at = now
        self._pending.extend((now + HORIZONS[each.horizon] * HOUR_SEC, each) for each in ranges)
        self._pending = deque(sorted(self._pending, key=lambda pending: pending[0]))

    def observe(self, now: float, used: Callable[[str, str, float], Optional[float]]) -> None:
        """Learn from the outcomes that are known now; `used(name, axis, resets_at)` returns a used share.

        It returns None for a window that is not the same any more.
        """
        while self._pending and self._pending[0][0] <= now:
            due, expected = self._pending.popleft()
            share = used(expected.name, expected.axis, expected.resets_at)
            if share is None or now - due > LATE_SEC:
                continue
            logs = self._of(expected.axis, expected.horizon, expected.is_busy)
            for side, failed in ((0, share < expected.p10), (1, min(1.0, share) > expected.p90)):
                moved = logs[side] + STEP * ((1.0 - FAILS) if failed else -FAILS)
                logs[side] = max(-MOST, min(MOST, moved))


def _names() -> Iterator[tuple[str, tuple[str, int, bool]]]:
    """Yield each kind of range with its name in a file: `5h in 3h, busy`."""
    for axis in ("5h", "7d"):
        for horizon, hours in enumerate(HORIZONS):
            for is_busy in (False, True):
                yield f"{axis} in {hours:g}h, {'busy' if is_busy else 'quiet'}", (axis, horizon, is_busy)
