"""A set of conversation keys that expire, counted without scanning it."""

from __future__ import annotations

import heapq
from math import inf
from typing import Callable, Optional

__all__ = ["ExpiringSet"]


class ExpiringSet(dict[str, float]):
    """Conversation keys, with the expiry that was set last; `count` is amortised O(log n) per expiry.

    Each key has one valid entry in the heap, never later than its expiry.  A key whose expiry is set again
    keeps its entry, which is put back with the new expiry when it surfaces.  Only an expiry that moves
    forward needs a new entry, and the old one becomes void.

    With `expiry_of`, called with a key and the time, an expiry need not be set again when it moves back: the
    function is asked when the entry surfaces.
    """

    def __init__(self, expiry_of: Optional[Callable[[str, float], float]] = None) -> None:
        super().__init__()
        self.expiry_of = expiry_of
        self._queued: dict[str, float] = {}  # when the valid entry surfaces
        self._heap: list[tuple[float, str]] = []
        self.next_expiry = inf  # no key expires earlier

    def set_expiry(self, key: str, expiry: float) -> None:
        """Add `key`, or change when it expires (epoch seconds)."""
        self[key] = expiry
        queued = self._queued.get(key)
        if queued is None or expiry < queued:
            self._queue(key, expiry)

    def discard(self, key: str) -> None:
        """Remove `key` if it is there."""
        self.pop(key, None)

    def expire(self, now: float) -> list[str]:
        """Drop and return the keys whose expiry has passed."""
        gone: list[str] = []
        while self._heap and self._heap[0][0] <= now:
            when, key = heapq.heappop(self._heap)
            if self._queued.get(key) != when:
                continue
            del self._queued[key]
            expiry = self.get(key)
            if expiry is not None and self.expiry_of is not None:
                expiry = self.expiry_of(key, now)
            if expiry is not None and expiry > now:
                self._queue(key, expiry)
            elif expiry is not None:
                del self[key]
                gone.append(key)
        self.next_expiry = self._heap[0][0] if self._heap else inf
        return gone

    def count(self, now: float, but: Optional[str] = None) -> int:
        """Return how many keys have not expired, not counting `but`."""
        if self.next_expiry <= now:
            self.expire(now)
        return len(self) - (but in self)

    def contains(self, key: str, now: float) -> bool:
        """Return whether `key` is there and has not expired."""
        return self.get(key, -inf) > now

    def _queue(self, key: str, expiry: float) -> None:
        self._queued[key] = expiry
        heapq.heappush(self._heap, (expiry, key))
        if len(self._heap) > 2 * len(self._queued) + 16:
            # Void entries of far expiries may never surface.
            self._heap = [(when, name) for name, when in self._queued.items()]
            heapq.heapify(self._heap)
        self.next_expiry = self._heap[0][0]
