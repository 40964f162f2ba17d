"""The client of the authorization server: exchange a code or a refresh token, fetch a token's profile.

Requests and answers are those of Claude Code, observed in its login, refresh and logout against a
scripted server.  Failures become one of two errors: LoginRefusedError (log in again) or
TokenEndpointUnavailableError (try later).  No text made here contains a credential or the server's words.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from ...dial.connector import Connector
from ...dial.proxies import ProxyAddress
from ...errors import ConfigError, ConnectFailedError, LoginRefusedError, TokenEndpointUnavailableError
from ...values import NamedTuple
from ..config.config import Config, OAuthConfig
from ..config.json_file import json_object
from .token_response import Profile, TokenGrant, read_grant, read_profile

if TYPE_CHECKING:
    import urllib.request

__all__ = [
    "DEFAULT_ROUTE",
    "TIMEOUT_SEC",
    "Endpoint",
    "OutboundRoute",
    "call",
    "exchange_code",
    "fetch_profile",
    "refresh_tokens",
]

TIMEOUT_SEC = 30.0
MAX_RESPONSE_BYTES = 1 << 20
# For an answer without the login's end: what Claude Code assumes.
DEFAULT_LOGIN_LIFETIME_SEC = 30 * 86400.0
MAX_RETRY_AFTER_SEC = 86400.0


class OutboundRoute(NamedTuple):
    """How the authorization server is reached; without a proxy the environment decides."""

    proxy: Optional[ProxyAddress] = None
    ca_file: Optional[str] = None
    connect_timeout: float = 10.0  # seconds

    @classmethod
    def from_config(cls, config: Config, own: Optional[ProxyAddress] = None) -> OutboundRoute:
        """Return the route that requests to the API take; `own`: the proxy of one account alone."""
        return cls(own or config.proxy_address, config.upstream_ca_file, config.connect_timeout_sec)

    def check(self, url: str) -> None:
        """Raise ConfigError if the proxy on the way to `url` can't be used."""
        parts = urlsplit(url)
        self.connector().check_proxy(parts.scheme, parts.hostname or "", parts.port or 443)

    def connector(self) -> Connector:
        """Return what opens connections by this route."""
        return Connector(self.connect_timeout, self.ca_file, self.proxy, os.environ)


DEFAULT_ROUTE = OutboundRoute()


class Endpoint(NamedTuple):
    """One endpoint: its name in errors, and the text of a LoginRefusedError from it."""

    name: str
    refused_text: str


_CODE = Endpoint("token endpoint", "the login code is not accepted ({}); start the login again")
_REFRESH = Endpoint("token endpoint", "the login is not valid any more ({}); log in again: teamclaude login")
_PROFILE = Endpoint(
    "profile endpoint", "the access token is not accepted ({}); log in again: teamclaude login"
)


def exchange_code(
    oauth: OAuthConfig,
    code: str,
    verifier: str,
    redirect_uri: str,
    state: str,
    *,
    route: OutboundRoute = DEFAULT_ROUTE,
    clock: Callable[[], float] = time.time,
) -> TokenGrant:
    """Exchange the code of a login for tokens.

    Raise LoginRefusedError or TokenEndpointUnavailableError.
    """
    now = clock()
    document = _post(
        oauth,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": oauth.client_id,
            "code_verifier": verifier,
            "state": state,
        },
        route,
        _CODE,
    )
    return read_grant(document, now, login_lifetime=DEFAULT_LOGIN_LIFETIME_SEC)


def refresh_tokens(
    oauth: OAuthConfig,
    refresh_token: str,
    *,
    route: OutboundRoute = DEFAULT_ROUTE,
    clock: Callable[[], float] = time.time,
) -> TokenGrant:
    """Exchange a refresh token for new tokens; their scopes stay as they are (RFC 6749, 6).

    Raise LoginRefusedError or TokenEndpointUnavailableError.
    """
    now = clock()
    asked = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": oauth.client_id}
    return read_grant(_post(oauth, asked, route, _REFRESH), now)


def fetch_profile(oauth: OAuthConfig, access_token: str, *, route: OutboundRoute = DEFAULT_ROUTE) -> Profile:
    """Fetch the profile of a token's owner.  Raise LoginRefusedError or TokenEndpointUnavailableError."""
    headers = {**_headers(oauth), "Authorization": f"Bearer {access_token}"}
    import urllib.request  # 1.3 MB that a server needs for its first renewal

    request = urllib.request.Request(oauth.profile_url, headers=headers)
    return read_profile(call(request, route, _PROFILE))


# --- one call -----------------------------------------------------------------------------------


def _headers(oauth: OAuthConfig) -> dict[str, str]:
    return {"Accept": "application/json", "User-Agent": oauth.user_agent}


def _post(
    oauth: OAuthConfig, asked: Mapping[str, str], route: OutboundRoute, endpoint: Endpoint
) -> dict[str, Any]:
    import urllib.request

    headers = {**_headers(oauth), "Content-Type": "application/json"}
    request = urllib.request.Request(oauth.token_url, json.dumps(asked).encode(), headers, method="POST")
    return call(request, route, endpoint)


def call(request: urllib.request.Request, route: OutboundRoute, endpoint: Endpoint) -> dict[str, Any]:
    """Return the JSON object of a 2xx answer; raise one of the two errors otherwise."""
    import http.client  # with email 12 ms of CPU and 2 MB, once a login is renewed
    import urllib.error

    from ...dial.url_opener import url_opener

    what = endpoint.name
    try:
        with url_opener(route.connector()).open(request, timeout=TIMEOUT_SEC) as response:
            status, headers = int(response.status), response.headers
            body = _read(response)
    except (ConnectFailedError, ConfigError) as error:
        raise TokenEndpointUnavailableError(
            f"the {what} can't be reached: {error}", may_be_spent=False
        ) from None
    except urllib.error.URLError as error:  # while connecting or sending: the server has no complete request
        raise TokenEndpointUnavailableError(
            f"the {what} can't be reached: {_failure_text(error)}", may_be_spent=False
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise TokenEndpointUnavailableError(
            f"the answer of the {what} was lost: {_failure_text(error)}", may_be_spent=True
        ) from None
    document = json_object(body)
    if 200 <= status < 300:
        if document is None:
            raise TokenEndpointUnavailableError(f"the {what} answered, but not in JSON", may_be_spent=True)
        return document
    raise _error_for_status(status, headers, document, body, endpoint)


def _read(response: Any) -> bytes:
    """Read the body; give up on a slow server after twice TIMEOUT_SEC at most."""
    import http.client

    deadline = time.monotonic() + TIMEOUT_SEC
    body = bytearray()
    while len(body) <= MAX_RESPONSE_BYTES:
        piece = response.read1(65536)
        if not piece:
            # read1 returns b"" for a truncated body too: compare with Content-Length.
            if response.length:
                raise http.client.IncompleteRead(b"")
            return bytes(body)
        body += piece
        if time.monotonic() > deadline:
            raise socket.timeout
    raise http.client.HTTPException("longer than any token")


# --- what went wrong ----------------------------------------------------------------------------


def _error_for_status(
    status: int,
    headers: Mapping[str, str],
    document: Optional[dict[str, Any]],
    body: bytes,
    endpoint: Endpoint,
) -> Exception:
    code, what = _error_code(document), endpoint.name
    said = f"{status} {code}".rstrip()
    # An HTML page comes from something in between (a captive portal, a filter), not from the server.
    page = document is None and body.lstrip()[:1] == b"<"
    if (status == 400 and code == "invalid_grant") or (status in (401, 403) and not page):
        return LoginRefusedError(endpoint.refused_text.format(f"{what}: {said}"), status)
    wait = _retry_after(headers.get("Retry-After"))
    if status == 429:
        hint = "; if that lasts, it may not like our User-Agent: set oauth.userAgent in the config file"
        return TokenEndpointUnavailableError(
            f"the {what} takes no requests now ({said}){hint}",
            pause_sec=wait,
            may_be_spent=False,
            answered=status,
        )
    # Behind a gateway's 5xx the server may have processed the request.
    return TokenEndpointUnavailableError(
        f"the {what} failed ({said})", pause_sec=wait, may_be_spent=status >= 500, answered=status
    )


def _error_code(document: Optional[dict[str, Any]]) -> str:
    """Return the error code (`invalid_grant`...) in RFC 6749's form or the API's, else an empty text."""
    error = (document or {}).get("error")
    if isinstance(error, dict):
        error = error.get("type")
    # Any other text might echo what was sent.
    return error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""


def _retry_after(value: Optional[str]) -> Optional[float]:
    """Return the seconds of a Retry-After header in either form (RFC 9110, 10.2.3); None if invalid."""
    from email.utils import parsedate_to_datetime

    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SEC) if math.isfinite(seconds) else None


def _failure_text(error: BaseException) -> str:
    """Describe a network failure in a few words."""
    import http.client

    cause = getattr(error, "reason", None) or error
    if isinstance(cause, socket.timeout):
        return f"no answer in {TIMEOUT_SEC:g} s"
    if isinstance(cause, http.client.IncompleteRead):
        return "it broke off"
    if isinstance(cause, http.client.RemoteDisconnected):
        return "the connection was closed"
    if isinstance(cause, http.client.HTTPException):
        return "it is not HTTP"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause) or type(cause).__name__
    return str(cause)
