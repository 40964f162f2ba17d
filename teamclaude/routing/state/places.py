"""Since when conversations have waited for room, also while their clients are away.

A request that waits is sent away when its hold ends, or when nothing can serve it in time.  Its client comes
back: by itself, or because a person tries again.  Without a place it would come back as the youngest, and in
a crowd that never ends it would be sent away again.

1. A place is kept from the first wait until the conversation gets an account, or until it has not been tried
   for `life_sec`.
2. While its request stays in the wait queue a place needs no attempts (`keep`).
3. A place is no more than an order: the accounts are not kept free for a client that is away.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Optional

from ..quota.lenient_json import LenientObject, as_text
from .decision import Reason

__all__ = ["KEEPS_PLACE", "MAX_PLACES", "Places"]

MAX_PLACES = 10_000
KEEPS_PLACE = (Reason.GATE, Reason.NOTHING_USABLE)  # why a request waits that has a place


class Places:
    """The places by conversation, of which those that are kept are apart."""

    def __init__(self, life_sec: float = 0.0) -> None:
        self.life_sec = life_sec
        # Since, and tried last; the one that was tried the longest ago is the first.
        self.by_conversation: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.kept: dict[str, float] = {}  # since

    def __len__(self) -> int:
        """Return how many places are kept."""
        return len(self.by_conversation) + len(self.kept)

    def since(self, conversation: Optional[str], since: float, now: float) -> float:
        """Return since when the conversation has waited, whose request has waited since `since`."""
        if conversation in self.kept:
            return min(self.kept[conversation or ""], since)
        known = self.by_conversation.get(conversation or "")
        return since if known is None or known[1] < now - self.life_sec else min(known[0], since)

    def record(self, conversation: Optional[str], since: float, now: float) -> None:
        """Record that the conversation was tried and waits on; its request has waited since `since`."""
        if conversation is None or self.life_sec <= 0.0:
            return
        since = self.since(conversation, since, now)
        self.kept.pop(conversation, None)
        self.by_conversation[conversation] = since, now
        self.by_conversation.move_to_end(conversation)
        while len(self.by_conversation) > MAX_PLACES or self._oldest_tried() < now - self.life_sec:
            self.by_conversation.popitem(last=False)

    def keep(self, conversation: str) -> None:
        """Keep the place until it is recorded again, or discarded."""
        if conversation in self.by_conversation:
            self.kept[conversation] = self.by_conversation.pop(conversation)[0]

    def _oldest_tried(self) -> float:
        return next(iter(self.by_conversation.values()))[1]

    def discard(self, conversation: Optional[str]) -> None:
        """Forget the place of a conversation that has got an account."""
        self.by_conversation.pop(conversation or "", None)
        self.kept.pop(conversation or "", None)

    def clock_moved_back(self, now: float) -> None:
        """Treat what happened after `now` as if it happened now: the clock moved back."""
        for conversation, (since, tried) in self.by_conversation.items():
            self.by_conversation[conversation] = min(since, now), min(tried, now)
        for conversation, since in self.kept.items():
            self.kept[conversation] = min(since, now)

    def to_json(self, now: float) -> list[dict[str, Any]]:
        """Return the places, the one tried the longest ago first."""
        tried_now = {name: (since, now) for name, since in self.kept.items()}
        return [
            {"conversation": name, "since": since, "tried": tried}
            for name, (since, tried) in {**self.by_conversation, **tried_now}.items()
        ]

    def restore(self, rows: Iterable[LenientObject]) -> None:
        """Take back what was saved."""
        for row in rows:
            conversation = row.get("conversation", as_text, "")
            if conversation:
                tried = row.get("tried", row.as_time, 0.0)
                self.by_conversation[conversation] = row.get("since", row.as_time, tried), tried
