"""The conversations a policy lets wait: who of them has waited longer than another."""

from __future__ import annotations

from typing import Optional

__all__ = ["RECHECK_SEC", "GateQueue"]

RECHECK_SEC = 15.0  # whoever a policy holds back asks again at least this often


class GateQueue(dict[str, tuple[float, float]]):
    """By conversation: since when it waits, and when it asked last."""

    def record(self, conversation: Optional[str], waits: bool, since: float, now: float) -> None:
        """It asked, and waits since then or goes on."""
        if waits and conversation is not None:
            self[conversation] = (since, now)
        else:
            self.pop(conversation or "", None)

    def drop_stale(self, now: float) -> None:
        """Drop those who left without a word."""
        for key in [key for key, (_, asked) in self.items() if asked < now - 4.0 * RECHECK_SEC]:
            del self[key]

    def count_longer(self, of: Optional[str], since: float, now: float) -> int:
        """How many wait for longer than `of`, who waits since then."""
        fresh = now - 2.0 * RECHECK_SEC  # who has not asked for so long has left
        return sum(began < since and asked >= fresh and key != of for key, (began, asked) in self.items())
