"""Accounts as rows: the config file's values with the running proxy's status.  Never a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from ..accounts.config.account_config import program_name
from ..accounts.config.config import AccountConfig
from ..accounts.tokens.token_pair import WARN_SEC, RefreshNeed, TokenPair, refresh_need
from ..deck.text.format import format_duration
from ..values import replace

if TYPE_CHECKING:
    from ..snapshot import AccountView  # takes 25 ms to load, and without a proxy there is none

__all__ = ["account_row", "ends_soon", "login_left", "tier", "token_state"]

RELOGIN = "re-login needed"
PLANS = {"pro": "Pro", "team": "Team", "enterprise": "Enterprise", "free": "Free", "max": "Max"}


def tier(account: AccountConfig) -> str:
    """Return `Max 20x`, `Max 5x`, `Pro`, `Team`, `API key`, or an empty text when unknown."""
    if account.type == "apikey":
        return "API key"
    limit = account.rate_limit_tier or ""
    for size in ("20x", "5x"):
        if limit.endswith(f"max_{size}"):
            return f"Max {size}"
    plan = (account.subscription_type or "").lower()
    return PLANS.get(plan, account.subscription_type or "")


def token_state(account: AccountConfig, now: float, auth_failed: bool = False) -> str:
    """Return the token's state and remaining time: `valid 3h12m`, `refresh due`, `re-login needed`..."""
    if account.credential_command:
        return _program_state(account, now, auth_failed)
    if account.type == "apikey":
        return RELOGIN if auth_failed else "key"
    ends = account.refresh_token_expires_at
    if auth_failed or (ends is not None and ends <= now):
        return RELOGIN
    if account.import_from:
        left = (account.expires_at or 0.0) - now
        return f"follows Claude Code, valid {format_duration(left)}" if left > 0 else "follows Claude Code"
    if account.expires_at is None:
        return "no expiry known" if account.access_token else "refresh due"
    left = account.expires_at - now
    if refresh_need(TokenPair.from_account(account), now) is RefreshNeed.NONE:
        return f"valid {format_duration(left)}"
    if account.refresh_token:
        return "refresh due"
    return f"valid {format_duration(left)}" if left > 0 else "expired"


def _program_state(account: AccountConfig, now: float, auth_failed: bool) -> str:
    if auth_failed:
        return "its program failed"
    left = None if account.expires_at is None else account.expires_at - now
    return f"valid {format_duration(left)}" if left is not None and left > 0 else "from a program"


def login_left(account: AccountConfig, now: float) -> Optional[str]:
    """Return how long the login lasts, refreshes included: `27d4h`; None when unknown."""
    ends = _login_ends(account)
    return None if ends is None else format_duration(ends - now)


def ends_soon(account: AccountConfig, now: float) -> bool:
    """Return whether a person should log in again soon, while the login still works."""
    ends = _login_ends(account)
    return ends is not None and 0 < ends - now <= WARN_SEC


def _login_ends(account: AccountConfig) -> Optional[float]:
    """Return when renewals end; without a refresh token that is when the access token does."""
    if account.credential_command:
        return None  # the program is asked for the next one
    if account.import_from or account.refresh_token_expires_at is not None:
        return account.refresh_token_expires_at
    return TokenPair.from_account(account).last_use_ends_at


def account_row(account: AccountConfig, live: Optional[AccountView], now: float) -> dict[str, Any]:
    """Return one account as JSON; `live` is its entry in the proxy's status, None without one.

    Times are epoch milliseconds, as in the config file; None is unknown.  The proxy owns the tokens: its
    expiry times are newer than the file's, and the only ones for a followed login.
    """
    status = "disabled" if account.disabled else live.status or None if live else None
    token = live.token if live else None
    if token is not None:
        account = replace(
            account,
            expires_at=token.expires_at or account.expires_at,
            refresh_token_expires_at=token.login_ends_at or account.refresh_token_expires_at,
        )
    refused = status == "auth_failed" or (token is not None and token.state == RELOGIN)
    return {
        "name": account.name,
        "type": account.type,
        "tier": tier(account) or None,
        "status": status,
        "statusReason": live.status_reason if live else None,
        "rules": (live.rules if live else None) or None,
        "priority": account.priority,
        "disabled": account.disabled,
        "lastResort": account.is_last_resort,
        "source": _source(account),
        "token": token_state(account, now, refused),
        "tokenReason": token.reason if token else None,
        "login": login_left(account, now),
        "endsSoon": ends_soon(account, now),
        "importFrom": account.import_from,
        "credentialCommand": program_name(account.credential_command) if account.credential_command else None,
        "expiresAt": _ms(account.expires_at),
        "refreshTokenExpiresAt": _ms(account.refresh_token_expires_at),
        "orgName": account.org_name,
        "orgUuid": account.org_uuid,
        "accountUuid": account.account_uuid,
    }


def _source(account: AccountConfig) -> Optional[str]:
    if account.credential_command:
        return "program"
    return account.source or ("import" if account.import_from else None)


def _ms(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else round(seconds * 1000)
