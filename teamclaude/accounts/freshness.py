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
from typing import Literal, NamedTuple, Optional

from .pair import TokenPair

__all__ = [
    "LEAST_DISTANCE_SEC",
    "NEVER",
    "USABLE",
    "WARN_SEC",
    "Need",
    "Standing",
    "TokenState",
    "margin_of",
    "need_of",
    "pause_after",
]

# The real client's own margin: it renews when now + 5 min >= expiresAt.
LONGEST_MARGIN_SEC = 300.0
MARGIN_SHARE = 0.1  # of the life
LEAST_DISTANCE_SEC = 10.0
WARN_SEC = 3 * 86400.0
FIRST_PAUSE_SEC = 5.0
LONGEST_PAUSE_SEC = 300.0
# A server that asks for more is asked again all the same, once an hour.
LONGEST_WISH_SEC = 3600.0
NEVER = float("inf")


class Need(Enum):
    """NONE; ADVISORY: still valid, renew beside the traffic; MANDATORY: not usable."""

    NONE = 0
    ADVISORY = 1
    MANDATORY = 2


class Standing(NamedTuple):
    """Whether an account may be sent a request as far as its tokens go; true when it may.

    `retry_at` is when to ask again; None where that alone will not help: the account is out until its
    tokens change.
    """

    usable: bool
    words: str = ""
    retry_at: Optional[float] = None

    def __bool__(self) -> bool:
        return self.usable


USABLE = Standing(True)


class TokenState(NamedTuple):
    """For display.  `words` says why, where there is something to say; never a credential."""

    state: Literal["valid", "refresh due", "re-login needed"]
    expires_at: Optional[float] = None
    login_ends_at: Optional[float] = None
    words: str = ""


def margin_of(pair: TokenPair) -> float:
    """Seconds before its end at which the access token is renewed."""
    life = pair.life
    return LONGEST_MARGIN_SEC if life is None else min(LONGEST_MARGIN_SEC, MARGIN_SHARE * life)


def need_of(pair: TokenPair, now: float) -> Need:
    """What the pair's age asks for; a token whose end is not known is good until it is refused."""
    if pair.access_token is None:
        return Need.MANDATORY
    if pair.expires_at is None or pair.expires_at - now >= margin_of(pair):
        return Need.NONE
    return Need.ADVISORY if pair.expires_at > now else Need.MANDATORY


def pause_after(failures: int, wish: Optional[float] = None) -> float:
    """Seconds until the next try after so many failures in a row; `wish`: the server's retry-after."""
    pause = min(LONGEST_PAUSE_SEC, FIRST_PAUSE_SEC * 2.0 ** min(max(failures, 1) - 1, 32))
    return max(pause, min(wish or 0.0, LONGEST_WISH_SEC))
