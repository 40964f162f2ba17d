"""Estimate how fast others use an account: on the web, on another machine, through another program.

Utilization that rises by more than our own burned tokens explain is theirs.  Points of (time, utilization,
tokens burned) are kept for some hours, and two points of the same window are compared:

1. Without a request of ours between them the whole rise is theirs, whatever the window's size.
2. With requests of ours it is the rise less the burned tokens by the window's size (learned_caps.py); while
   that is unknown the two points say nothing.
3. Points of different windows, or with an answer of unknown tokens between them, say nothing.

Headers are rounded to 0.01, are older than the answer whose tokens they precede, sizes are estimates, and
models differ in what a token costs.  So a rate is told only where between some two points MIN_RISE stays
unexplained by even OWN_MARGIN times our tokens, those of requests that began before or run still among them.
A size that was learned while others used the account all the time has their part in it: such use is told too
small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Optional

from ...values import NamedTuple
from .learned_caps import ROUNDING
from .windows import SAME_WINDOW_SEC, Windows

__all__ = ["OwnUse", "UseElsewhere"]

MIN_RISE = 0.03  # of utilization, unexplained
MIN_SPAN_SEC = 1800.0
OWN_MARGIN = 4.0  # how much more of the window our tokens may have taken than estimated


class _Axis(NamedTuple):
    every: float  # seconds between two points
    keep: float  # seconds
    least: float  # utilization per hour; below it nothing is told


_AXES = {"5h": _Axis(300.0, 3 * 3600.0, 0.02), "7d": _Axis(1800.0, 24 * 3600.0, 0.002)}


class OwnUse(NamedTuple):
    """What this proxy has used of an account since it knows it."""

    burned: int  # tokens
    unmeasured: int  # answers whose tokens are unknown
    pending: float = 0.0  # tokens that requests in flight are expected to burn


class _Point(NamedTuple):
    at: float
    used: float
    resets_at: float
    own: OwnUse
    unseen: float  # tokens that may be burned already and not yet in `used`


class UseElsewhere:
    """The use of one account by others, by window; the caller says when something was read."""

    def __init__(self) -> None:
        self.next_at = 0.0  # until then `observe` has nothing to add
        self._points: dict[str, list[_Point]] = {}
        self._rates: dict[str, Optional[float]] = {}

    def observe(
        self,
        windows: Windows,
        own: OwnUse,
        sizes: Mapping[str, Optional[float]],
        now: float,
        settled: bool = False,
    ) -> None:
        """Add a point for each window.

        `sizes` are the tokens that the windows take, None: unknown.  `settled`: no request of ours has run
        for a while, so that what the windows say includes all of them.
        """
        self.next_at = now + _AXES["5h"].every
        for axis, limits in _AXES.items():
            window, points = windows.get(axis, now), self._points.setdefault(axis, [])
            while points and points[-1].at > now:  # the clock moved back
                points.pop()
            if window.utilization is None or window.resets_at is None:
                continue
            if points and now - points[-1].at < limits.every:
                continue
            unseen = 0.0 if settled else own.burned - points[-1].own.burned if points else math.inf
            points.append(_Point(now, window.utilization, window.resets_at, own, unseen))
            while len(points) > 2 and points[1].at < now - limits.keep:
                del points[0]
            self._rates[axis] = _rate(points, sizes.get(axis), limits.least)

    def rate(self, axis: str, now: float) -> Optional[float]:
        """Return the utilization per hour (0.22: 22 %/h) by others; None: little, or unknown."""
        points = self._points.get(axis)
        if not points or not 0.0 <= now - points[-1].at <= _AXES[axis].keep:
            return None
        return self._rates.get(axis)


def _rate(points: Sequence[_Point], size: Optional[float], least: float) -> Optional[float]:
    if not any(
        after.used - before.used - ROUNDING >= MIN_RISE and _unexplained(before, after, size) >= MIN_RISE
        for place, after in enumerate(points)
        for before in points[:place]
    ):
        return None
    alone = mixed = seconds = 0.0  # rises without and with requests of ours
    for before, after in zip(points, points[1:]):
        tokens = after.own.burned - before.own.burned
        if not _are_comparable(before, after) or (tokens and size is None):
            continue
        seconds += after.at - before.at
        if tokens and size is not None:
            mixed += after.used - before.used - tokens / size
        else:
            alone += after.used - before.used
    if seconds < MIN_SPAN_SEC:
        return None
    rate = (alone + max(0.0, mixed)) / (seconds / 3600.0)
    return rate if rate >= least else None


def _unexplained(before: _Point, after: _Point, size: Optional[float]) -> float:
    """Return the rise that our tokens can't explain, at the most that they may have used."""
    rise = after.used - before.used - ROUNDING
    if not _are_comparable(before, after):
        return 0.0
    ours = after.own.burned + after.own.pending - before.own.burned + before.unseen
    if not ours:
        return rise
    return 0.0 if size is None else rise - OWN_MARGIN * ours / size


def _are_comparable(before: _Point, after: _Point) -> bool:
    same = abs(after.resets_at - before.resets_at) <= SAME_WINDOW_SEC
    return same and after.own.unmeasured == before.own.unmeasured
