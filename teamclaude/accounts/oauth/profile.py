"""Make an account of a new login, and complete it from the API's profile endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import LoginRefusedError, TokenEndpointUnavailableError
from ..config.config import AccountConfig, Config
from .token_endpoint import OutboundRoute, fetch_profile
from .token_response import TokenGrant

__all__ = ["account_from_grant", "add_profile"]

PROFILE_FIELDS = ("account_uuid", "org_uuid", "org_name", "subscription_type", "rate_limit_tier")


def account_from_grant(grant: TokenGrant) -> AccountConfig:
    """Return the account of a new login, named by its email if the grant has one."""
    return AccountConfig(
        name=grant.email or "",
        account_uuid=grant.account_uuid,
        org_uuid=grant.org_uuid,
        org_name=grant.org_name,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=grant.expires_at,
        refresh_token_expires_at=grant.refresh_token_expires_at,
        issued_at=grant.issued_at,
        source="login",
    )


def add_profile(config: Config, account: AccountConfig) -> tuple[AccountConfig, str]:
    """Return the account completed from its profile, and the error text if that failed (else empty)."""
    try:
        profile = fetch_profile(
            config.oauth, account.access_token or "", route=OutboundRoute.from_config(config)
        )
    except (LoginRefusedError, TokenEndpointUnavailableError) as error:
        return account, str(error)
    told: dict[str, Any] = {name: getattr(account, name) or getattr(profile, name) for name in PROFILE_FIELDS}
    return replace(account, name=account.name or profile.email or "", **told), ""
