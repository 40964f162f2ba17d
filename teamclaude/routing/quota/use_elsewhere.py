"""Estimate how fast others use an account: on the web, on another machine, through another program.

Utilization that rises by more than our own burned tokens explain is theirs.  Points of (time, utilization,
tokens burned) are kept for some hours, and two points of the same window are compared:

1. Without a request of ours that ran between them the whole rise is theirs, whatever the window's size.
2. With requests of ours it is the rise less the burned tokens by the window's size (learned_caps.py); while
   that is unknown the two points say nothing.
3. Points of different windows, or with an answer of unknown tokens between them, say nothing.
4. The API may charge a request when it begins, when it ends, or meanwhile; what it burned is known at its
   end.  So a point counts only when every request that ran then has ended, with all that was burned by then.
   What ended after the headers were read, or shortly before, may be missing in them.  With the mean of all
   requests in place of their own tokens, large ones in flight were told as use by others.

Headers are rounded to 0.01, sizes are estimates, and models differ in what a token costs.  So a rate is
told only where between some two points MIN_RISE stays unexplained by even OWN_MARGIN times our tokens.  A
size that was learned while others used the account all the time has their part in it: such use is told too
small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Optional

from ...values import NamedTuple
from .learned_caps import ROUNDING
from .windows import SAME_WINDOW_SEC, Windows

__all__ = ["OwnUse", "UseElsewhere"]

MIN_RISE = 0.03  # of utilization, unexplained
MIN_SPAN_SEC = 1800.0
OWN_MARGIN = 4.0  # how much more of the window our tokens may have taken than estimated
LAG_SEC = 120.0  # of what headers say, when they are read: a request may think for so long before its answer


class _Axis(NamedTuple):
    every: float  # seconds between two points
    keep: float  # seconds
    least: float  # utilization per hour; below it nothing is told


_AXES = {"5h": _Axis(300.0, 3 * 3600.0, 0.02), "7d": _Axis(1800.0, 24 * 3600.0, 0.002)}


class OwnUse(NamedTuple):
    """What this proxy has used of an account since it knows it."""

    burned: int  # tokens of the answers that have ended
    unmeasured: int  # answers whose tokens are unknown
    burned_since: Callable[[float], int]  # tokens of the answers that have ended since then (epoch seconds)
    open_leases: Collection[int] = ()  # the numbers of those that run, of any account; they rise


class _Point(NamedTuple):
    at: float
    used: float
    resets_at: float
    burned: int
    unmeasured: int
    unseen: float  # tokens that may be missing in `used`, although they are burned
    newest: int  # the last of the leases that were open then; it says nothing before all of these have ended
    # When they had: what was burned, and the answers of unknown tokens.
    burned_later: Optional[int] = None
    unmeasured_later: int = 0


class UseElsewhere:
    """The use of one account by others, by window; the caller says when something was read."""

    def __init__(self) -> None:
        self.next_at = 0.0  # until then `observe` has nothing to add
        self._points: dict[str, list[_Point]] = {}
        self._rates: dict[str, Optional[float]] = {}

    def observe(
        self, windows: Windows, own: OwnUse, sizes: Mapping[str, Optional[float]], now: float
    ) -> None:
        """Add a point for each window; `sizes` are the tokens that the windows take, None: unknown."""
        self.next_at = now + _AXES["5h"].every
        for axis, limits in _AXES.items():
            window, points = windows.get(axis, now), self._points.setdefault(axis, [])
            while points and points[-1].at > now:  # the clock moved back
                points.pop()
            _complete(points, own)
            if window.utilization is None or window.resets_at is None:
                continue
            if points and now - points[-1].at < limits.every:
                continue
            unseen = own.burned_since(window.seen_at - LAG_SEC) if points else math.inf
            newest = max(own.open_leases, default=0)
            made = (now, window.utilization, window.resets_at, own.burned, own.unmeasured, unseen, newest)
            points.append(_Point(*made))
            _complete(points, own)
            while len(points) > 2 and points[1].at < now - limits.keep:
                del points[0]
            complete = [point for point in points if point.burned_later is not None]
            self._rates[axis] = _rate(complete, sizes.get(axis), limits.least)

    def rate(self, axis: str, now: float) -> Optional[float]:
        """Return the utilization per hour (0.22: 22 %/h) by others; None: little, or unknown."""
        points = self._points.get(axis)
        if not points or not 0.0 <= now - points[-1].at <= _AXES[axis].keep:
            return None
        return self._rates.get(axis)


def _complete(points: list[_Point], own: OwnUse) -> None:
    """Complete the points of which no request runs any more."""
    oldest = min(own.open_leases, default=math.inf)
    for place, point in enumerate(points):
        if point.burned_later is None and point.newest < oldest:
            points[place] = point._replace(burned_later=own.burned, unmeasured_later=own.unmeasured)


def _rate(points: Sequence[_Point], size: Optional[float], least: float) -> Optional[float]:
    if not any(
        after.used - before.used - ROUNDING >= MIN_RISE and _unexplained(before, after, size) >= MIN_RISE
        for place, after in enumerate(points)
        for before in points[:place]
    ):
        return None
    alone = mixed = seconds = 0.0  # rises without and with requests of ours
    for before, after in zip(points, points[1:]):
        most = _most_of_ours(before, after)
        if not _are_comparable(before, after) or (most and size is None):
            continue
        seconds += after.at - before.at
        if most and size is not None:
            mixed += after.used - before.used - (_later(after) - _later(before)) / size
        else:
            alone += after.used - before.used
    if seconds < MIN_SPAN_SEC:
        return None
    rate = (alone + max(0.0, mixed)) / (seconds / 3600.0)
    return rate if rate >= least else None


def _unexplained(before: _Point, after: _Point, size: Optional[float]) -> float:
    """Return the rise that our tokens can't explain, at the most that they may have used."""
    rise, ours = after.used - before.used - ROUNDING, _most_of_ours(before, after)
    if not _are_comparable(before, after):
        return 0.0
    if not ours:
        return rise
    return 0.0 if size is None else rise - OWN_MARGIN * ours / size


def _most_of_ours(before: _Point, after: _Point) -> float:
    """Return the tokens of ours that the windows may have taken between two points."""
    return _later(after) - before.burned + before.unseen


def _later(point: _Point) -> int:
    return point.burned if point.burned_later is None else point.burned_later


def _are_comparable(before: _Point, after: _Point) -> bool:
    same = abs(after.resets_at - before.resets_at) <= SAME_WINDOW_SEC
    return same and after.unmeasured_later == before.unmeasured
