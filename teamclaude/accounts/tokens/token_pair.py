"""A token pair, when it must be refreshed, and how long to back off from a busy token endpoint.

Pure: no clock and no I/O; `now` is epoch seconds.

Rules:
1. A token is refreshed a tenth of its lifetime before its expiry, at most 300 s before: a margin longer
   than the lifetime would refresh it with every request.
2. The lifetime is known for tokens that were issued to us; for another program's the margin is 300 s.
3. Two refreshes of one account are at least MIN_REFRESH_INTERVAL_SEC apart, whatever their expiry.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Optional

from ...values import NamedTuple
from ..config.config import AccountConfig
from ..oauth.token_response import TokenGrant

__all__ = [
    "MIN_REFRESH_INTERVAL_SEC",
    "NEVER",
    "NO_TOKENS",
    "USABLE",
    "WARN_SEC",
    "RefreshNeed",
    "TokenPair",
    "Usability",
    "backoff_sec",
    "fresh_until",
    "refresh_margin_sec",
    "refresh_need",
]


class TokenPair(NamedTuple):
    """The tokens of one account.  Times are epoch seconds; None: unknown."""

    access_token: Optional[str] = None
    refresh_token: Optional[str] = None
    expires_at: Optional[float] = None
    login_ends_at: Optional[float] = None
    issued_at: Optional[float] = None  # when the access token was
    ask_again_at: Optional[float] = None  # from a program: when it is asked again, while the token serves

    @classmethod
    def from_account(cls, account: AccountConfig) -> TokenPair:
        """Return the pair that the config file holds."""
        return cls(
            account.access_token,
            account.refresh_token,
            account.expires_at,
            account.refresh_token_expires_at,
            account.issued_at,
        )

    def to_account_fields(self) -> dict[str, Any]:
        """Return the pair as attributes of an AccountConfig."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at,
            "refresh_token_expires_at": self.login_ends_at,
            "issued_at": self.issued_at,
        }

    @property
    def tokens(self) -> tuple[Optional[str], Optional[str]]:
        """The access and the refresh token, without times."""
        return self.access_token, self.refresh_token

    @property
    def lifetime_sec(self) -> Optional[float]:
        """The access token's whole lifetime in seconds; None when unknown."""
        if self.expires_at is None or self.issued_at is None or self.issued_at >= self.expires_at:
            return None
        return self.expires_at - self.issued_at

    @property
    def last_use_ends_at(self) -> Optional[float]:
        """When the account needs a new login (epoch seconds): no refresh helps afterwards."""
        return self.login_ends_at if self.refresh_token else self.expires_at

    def after_refresh(self, grant: TokenGrant) -> TokenPair:
        """Return the pair after a refresh; fields missing in its answer keep their value."""
        return TokenPair(
            grant.access_token,
            grant.refresh_token or self.refresh_token,
            grant.expires_at,
            grant.refresh_token_expires_at or self.login_ends_at,
            grant.issued_at,
        )

    def __repr__(self) -> str:
        return f"TokenPair(expires_at={self.expires_at}, login_ends_at={self.login_ends_at})"


NO_TOKENS = TokenPair()


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


def fresh_until(pair: TokenPair) -> float:
    """Return until when the pair needs no refresh (epoch seconds; -inf: it has no access token).

    A token of unknown expiry is good until it is refused.
    """
    if pair.access_token is None:
        return -NEVER
    end = NEVER if pair.expires_at is None else pair.expires_at - refresh_margin_sec(pair)
    return end if pair.ask_again_at is None else min(end, pair.ask_again_at)


def refresh_need(pair: TokenPair, now: float) -> RefreshNeed:
    """Return what the pair's age requires."""
    if now <= fresh_until(pair):
        return RefreshNeed.NONE
    usable = pair.access_token is not None and (pair.expires_at is None or pair.expires_at > now)
    return RefreshNeed.ADVISORY if usable else RefreshNeed.MANDATORY


def backoff_sec(failures: int, retry_after: Optional[float] = None) -> float:
    """Return the seconds to wait after `failures` in a row; `retry_after`: what the server asked for."""
    pause = min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0 ** min(max(failures, 1) - 1, 32))
    return max(pause, min(retry_after or 0.0, MAX_RETRY_AFTER_SEC))
