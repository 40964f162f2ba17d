"""What an answer's head says of quota; heads that say the same, one soon after the other, are read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ...routing.quota.windows import QuotaReading, is_quota_header, read_windows
from ..http.head import Head

__all__ = ["read_quota"]

# A reading carries its time, so it does not serve for long; also `retry-after` may be a date.
REUSE_SEC = 1.0
_MAX_READINGS = 64  # of one shape of heads: an account each


class _QuotaMemo:
    """Of one shape of heads: where quota is told, and what was told lately, with the time."""

    __slots__ = ("places", "readings")

    def __init__(self, names: Sequence[str]) -> None:
        self.places = [place for place, name in enumerate(names) if is_quota_header(name)]
        self.readings: dict[tuple[str, ...], tuple[float, QuotaReading]] = {}


def read_quota(head: Head, now: float) -> QuotaReading:
    """As `read_windows`; up to a second old.

    Under load, where it counts, an account's answers differ in their quota now and then: 12 us of a small
    request less.  Threads may read the same head twice; a reading is never changed.
    """
    shape, values = head.layout, head.values
    memory: Optional[_QuotaMemo] = shape.memo.get(_QuotaMemo)
    if memory is None:
        memory = shape.memo[_QuotaMemo] = _QuotaMemo(shape.names)
    said = tuple([values[place] for place in memory.places])
    known = memory.readings.get(said)
    if known is not None and 0.0 <= now - known[0] < REUSE_SEC:
        return known[1]
    if len(memory.readings) >= _MAX_READINGS:
        memory.readings.clear()
    reading = read_windows([(shape.names[place], values[place]) for place in memory.places], now)
    memory.readings[said] = (now, reading)
    return reading
