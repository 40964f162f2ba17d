"""Burn: the tokens an account spent that count against its windows, in 5-minute buckets."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Optional

__all__ = ["Burn"]

BUCKET_SEC = 300
KEEP_SEC = 7 * 86400


class Burn:
    """Tokens per 5-minute bucket of the last 7 days, as running totals: a sum is two look-ups."""

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._base = 0  # of all buckets that are forgotten
        self._index: list[int] = []
        self._total: list[int] = []  # of this bucket and all before it
        for index, tokens in sorted(dict(buckets).items()):
            self._append(index, tokens)

    def add(self, tokens: int, now: float) -> None:
        if tokens <= 0:
            return
        index = int(now // BUCKET_SEC)
        if self._index and index < self._index[-1]:
            self._add_late(index, tokens)
        elif self._index and index == self._index[-1]:
            self._total[-1] += tokens
        else:
            self._forget(index)
            self._append(index, tokens)

    def since(self, start: float, now: float) -> int:
        """Tokens burned in buckets that began at or after `start`'s bucket."""
        return self._until(int(now // BUCKET_SEC)) - self._until(int(start // BUCKET_SEC) - 1)

    def in_window(self, length: float, resets_at: Optional[float], now: float) -> int:
        """Tokens since the window of `length` seconds began; the last `length` if its reset is unknown."""
        start = resets_at - length if resets_at is not None and resets_at > now else now - length
        return self.since(start, now)

    def stored(self) -> list[tuple[int, int]]:
        before = [self._base, *self._total]
        return [(i, total - old) for i, total, old in zip(self._index, self._total, before)]

    def _append(self, index: int, tokens: int) -> None:
        self._index.append(index)
        self._total.append(tokens + (self._total[-1] if self._total else self._base))

    def _until(self, index: int) -> int:
        """The running total at the end of bucket `index`."""
        place = bisect_right(self._index, index)
        return self._total[place - 1] if place else self._base

    def _add_late(self, index: int, tokens: int) -> None:
        """The clock was set back: the bucket is not the last one."""
        place = bisect_left(self._index, index)
        if self._index[place] != index:
            self._index.insert(place, index)
            self._total.insert(place, self._until(index - 1))
        for later in range(place, len(self._total)):
            self._total[later] += tokens

    def _forget(self, newest: int) -> None:
        old = bisect_left(self._index, newest - KEEP_SEC // BUCKET_SEC)
        if old:
            self._base = self._total[old - 1]
            del self._index[:old], self._total[:old]
