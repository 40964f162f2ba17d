"""Burn: the tokens an account spent that count against its windows, in 5-minute buckets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

__all__ = ["Burn"]

BUCKET_SEC = 300
KEEP_SEC = 7 * 86400
MAX_CACHED_SUMS = 8


class Burn:
    """Tokens per 5-minute bucket of the last 7 days.

    A reset in the middle of a bucket cuts it: what was burned after the cut is counted apart.

    Every response asks for the same two sums, of its 5h and its 7d window.  They are cached, and `add` keeps
    them right; summed anew they took 65 us of a request after a busy week.
    """

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._buckets: dict[int, int] = dict(buckets)
        self._newest = max(self._buckets, default=0)
        self._sums: dict[int, int] = {}  # first bucket -> tokens from there on
        self._after_cut: tuple[float, int] = (0.0, 0)  # the latest cut, tokens after it in its bucket

    def add(self, tokens: int, now: float, cut: Optional[float] = None) -> None:
        """Count tokens burned at `now`; a `cut` that has passed is a known reset (epoch seconds)."""
        if tokens <= 0:
            return
        index = int(now // BUCKET_SEC)
        if cut is not None and cut <= now and cut // BUCKET_SEC == index:
            before = self._after_cut[1] if self._after_cut[0] == cut else 0
            self._after_cut = (cut, before + tokens)
        if index not in self._buckets:
            self._drop_old(index)
            self._newest = max(self._newest, index)
        self._buckets[index] = self._buckets.get(index, 0) + tokens
        for first in self._sums:
            if first <= index:
                self._sums[first] += tokens

    def tokens_since(self, start: float, now: float) -> int:
        """Return the tokens burned in `start`'s bucket and after it."""
        first = int(start // BUCKET_SEC)
        last = int(now // BUCKET_SEC)
        if last < self._newest:  # the clock moved back
            return self._sum(first, last)
        known = self._sums.get(first)
        if known is None:
            if len(self._sums) >= MAX_CACHED_SUMS:
                self._sums.clear()
            known = self._sums[first] = self._sum(first, last)
        return known

    def _sum(self, first: int, last: int) -> int:
        if last - first < len(self._buckets):
            return sum(self._buckets.get(i, 0) for i in range(first, last + 1))
        return sum(tokens for index, tokens in self._buckets.items() if first <= index <= last)

    def tokens_in_window(self, length: float, reset: Optional[float], now: float) -> int:
        """Return the tokens burned since the window of `length` seconds began.

        `reset` is the last one known: of the running window, or one that has passed, with which the running
        window began at the earliest.  Where it is unknown or long ago, the last `length` seconds count.
        """
        if reset is None or reset <= now - length:
            return self.tokens_since(now - length, now)
        return self.tokens_since(reset - length, now) if reset > now else self._since_cut(reset, now)

    def _since_cut(self, cut: float, now: float) -> int:
        """Return the tokens burned at or after `cut`, exact also within its bucket."""
        whole = self.tokens_since(cut, now)
        if cut % BUCKET_SEC == 0:
            return whole
        in_bucket = self._buckets.get(int(cut // BUCKET_SEC), 0)
        after = self._after_cut[1] if self._after_cut[0] == cut else 0
        return whole - in_bucket + min(after, in_bucket)

    def to_json(self) -> list[tuple[int, int]]:
        """Return the buckets in order: number since the epoch, tokens."""
        return sorted(self._buckets.items())

    def _drop_old(self, newest: int) -> None:
        oldest = newest - KEEP_SEC // BUCKET_SEC
        if any(index < oldest for index in self._buckets):
            self._buckets = {i: n for i, n in self._buckets.items() if i >= oldest}
            self._sums.clear()
