"""When a token must be refreshed, and how long to back off from a busy token endpoint.

Pure: no clock and no I/O; `now` is epoch seconds.

Rules:
1. A token is refreshed a tenth of its lifetime before its expiry, at most 300 s before: a margin longer
   than the lifetime would refresh it with every request.
2. The lifetime is known for tokens that were issued to us; for another program's the margin is 300 s.
3. Two refreshes of one account are at least MIN_REFRESH_INTERVAL_SEC apart, whatever their expiry.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Optional

from .token_pair import TokenPair

__all__ = [
    "MIN_REFRESH_INTERVAL_SEC",
    "NEVER",
    "USABLE",
    "WARN_SEC",
    "RefreshNeed",
    "Usability",
    "backoff_sec",
    "refresh_margin_sec",
    "refresh_need",
]

# The margin of Claude Code, which refreshes when now + 5 min >= expiresAt.
MAX_MARGIN_SEC = 300.0
MARGIN_SHARE = 0.1  # of the life
MIN_REFRESH_INTERVAL_SEC = 10.0
WARN_SEC = 3 * 86400.0
FIRST_BACKOFF_SEC = 5.0
MAX_BACKOFF_SEC = 300.0
# A server that asks for a longer pause is still tried once an hour.
MAX_RETRY_AFTER_SEC = 3600.0
NEVER = float("inf")


class RefreshNeed(Enum):
    """NONE; ADVISORY: still valid, refresh in the background; MANDATORY: not usable."""

    NONE = 0
    ADVISORY = 1
    MANDATORY = 2


class Usability(NamedTuple):
    """Whether an account's tokens allow sending it a request; true when they do.

    `retry_at`: when to ask again (epoch seconds); None when waiting does not help, and the account is
    out until its tokens change.
    """

    usable: bool
    reason: str = ""
    retry_at: Optional[float] = None

    def __bool__(self) -> bool:
        return self.usable


USABLE = Usability(True)


def refresh_margin_sec(pair: TokenPair) -> float:
    """Return how many seconds before its expiry the access token is refreshed."""
    life = pair.lifetime_sec
    return MAX_MARGIN_SEC if life is None else min(MAX_MARGIN_SEC, MARGIN_SHARE * life)


def refresh_need(pair: TokenPair, now: float) -> RefreshNeed:
    """Return what the pair's age requires; a token of unknown expiry is good until it is refused."""
    if pair.access_token is None:
        return RefreshNeed.MANDATORY
    if pair.expires_at is None or pair.expires_at - now >= refresh_margin_sec(pair):
        return RefreshNeed.NONE
    return RefreshNeed.ADVISORY if pair.expires_at > now else RefreshNeed.MANDATORY


def backoff_sec(failures: int, retry_after: Optional[float] = None) -> float:
    """Return the seconds to wait after `failures` in a row; `retry_after`: what the server asked for."""
    pause = min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0 ** min(max(failures, 1) - 1, 32))
    return max(pause, min(retry_after or 0.0, MAX_RETRY_AFTER_SEC))
