"""How many requests an account takes at once, learned from bare 429s.

The API limits more than quota, and does not say how: a 429 that names neither a time nor a window, while
several requests were in flight, means that they were one too many.  The limit rises again slowly.
"""

from __future__ import annotations

from .account import Account

__all__ = ["InflightLimits"]

RAISE_AFTER_SEC = 1200.0  # one more after so long


class InflightLimits:
    """Learned limits by account key; what was never refused has none."""

    def __init__(self) -> None:
        self._learned: dict[str, tuple[int, float]] = {}  # limit, when

    def limit(self, account: Account, most: int, now: float) -> int:
        """Requests the account may have in flight, `most` at most; 1 before its first answer."""
        if not account.proven:
            return 1
        learned = self._learned.get(account.key)
        if learned is None:
            return most
        limit = learned[0] + int(max(0.0, now - learned[1]) / RAISE_AFTER_SEC)
        if limit < most:
            return limit
        del self._learned[account.key]
        return most

    def record_bare_429(self, account: Account, now: float) -> None:
        """A bare 429; its request is still counted as in flight."""
        if account.inflight > 1:
            self._learned[account.key] = (account.inflight - 1, now)
