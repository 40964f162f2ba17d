"""Burn: the tokens an account spent that count against its windows, in 5-minute buckets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

__all__ = ["Burn"]

BUCKET_SEC = 300
KEEP_SEC = 7 * 86400
KEPT_SUMS = 8


class Burn:
    """Tokens per 5-minute bucket of the last 7 days.

    Every answer asks for the same two sums, of its 5h and its 7d window: they are kept, and `add` keeps
    them right.  Added up anew they took 65 us of a request after a busy week.
    """

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._buckets: dict[int, int] = dict(buckets)
        self._newest = max(self._buckets, default=0)
        self._sums: dict[int, int] = {}  # first bucket -> tokens from there on

    def add(self, tokens: int, now: float) -> None:
        if tokens <= 0:
            return
        index = int(now // BUCKET_SEC)
        if index not in self._buckets:
            self._forget(index)
            self._newest = max(self._newest, index)
        self._buckets[index] = self._buckets.get(index, 0) + tokens
        for first in self._sums:
            if first <= index:
                self._sums[first] += tokens

    def since(self, start: float, now: float) -> int:
        """Tokens burned in buckets that began at or after `start`'s bucket."""
        first = int(start // BUCKET_SEC)
        last = int(now // BUCKET_SEC)
        if last < self._newest:  # the clock was set back
            return self._sum(first, last)
        known = self._sums.get(first)
        if known is None:
            if len(self._sums) >= KEPT_SUMS:
                self._sums.clear()
            known = self._sums[first] = self._sum(first, last)
        return known

    def _sum(self, first: int, last: int) -> int:
        if last - first < len(self._buckets):
            return sum(self._buckets.get(i, 0) for i in range(first, last + 1))
        return sum(tokens for index, tokens in self._buckets.items() if first <= index <= last)

    def in_window(self, length: float, resets_at: Optional[float], now: float) -> int:
        """Tokens since the window of `length` seconds began; the last `length` if its reset is unknown."""
        start = resets_at - length if resets_at is not None and resets_at > now else now - length
        return self.since(start, now)

    def stored(self) -> list[tuple[int, int]]:
        return sorted(self._buckets.items())

    def _forget(self, newest: int) -> None:
        oldest = newest - KEEP_SEC // BUCKET_SEC
        if any(index < oldest for index in self._buckets):
            self._buckets = {i: n for i, n in self._buckets.items() if i >= oldest}
            self._sums.clear()
