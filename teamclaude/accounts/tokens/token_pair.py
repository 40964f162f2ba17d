"""An access token with the refresh token that is exchanged for the next one."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from ..config.config import AccountConfig
from ..oauth.token_response import TokenGrant

__all__ = ["NO_TOKENS", "TokenPair"]


class TokenPair(NamedTuple):
    """The tokens of one account.  Times are epoch seconds; None: unknown."""

    access_token: Optional[str] = None
    refresh_token: Optional[str] = None
    expires_at: Optional[float] = None
    login_ends_at: Optional[float] = None
    issued_at: Optional[float] = None  # when the access token was

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
