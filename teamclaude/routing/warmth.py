"""Which conversations are warm on an account: counted without ever scanning them all."""

from __future__ import annotations

import heapq

__all__ = ["WarmSet"]


class WarmSet:
    """Conversation keys with an expiry each; `count` is amortised O(log n) per expiry.

    Each key has one entry in the heap.  A key touched again keeps its old entry, which is put back
    with the new expiry when it surfaces.
    """

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._queued: set[str] = set()

    def touch(self, key: str, expiry: float) -> None:
        """`key` is warm until `expiry` (epoch seconds)."""
        self._expiry[key] = expiry
        if key not in self._queued:
            self._queued.add(key)
            heapq.heappush(self._heap, (expiry, key))

    def discard(self, key: str) -> None:
        self._expiry.pop(key, None)

    def expire(self, now: float) -> list[str]:
        """Drop and return the keys whose expiry has passed."""
        gone = []
        while self._heap and self._heap[0][0] <= now:
            _, key = heapq.heappop(self._heap)
            expiry = self._expiry.get(key)
            if expiry is not None and expiry > now:
                heapq.heappush(self._heap, (expiry, key))
                continue
            self._queued.discard(key)
            if expiry is not None:
                del self._expiry[key]
                gone.append(key)
        return gone

    def count(self, now: float) -> int:
        self.expire(now)
        return len(self._expiry)
