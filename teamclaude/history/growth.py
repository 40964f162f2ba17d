"""What was used of quota windows, from their readings.

A reading says how much of a window is used.  The growth from one reading to the next is what was used in
between; a reading after a reset counts whole; the first one is only where it begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ..values import NamedTuple
from .steps import begin_of, next_after

__all__ = ["Growth", "Reading", "growth_of"]

# The API rounds resets to the second or the minute; another window's is hours away.
SAME_RESET_SEC = 600.0

# Time, number of the account, of the axis, used, reset.
Reading = tuple[float, int, int, float, Optional[float]]


class Growth(NamedTuple):
    """What an account used of the windows of one axis in a step of time; 1.0 is a whole window."""

    begin: Optional[float]  # of the step; None: the whole time
    account: str
    axis: str
    used: float


def growth_of(
    before: Iterable[Reading], readings: Iterable[Reading], step: Optional[str]
) -> dict[tuple[Optional[float], int, int], float]:
    """Return the growth in `readings` by (begin of the step, account, axis).

    They come in the order of time; `before` has the last reading of each window before them.  A file may
    have 100,000 readings, so this is one loop.
    """
    last = {(account, axis): (used, reset) for _, account, axis, used, reset in before}
    grown: dict[tuple[Optional[float], int, int], float] = {}
    begin: Optional[float] = None
    end = float("inf") if step is None else float("-inf")
    for at, account, axis, used, reset in readings:
        window = (account, axis)
        known = last.get(window)
        last[window] = (used, reset)
        if known is None:
            continue
        grew = used - known[0] if _is_same_window(known, at, used, reset) else used
        if grew > 0:
            if at >= end and step is not None:
                begin = begin_of(step, at)
                end = next_after(step, begin)
            key = (begin, account, axis)
            grown[key] = grown.get(key, 0.0) + grew
    return grown


def _is_same_window(
    before: tuple[float, Optional[float]], at: float, used: float, reset: Optional[float]
) -> bool:
    if before[1] is None or reset is None:
        return used >= before[0]
    return at < before[1] and abs(reset - before[1]) < SAME_RESET_SEC
