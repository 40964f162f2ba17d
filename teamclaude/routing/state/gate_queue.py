"""The conversations that a policy holds at its gate, in the order in which they wait.

1. One whose request stays in the wait queue is kept: it is tried with every walk of the queue, by itself or
   because one that stands for it is, and that is not recorded each time.
2. Of any other only the attempt tells that it is there.  When there was none for a while, it has left.
3. `places` also has those whose clients are away, and those that wait because nothing can serve them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Optional

from .decision import Decision, Reason
from .places import KEEPS_PLACE, Places

__all__ = ["RECHECK_SEC", "GateQueue"]

RECHECK_SEC = 15.0  # a request that a policy holds is tried again at least this often
SAME_INSTANT_SEC = 1e-5  # `now - waited` rounds


class GateQueue(dict[str, float]):
    """Since when each conversation waits (epoch seconds)."""

    def __init__(self, place_life_sec: float = 0.0) -> None:
        super().__init__()
        self.places = Places(place_life_sec)
        self.kept: set[str] = set()
        self._tried: dict[str, float] = {}  # when the others were tried last, in that order
        self._since: list[tuple[float, str]] = []  # sorted: a count takes O(log n)

    def __delitem__(self, conversation: str) -> None:
        """Drop the conversation."""
        self._forget(conversation)
        self.kept.discard(conversation)
        self._tried.pop(conversation, None)
        super().__delitem__(conversation)

    def clear(self) -> None:
        """Drop all conversations."""
        super().clear()
        self.kept.clear()
        self._tried.clear()
        self._since.clear()

    def _forget(self, conversation: str) -> None:
        del self._since[bisect_left(self._since, (self[conversation], conversation))]

    # --- attempts -----------------------------------------------------------------------------

    def record_decision(
        self, conversation: Optional[str], decision: Decision, since: float, now: float
    ) -> None:
        """Record a decision for a conversation whose request has waited since `since`."""
        if decision.reason in KEEPS_PLACE:
            self.places.record(conversation, since, now)
        since = self.places.since(conversation, since, now)
        self.record(conversation, decision.reason == Reason.GATE, since, now)

    def record(self, conversation: Optional[str], waits: bool, since: float, now: float) -> None:
        """Record an attempt: the conversation has waited since `since`, or goes on."""
        if waits and conversation is not None:
            known = self.get(conversation)
            if known is None or abs(known - since) >= SAME_INSTANT_SEC:
                if known is not None:
                    self._forget(conversation)
                insort(self._since, (since, conversation))
                self[conversation] = since
            self.kept.discard(conversation)
            self._tried.pop(conversation, None)
            self._tried[conversation] = now
        elif conversation in self:
            del self[conversation or ""]

    def keep(self, conversation: str, since: float, now: float) -> None:
        """Keep the conversation at the gate, and its place, until it is recorded or released."""
        self.places.record(conversation, since, now)
        self.record(conversation, True, self.places.since(conversation, since, now), now)
        self.places.keep(conversation)
        self.kept.add(conversation)
        del self._tried[conversation]

    def release(self, conversation: Optional[str], tried: float) -> None:
        """Keep the conversation no longer; it was tried last at `tried`."""
        if conversation in self.kept:
            self.kept.discard(conversation or "")
            self._tried[conversation or ""] = tried

    def drop_stale(self, now: float) -> None:
        """Drop conversations that left without another attempt."""
        while self._tried:
            conversation, tried = next(iter(self._tried.items()))
            if tried >= now - 4.0 * RECHECK_SEC:
                return
            del self[conversation]

    def clock_moved_back(self, now: float) -> None:
        """Treat what was tried after `now` as if it was tried now: the clock moved back."""
        for conversation, tried in self._tried.items():
            self._tried[conversation] = min(tried, now)
        self.places.clock_moved_back(now)

    # --- readers ------------------------------------------------------------------------------

    def count_longer(self, of: Optional[str], since: float, now: float) -> int:
        """Return how many conversations have waited longer than `of`, which has waited since `since`."""
        before = since - SAME_INSTANT_SEC
        count = bisect_left(self._since, (before, ""))
        own = self.get(of or "")
        if own is not None and own < before:
            count -= 1
        fresh = now - 2.0 * RECHECK_SEC
        for conversation, tried in self._tried.items():
            if tried >= fresh:
                break
            # One that was not tried for so long has left.
            count -= self[conversation] < before and conversation != of
        return count
