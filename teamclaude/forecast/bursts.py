"""Courses of demand with bursts: when the pool is used up depends on how work crowds, not on its sum alone.

Three busy hours can use up every 5-hour window while the week has plenty.  So the pool is asked for many
courses: in each the hours, two at a time, get their own share of what is expected, gamma distributed and
independent, and all of them one common factor.  The courses are the same with every call: a forecast changes
because something happened, not because dice were thrown again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .readings import HOUR_SEC
from .spread import gamma_factor

__all__ = ["BURST_GRID", "COURSE_COUNT", "bursty_courses"]

BLOCK_HOURS = 2
BLOCKS = 36
# Seconds from now, to three days.
BURST_GRID = tuple(HOUR_SEC * hours for hours in (0.5, *range(1, BLOCKS * BLOCK_HOURS + 1)))
COURSE_COUNT = 16


def bursty_courses(expected: Sequence[float], burst: float, level_error: float) -> list[list[float]]:
    """Return tokens wanted until each time of BURST_GRID, for COURSE_COUNT courses.

    `expected` are the tokens until these times, `burst` and `level_error` as of `DemandModel`.
    """
    courses = []
    for levels in _levels():
        common = max(0.2, 1.0 + level_error * levels[-1])
        asked, course, before = 0.0, [], 0.0
        for offset, tokens in zip(BURST_GRID, expected):
            block = min(BLOCKS - 1, int((offset - 1.0) / HOUR_SEC / BLOCK_HOURS))
            last = min(len(expected) - 1, BLOCK_HOURS * (block + 1))
            begin = expected[BLOCK_HOURS * block] if block else 0.0
            mean = max(1.0, expected[last] - begin)
            asked += (tokens - before) * common * gamma_factor(levels[block], mean / max(1.0, burst))
            before = tokens
            course.append(asked)
        courses.append(course)
    return courses


@lru_cache(maxsize=1)
def _levels() -> list[list[float]]:
    """Return for each course a normal level per block, and one for all: every level once in each block."""
    even = [_normal((place + 0.5) / COURSE_COUNT) for place in range(COURSE_COUNT)]
    state, columns = 1, []
    for _ in range(BLOCKS + 1):
        column = list(even)
        for place in range(COURSE_COUNT - 1, 0, -1):
            state = state * 1_103_515_245 + 12_345 & 0x7FFFFFFF
            other = (state >> 8) % (place + 1)
            column[place], column[other] = column[other], column[place]
        columns.append(column)
    return [list(levels) for levels in zip(*columns)]


def _normal(level: float) -> float:
    """Return where a share `level` of a normal distribution is below, to 0.01 (Tukey's lambda)."""
    value: float = 4.91 * (level**0.14 - (1.0 - level) ** 0.14)
    return value
