"""When a token is renewed, how long a busy token endpoint is left alone, and how that is said.

No clock and no I/O: `now` is epoch seconds.

Rules:
1. A token is renewed ahead of its end by a tenth of its life, 300 s at most: a margin longer than the
   life would renew it with every request.
2. The life is known where the token was issued to us; of another program's token the margin is 300 s.
3. Two renewals of one account are at least LEAST_DISTANCE_SEC apart, whatever the tokens' ends say.
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

# The real client's own margin: it renews when now + 5 min >= expiresAt.
MAX_MARGIN_SEC = 300.0
MARGIN_SHARE = 0.1  # of the life
MIN_REFRESH_INTERVAL_SEC = 10.0
WARN_SEC = 3 * 86400.0
FIRST_BACKOFF_SEC = 5.0
MAX_BACKOFF_SEC = 300.0
# A server that asks for more is asked again all the same, once an hour.
MAX_RETRY_AFTER_SEC = 3600.0
NEVER = float("inf")


class RefreshNeed(Enum):
    """NONE; ADVISORY: still valid, renew beside the traffic; MANDATORY: not usable."""

    NONE = 0
    ADVISORY = 1
    MANDATORY = 2


class Usability(NamedTuple):
    """Whether an account may be sent a request as far as its tokens go; true when it may.

    `retry_at` is when to ask again; None where that alone will not help: the account is out until its
    tokens change.
    """

    usable: bool
    reason: str = ""
    retry_at: Optional[float] = None

    def __bool__(self) -> bool:
        return self.usable


USABLE = Usability(True)


def refresh_margin_sec(pair: TokenPair) -> float:
    """Seconds before its end at which the access token is renewed."""
    life = pair.lifetime_sec
    return MAX_MARGIN_SEC if life is None else min(MAX_MARGIN_SEC, MARGIN_SHARE * life)


def refresh_need(pair: TokenPair, now: float) -> RefreshNeed:
    """What the pair's age asks for; a token whose end is not known is good until it is refused."""
    if pair.access_token is None:
        return RefreshNeed.MANDATORY
    if pair.expires_at is None or pair.expires_at - now >= refresh_margin_sec(pair):
        return RefreshNeed.NONE
    return RefreshNeed.ADVISORY if pair.expires_at > now else RefreshNeed.MANDATORY


def backoff_sec(failures: int, retry_after: Optional[float] = None) -> float:
    """Seconds until the next try after so many failures in a row; `wish`: the server's retry-after."""
    pause = min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0 ** min(max(failures, 1) - 1, 32))
    return max(pause, min(retry_after or 0.0, MAX_RETRY_AFTER_SEC))
