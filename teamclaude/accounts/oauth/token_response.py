"""Parse the authorization server's answers: tokens, and the person they belong to.

Parsing is lenient: a refresh answer is given once, so a missing or odd field besides the access token
must not cost the login.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional

from ...errors import TokenEndpointUnavailableError
from ...values import NamedTuple
from ..config.value_types import UNPRINTABLE

__all__ = ["Profile", "TokenGrant", "read_grant", "read_profile"]

# For an answer without a lifetime: tokens live about 8 h, so this one is refreshed early.
DEFAULT_LIFETIME_SEC = 3600.0
# Shorter lifetimes (0, negative, 1 in another unit) are ignored: a token that expires before it is stored
# would be refreshed with each request.  A 401 shows when it has really expired.
MIN_LIFETIME_SEC = 10.0
MAX_LIFETIME_SEC = 10 * 365 * 86400.0


class TokenGrant(NamedTuple):
    """A pair of tokens.  Times are epoch seconds by our clock; None: not in the answer, keep the old one."""

    access_token: str
    refresh_token: Optional[str]
    expires_at: float
    refresh_token_expires_at: Optional[float] = None
    account_uuid: Optional[str] = None
    email: Optional[str] = None
    org_uuid: Optional[str] = None
    org_name: Optional[str] = None
    issued_at: Optional[float] = None

    def __repr__(self) -> str:
        return f"TokenGrant(expires_at={self.expires_at:.0f}, account_uuid={self.account_uuid!r})"


class Profile(NamedTuple):
    """The owner of a token; `subscription_type` is max, pro, team, enterprise or None."""

    account_uuid: Optional[str]
    email: Optional[str]
    org_uuid: Optional[str]
    org_name: Optional[str]
    subscription_type: Optional[str]
    rate_limit_tier: Optional[str]


def read_grant(document: Mapping[str, Any], now: float, login_lifetime: Optional[float] = None) -> TokenGrant:
    """Parse the answer to a token request that was sent at `now`.

    `login_lifetime`: seconds the login is assumed to last when the answer does not say.  Raise
    TokenEndpointUnavailableError when the answer has no access token.
    """
    access = _token(document.get("access_token"))
    if access is None:
        raise TokenEndpointUnavailableError(
            "the token endpoint answered without an access token", may_be_spent=True
        )
    account, organization = _object(document, "account"), _object(document, "organization")
    login_lifetime = _seconds(document.get("refresh_token_expires_in")) or login_lifetime
    return TokenGrant(
        access_token=access,
        refresh_token=_token(document.get("refresh_token")),
        expires_at=now + _lifetime(document.get("expires_in")),
        refresh_token_expires_at=None if login_lifetime is None else now + login_lifetime,
        account_uuid=_text(account.get("uuid")),
        email=_text(account.get("email_address")) or _text(account.get("email")),
        org_uuid=_text(organization.get("uuid")),
        org_name=_text(organization.get("name")),
        issued_at=now,
    )


def read_profile(document: Mapping[str, Any]) -> Profile:
    """Parse the profile endpoint's answer; missing fields are None."""
    account, organization = _object(document, "account"), _object(document, "organization")
    return Profile(
        account_uuid=_text(account.get("uuid")),
        email=_text(account.get("email")) or _text(account.get("email_address")),
        org_uuid=_text(organization.get("uuid")),
        org_name=_text(organization.get("name")),
        subscription_type=_plan(account, organization),
        rate_limit_tier=_text(organization.get("rate_limit_tier")),
    )


def _plan(account: Mapping[str, Any], organization: Mapping[str, Any]) -> Optional[str]:
    """Return the plan as Claude Code's credentials file spells it: `claude_max` -> `max`."""
    kind = _text(organization.get("organization_type"))
    if kind is not None and kind.startswith("claude_"):
        return kind[len("claude_") :] or None
    for plan in ("max", "pro"):
        if account.get(f"has_claude_{plan}") is True:
            return plan
    return None


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _token(value: object) -> Optional[str]:
    """Return the token if it fits into a header and the config file, else None."""
    fits = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    return value or None if isinstance(value, str) and fits else None


def _text(value: object) -> Optional[str]:
    return UNPRINTABLE.sub(" ", value).strip() or None if isinstance(value, str) else None


def _lifetime(value: object) -> float:
    """Return the access token's lifetime in seconds from its `expires_in`."""
    seconds = _seconds(value)
    return DEFAULT_LIFETIME_SEC if seconds is None or seconds < MIN_LIFETIME_SEC else seconds


def _seconds(value: object) -> Optional[float]:
    if isinstance(value, str):  # RFC 6749 says number; some servers send text
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # An int may be too large for a float: bound it before converting.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(min(value, MAX_LIFETIME_SEC)) if value > 0 else None
