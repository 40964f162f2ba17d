"""How many requests an account takes at once, as policy `price` learns it."""

from __future__ import annotations

from ..state.account import Account

__all__ = ["InflightLimits"]

RAISE_AFTER_SEC = 1200.0  # a learned in-flight limit rises by one after so long


class InflightLimits:
    """Requests an account takes at once, learned from bare 429s; by account key.

    The API limits more than quota and does not say how.  A 429 that names neither a time nor a window, while
    several requests were in flight, means that they were one too many.  The limit rises again slowly.
    """

    def __init__(self) -> None:
        self.learned: dict[str, tuple[int, float]] = {}  # limit, when

    def limit(self, account: Account, most: int, now: float) -> int:
        """Return the requests the account may have in flight, at most `most`; 1 before its first response."""
        if not account.proven:
            return 1
        learned = self.learned.get(account.key)
        if learned is None:
            return most
        limit = learned[0] + int(max(0.0, now - learned[1]) / RAISE_AFTER_SEC)
        if limit < most:
            return limit
        del self.learned[account.key]
        return most

    def record_bare_429(self, account: Account, now: float) -> None:
        """Record a bare 429, whose request is still counted as in flight."""
        if account.inflight > 1:
            self.learned[account.key] = (account.inflight - 1, now)
