"""Ask the usage endpoint how much of its quota a login has used; the question uses none of it.

Source: what Claude Code 2.1.330 asks for `/usage`: GET with the access token and the beta of OAuth logins.
The endpoint refuses who asks often.
"""

from __future__ import annotations

from typing import Any

from ..config.config import OAuthConfig
from .token_endpoint import DEFAULT_ROUTE, Endpoint, OutboundRoute, call

__all__ = ["fetch_usage"]

OAUTH_BETA = "oauth-2025-04-20"  # also in proxy/http/header_rewrite.py: neither folder may import the other
_USAGE = Endpoint("usage endpoint", "the access token is not accepted ({})")


def fetch_usage(
    oauth: OAuthConfig, access_token: str, route: OutboundRoute = DEFAULT_ROUTE
) -> dict[str, Any]:
    """Return the usage endpoint's answer for an access token, as it is.

    Raise LoginRefusedError or TokenEndpointUnavailableError; a refusal has its status as `answered`.
    """
    import urllib.request

    headers = {
        "Accept": "application/json",
        "User-Agent": oauth.user_agent,
        "Authorization": f"Bearer {access_token}",
        "anthropic-beta": OAUTH_BETA,
    }
    return call(urllib.request.Request(oauth.usage_url, headers=headers), route, _USAGE)
