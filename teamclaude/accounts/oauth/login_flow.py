"""One OAuth login: the URL that a person opens, the authorization code, and the account it yields.

The login uses PKCE (RFC 7636, method S256).  The code arrives through the browser (`on_callback`) or
pasted (`on_paste`), each from its own thread; the first one with the right state wins.  The account is
made of the token answer and completed from the profile endpoint.
"""

from __future__ import annotations

import base64
import hashlib
import queue
import secrets
import time
from typing import Any, Callable, Optional, Union
from urllib.parse import parse_qs, urlencode, urlsplit

from ...errors import LoginRefusedError, TeamClaudeError, TokenEndpointUnavailableError
from ...values import NamedTuple, replace
from ..config.config import AccountConfig, Config, OAuthConfig
from ..config.identity import PROFILE_FIELDS
from ..config.value_types import safe_repr
from .token_endpoint import DEFAULT_ROUTE, OutboundRoute, exchange_code, fetch_profile
from .token_response import TokenGrant

__all__ = ["MANUAL_REDIRECT", "Callback", "LoginFlow", "account_from_grant", "add_profile", "from_query"]

RANDOM_BYTES = 32  # 43 characters each, as Claude Code makes them


class PkceSecrets(NamedTuple):
    """The secrets of one login: `verifier` goes to the token URL only, `state` comes back with the code."""

    verifier: str
    state: str

    def __repr__(self) -> str:
        return "PkceSecrets(***)"

    @property
    def challenge(self) -> str:
        """The S256 code challenge: the verifier's hash, sent to the authorize page."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def matches_state(self, state: str) -> bool:
        """Return whether `state` is this login's, in constant time."""
        return secrets.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))


def new_secrets(random: Callable[[int], str] = secrets.token_urlsafe) -> PkceSecrets:
    """Return the random secrets for one login."""
    return PkceSecrets(random(RANDOM_BYTES), random(RANDOM_BYTES))


def authorize_url(oauth: OAuthConfig, pkce: PkceSecrets, redirect_uri: str) -> str:
    """Return the URL of the login page; parameter names and order as Claude Code 2.1.330 sends them."""
    query = {
        "code": "true",
        "client_id": oauth.client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": " ".join(oauth.scopes),
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        "state": pkce.state,
    }
    return f"{oauth.authorize_url}?{urlencode(query)}"


class Callback(NamedTuple):
    """An authorization code with its state, or the error that came instead."""

    code: str = ""
    state: str = ""
    error: str = ""
    description: str = ""

    def __repr__(self) -> str:
        return "Callback(***)"

    @property
    def error_text(self) -> str:
        """The error for a terminal: `access_denied ("The user said no")`."""
        fields = f" ({safe_repr(self.description)})" if self.description else ""
        return safe_repr(self.error).strip('"') + fields


def from_query(query: str) -> Callback:
    """Parse the query of a redirect (RFC 6749, 4.1.2); missing and repeated parameters are empty."""
    try:
        found = parse_qs(query, max_num_fields=20)
    except ValueError:
        return Callback()
    names = ("code", "state", "error", "error_description")
    return Callback(*("".join(found[name]) if len(found.get(name, ())) == 1 else "" for name in names))


def from_paste(text: str) -> Callback:
    """Parse `code#state`, as the page shows it, or the whole URL that the browser ended on.

    Return an empty Callback for anything else.
    """
    text = text.strip().strip("\"'<>")
    if "://" in text or text.startswith(("localhost", "127.0.0.1")):
        try:
            return from_query(urlsplit(text).query)
        except ValueError:
            return Callback()
    code, _, state = text.partition("#")
    return Callback(code, state) if code and state and " " not in text else Callback()


POLL_S = 0.5
# Shows the code to the person, who pastes it.  Source: Claude Code 2.1.330.
MANUAL_REDIRECT = "https://platform.claude.com/oauth/code/callback"
NOT_A_CODE = "that is not a login code: copy all of it, with the # in its middle, or the whole address"
WRONG_STATE = "that code is of another login: paste the one that the address above leads to"
FOREIGN_CALLBACK = "a browser came back from some other login; still waiting for this one"


class LoginFlow:
    """One login attempt; `say` gets lines for the person, called by the thread that waits."""

    def __init__(self, oauth: OAuthConfig, redirect_uri: str, say: Callable[[str], None]) -> None:
        self._oauth = oauth
        self._redirect_uri = redirect_uri
        self.secrets = new_secrets()
        self.url = authorize_url(oauth, self.secrets, redirect_uri)
        self._say = say
        # A callback from the browser, a pasted line, or None once stdin has ended.
        self._inputs: queue.SimpleQueue[Union[Callback, str, None]] = queue.SimpleQueue()
        self._said: set[str] = set()  # any web page can send visitors here repeatedly: say it once

    def on_callback(self, callback: Callback) -> None:
        """Hand over what a browser was redirected with.  Any thread."""
        self._inputs.put(callback)

    def on_paste(self, line: str) -> None:
        """Hand over a line that a person typed.  Any thread."""
        self._inputs.put(line)

    def close_stdin(self) -> None:
        """Report the end of stdin.  Any thread."""
        self._inputs.put(None)

    def wait_for_code(
        self,
        limit_s: float,
        only_stdin: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> str:
        """Wait for the authorization code and return it.

        Raise TeamClaudeError when the login was refused, when no code came within `limit_s` seconds, and
        when `only_stdin` is set and stdin has ended.
        """
        deadline = clock() + limit_s
        while True:
            received = self._next_input(deadline, clock, limit_s)
            if received is not None:
                code = self._code_in(received)
                if code:
                    return code
            elif only_stdin:
                raise TeamClaudeError("no login code came in; run the command again and paste the code")

    def exchange(self, code: str, route: OutboundRoute = DEFAULT_ROUTE) -> TokenGrant:
        """Exchange the code for tokens.  Raise LoginRefusedError or TokenEndpointUnavailableError."""
        pkce = self.secrets
        return exchange_code(self._oauth, code, pkce.verifier, self._redirect_uri, pkce.state, route=route)

    def _next_input(
        self, deadline: float, clock: Callable[[], float], limit_s: float
    ) -> Union[Callback, str, None]:
        while True:
            left = deadline - clock()
            if left <= 0:
                raise TeamClaudeError(
                    f"nobody logged in within {limit_s / 60:g} minutes; run teamclaude login again"
                )
            try:
                # Poll: Windows does not interrupt a wait for Ctrl-C, and elsewhere a Ctrl-C just before the
                # wait begins is not seen until it ends.
                return self._inputs.get(timeout=min(left, POLL_S))
            except queue.Empty:
                continue

    def _code_in(self, received: Union[Callback, str]) -> Optional[str]:
        if isinstance(received, Callback):
            return self._code_of_callback(received, FOREIGN_CALLBACK)
        if not received.strip():
            return None
        callback = from_paste(received)
        if callback.code or callback.error:
            return self._code_of_callback(callback, WRONG_STATE)
        self._say(NOT_A_CODE)
        return None

    def _code_of_callback(self, callback: Callback, complaint: str) -> Optional[str]:
        if not self.secrets.matches_state(callback.state):
            if complaint is not FOREIGN_CALLBACK or FOREIGN_CALLBACK not in self._said:
                self._say(complaint)
            self._said.add(complaint)
            return None
        if callback.error:
            raise TeamClaudeError(f"the login was refused: {callback.error_text}; run teamclaude login again")
        return callback.code


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


def add_profile(config: Config, account: AccountConfig) -> tuple[AccountConfig, Optional[TeamClaudeError]]:
    """Return the account completed from its profile, and why that failed.

    That is a LoginRefusedError when the API does not accept the access token for it.
    """
    if not account.access_token:
        return account, LoginRefusedError("there is no access token to ask with")
    route = OutboundRoute.from_config(config, account.proxy_address)
    try:
        profile = fetch_profile(config.oauth, account.access_token, route=route)
    except (LoginRefusedError, TokenEndpointUnavailableError) as error:
        return account, error
    fields: dict[str, Any] = {
        name: getattr(account, name) or getattr(profile, name) for name in PROFILE_FIELDS
    }
    return replace(account, name=account.name or profile.email or "", **fields), None
