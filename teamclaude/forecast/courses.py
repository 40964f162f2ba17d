"""The used share of a window on its way to the reset, at several levels from little to much work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..values import NamedTuple
from .calibration import HORIZONS, Range
from .pool_paths import GRID
from .readings import HOUR_SEC
from .spread import normal_level

__all__ = [
    "COURSES",
    "LEVELS",
    "P10",
    "P50",
    "P90",
    "PARTS",
    "Course",
    "between",
    "crossing",
    "ranges_of",
    "rising",
    "value_at",
]

LEVELS = (-2.2, -1.2816, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2816, 2.2)  # of a normal distribution
COURSES = (-2.2, -1.2816, -0.6, 0.0, 0.6, 1.2816, 2.2)  # of them, the demand that is let run
PARTS = tuple(normal_level(z) for z in LEVELS)
P10, P50, P90 = (LEVELS.index(z) for z in (-1.2816, 0.0, 1.2816))


class Course(NamedTuple):
    """The quantiles of a window's used share, before they become a view."""

    offsets: Sequence[float]  # seconds from now, from 0 on
    used: Sequence[Sequence[float]]  # for each of LEVELS, at each offset; not limited to 1
    until: float  # epoch seconds
    is_busy: bool = True  # much work is expected in the next hour

    def share_at(self, level: int, offset: float) -> float:
        """Return the used share at most, for the place of a level in LEVELS, `offset` seconds from now."""
        shares = self.used[level]
        for place in range(1, len(self.offsets)):
            early, late = self.offsets[place - 1 : place + 1]
            if offset <= late:
                part = (offset - early) / (late - early)
                return min(1.0, shares[place - 1] + (shares[place] - shares[place - 1]) * part)
        return min(1.0, shares[-1])


def ranges_of(courses: Mapping[str, Mapping[str, Course]]) -> list[Range]:
    """Return the 80 % ranges at the horizons that outcomes are looked at, of windows that are open then."""
    asked = [
        (name, axis, course, horizon)
        for name, by_axis in courses.items()
        for axis, course in by_axis.items()
        for horizon in range(len(HORIZONS))
    ]
    found = []
    for name, axis, course, horizon in asked:
        offset = HORIZONS[horizon] * HOUR_SEC
        if offset < course.offsets[-1] and course.used[0][0] < 1.0:
            p10, p90 = (course.share_at(level, offset) for level in (P10, P90))
            found.append(Range(name, axis, course.until, horizon, course.is_busy, p10, p90))
    return found


def value_at(values: Sequence[float], offset: float) -> float:
    """Return the value at an offset, between the times of GRID; `values` begin with 0 now."""
    before, low = 0.0, 0.0
    for at, value in zip(GRID, values):
        if offset <= at:
            share: float = (offset - before) / (at - before)
            return low + (value - low) * share
        before, low = at, value
    return low


def between(courses: Sequence[float], z: float) -> float:
    """Return the tokens at a level between two that were let run."""
    index = 0
    while index < len(COURSES) - 2 and COURSES[index + 1] < z:
        index += 1
    low, high = courses[index : index + 2]
    part = (z - COURSES[index]) / (COURSES[index + 1] - COURSES[index])
    tokens: float = low + (high - low) * part
    return max(0.0, tokens)


def rising(shares: Sequence[float], most: float) -> list[float]:
    """Return the shares, of which none is below 0 or an earlier one, and the first at most `most`."""
    found, highest = [min(most, max(0.0, shares[0]))], 0.0
    for share in shares[1:]:
        highest = max(highest, share)
        found.append(max(found[0], highest))
    return found


def crossing(offsets: Sequence[float], used: Sequence[float]) -> Optional[float]:
    """Return when the used share reaches 1; None when it does not."""
    if used[0] >= 1.0:
        return offsets[0]
    for place in range(1, len(offsets)):
        low, high = used[place - 1], used[place]
        if high >= 1.0:
            before = offsets[place - 1]
            return before + (offsets[place] - before) * (1.0 - low) / (high - low)
    return None
