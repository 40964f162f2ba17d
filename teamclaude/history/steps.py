"""Hours, days, weeks and months of local time, as the C library has it: across changes of the clock, too."""

from __future__ import annotations

import time
from collections.abc import Iterator

__all__ = ["DAY", "FIVE_MINUTES", "HOUR", "begin_of", "next_after", "steps_between"]

FIVE_MINUTES, HOUR, DAY = 300, 3600, 86400  # seconds; of `step` in the table `usage`


def begin_of(step: str, at: float) -> float:
    """Return the begin of the `hour`, `day`, `week` (Monday) or `month` that `at` is in."""
    local = time.localtime(at)
    if step == "hour":
        # Hours of a zone with 30 minutes' difference begin at half past in UTC.
        return float(int(at) - local.tm_min * 60 - local.tm_sec)
    day = 1 if step == "month" else local.tm_mday - (local.tm_wday if step == "week" else 0)
    return _midnight(local.tm_year, local.tm_mon, day)


def next_after(step: str, begin: float) -> float:
    """Return the begin of the step after the one that begins at `begin`."""
    if step == "hour":
        return begin + HOUR
    local = time.localtime(begin)
    if step == "month":
        return _midnight(local.tm_year, local.tm_mon + 1, 1)
    return _midnight(local.tm_year, local.tm_mon, local.tm_mday + (7 if step == "week" else 1))


def steps_between(step: str, since: float, until: float) -> Iterator[tuple[float, float]]:
    """Yield (begin, end) of the steps that have a part in `since` to `until`."""
    begin = begin_of(step, since)
    while begin < until:
        end = next_after(step, begin)
        yield begin, end
        begin = end


def _midnight(year: int, month: int, day: int) -> float:
    # mktime normalizes: the 0th, the 32nd and the 13th month are days, too.
    return time.mktime((year, month, day, 0, 0, 0, 0, 0, -1))
