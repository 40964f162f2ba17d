"""The fake authorization server: a token issuer on loopback, with the faults of the fake API.

    server = AuthServer([FakeUser("a")], api=api)      # api: accepts the access tokens issued here
    with server:
        server.script.once(Fault.status(429), path=TOKEN_PATH)   # refused: nothing is spent
        server.script.once(Fault.no_head(), path=TOKEN_PATH)     # spent, and the answer is lost
        ...                                                      # requests to server.token_url
        assert server.calls[0].outcome == "granted"

A fault with an answer of its own acts before the issuer.  One that cuts or delays the answer acts after
it: the token is spent then.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qsl, urlencode, urlsplit

from teamclaude.fakeapi.answer import ApiAnswer, error_answer
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.api_endpoints import PendingCharge
from teamclaude.fakeapi.api_script import ApiScript
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.fakeapi.wire import Request
from tests.fakeapi.token_issuer import FakeUser, OAuthDeniedError, TokenIssuer

__all__ = [
    "AUTHORIZE_PATH",
    "MANUAL_REDIRECT",
    "PROFILE_PATH",
    "SUCCESS_PATH",
    "TOKEN_PATH",
    "AuthServer",
    "TokenCall",
]

AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/v1/oauth/token"
REVOKE_PATH = "/v1/oauth/token/revoke"
PROFILE_PATH = "/api/oauth/profile"
SUCCESS_PATH = "/oauth/code/success"
# The page that shows a code to paste, for a person without a browser on this machine.
MANUAL_REDIRECT = "https://platform.claude.com/oauth/code/callback"
CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"

_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; charset=utf-8")


class TokenCall(NamedTuple):
    """One request to the token endpoint that reached the issuer.

    `outcome` is "granted" or the error; `token` is the code or refresh token of the request.
    """

    at: float
    grant: str
    token: str
    outcome: str
    user_agent: str


class AuthServer(FakeApi):
    """`users[0]` logs in unless `user` is set; lifetimes are in seconds of `clock`.

    `consent` is what the person does on the next authorize pages, in order: "allow" (the default),
    "deny", or "wrong state" (a redirect that does not belong to the login).
    """

    def __init__(
        self,
        users: Sequence[FakeUser],
        *,
        api: Optional[FakeApi] = None,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        access_life: float = 8 * 3600.0,
        login_life: float = 30 * 86400.0,
        client_id: str = CLIENT_ID,
        script: Optional[ApiScript] = None,
        port: int = 0,
    ) -> None:
        super().__init__([], seed=seed, clock=clock, script=script, port=port)
        self.users = list(users)
        self.user: Optional[FakeUser] = None
        self.consent: list[str] = []
        self.client_id = client_id
        self.issuer = TokenIssuer(
            seed=seed, access_life=access_life, login_life=login_life, on_token_change=self._on_token_change
        )
        self._api = api
        self._issuer_lock = threading.Lock()  # guards the issuer, consent and calls
        self._calls: list[TokenCall] = []

    # --- setup and observing -----------------------------------------------------------------------

    def log_in(self, user: FakeUser) -> dict[str, Any]:
        """Return the account entry of a config file, as a login of `user` writes it."""
        with self._issuer_lock:
            now = self.clock()
            family = self.issuer.log_in(user, now)
            token, end = list(family.access.items())[-1]
        return {
            "name": user.name,
            "type": "oauth",
            "accountUuid": user.account["uuid"],
            "orgUuid": user.organization["uuid"],
            "accessToken": token,
            "refreshToken": family.refresh_token,
            "expiresAt": round(end * 1000),
            "refreshTokenExpiresAt": round(family.ends_at * 1000),
        }

    def accepts(self, access_token: str) -> bool:
        """Whether the token is valid now."""
        with self._issuer_lock:
            return self.issuer.user_of(access_token, self.clock()) is not None

    def can_refresh(self, refresh_token: str) -> bool:
        """Return whether the token could be spent now; this does not spend it."""
        with self._issuer_lock:
            family = self.issuer.family_of(refresh_token)
            good = family is not None and not family.revoked and family.refresh_token == refresh_token
            return good and family is not None and self.clock() < family.ends_at

    def revoke(self, user: FakeUser, why: str = "revoked by its owner") -> None:
        """End every login of `user`."""
        with self._issuer_lock:
            for family in self.issuer.families:
                if family.user == user and not family.revoked:
                    self.issuer.revoke(family, why)

    def expire_tokens(self) -> None:
        """End the expired access tokens, in the fake API too."""
        with self._issuer_lock:
            self.issuer.expire_tokens(self.clock())

    @property
    def calls(self) -> tuple[TokenCall, ...]:
        """The requests that reached the issuer, in order; also those whose answer is delayed or lost."""
        with self._issuer_lock:
            return tuple(self._calls)

    @property
    def granted(self) -> int:
        """Number of token pairs that were issued."""
        return sum(call.outcome == "granted" for call in self.calls)

    @property
    def oauth(self) -> dict[str, str]:
        """The `oauth` section of a config file for this server."""
        return {
            "authorizeUrl": self.url + AUTHORIZE_PATH,
            "tokenUrl": self.url + TOKEN_PATH,
            "profileUrl": self.url + PROFILE_PATH,
        }

    def _on_token_change(self, user: FakeUser, token: str, valid: bool) -> None:
        if self._api is None:
            return
        if user.name not in self._api.accounts:
            self._api.endpoints.add(FakeAccount(user.name, token))
        change = FakeAccount.issue_token if valid else FakeAccount.revoke_token
        self._api.endpoints.change(user.name, lambda account, now: change(account, token))

    # --- answers -----------------------------------------------------------------------------------

    def _answer(
        self, request: Request, owner: Optional[FakeAccount], fault: Optional[Fault]
    ) -> tuple[ApiAnswer, Optional[PendingCharge]]:
        if fault is not None and fault.replaces:
            return self.endpoints.fault_answer(request, owner, fault), None
        route = {
            ("GET", AUTHORIZE_PATH): self._authorize,
            ("GET", SUCCESS_PATH): lambda request: _page(200, "You are logged in.\n"),
            ("POST", TOKEN_PATH): self._token,
            ("POST", REVOKE_PATH): self._revoke,
            ("GET", PROFILE_PATH): self._profile,
        }.get((request.method, request.path))
        if route is None:
            return error_answer(404, f"Not found: {request.path}"), None
        with self._issuer_lock:
            return route(request), None

    def _authorize(self, request: Request) -> ApiAnswer:
        query = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
        wrong = _authorize_fault(query, self.client_id)
        if wrong:
            return _page(400, f"Invalid OAuth request: {wrong}\n")
        choice = self.consent.pop(0) if self.consent else "allow"
        if choice == "deny":
            return _redirect(query, {"error": "access_denied", "error_description": "The user said no"})
        code = self.issuer.authorize(self.user or self.users[0], query, self.clock())
        if query["redirect_uri"] == MANUAL_REDIRECT:
            return _page(200, f"{code}#{query['state']}\n")
        if choice == "wrong state":
            query["state"] = "FAKE-of-another-login"
        return _redirect(query, {"code": code})

    def _token(self, request: Request) -> ApiAnswer:
        try:
            asked = json.loads(request.body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or (request.header("content-type") or "") != "application/json":
            return _denied(OAuthDeniedError("invalid_request", "not JSON"))
        grant = str(asked.get("grant_type"))
        spend = {"authorization_code": self.issuer.exchange, "refresh_token": self.issuer.refresh}.get(grant)
        outcome, answer = "granted", None
        try:
            if spend is None:
                raise OAuthDeniedError("unsupported_grant_type", grant)
            if asked.get("client_id") != self.client_id:
                raise OAuthDeniedError("invalid_client", "unknown client")
            document = spend(asked, self.clock())
            answer = ApiAnswer(200, [_JSON], (json.dumps(document).encode(),))
        except OAuthDeniedError as denied:
            outcome, answer = f"{denied.code}: {denied}", _denied(denied)
        token = str(asked.get("code") or asked.get("refresh_token"))
        self._calls.append(TokenCall(self.clock(), grant, token, outcome, request.header("user-agent") or ""))
        return answer

    def _revoke(self, request: Request) -> ApiAnswer:
        try:
            family = self.issuer.family_of(str(json.loads(request.body).get("token")))
        except (ValueError, AttributeError):
            return _denied(OAuthDeniedError("invalid_request", "not JSON"))
        if family is not None and not family.revoked:
            self.issuer.revoke(family, "logged out")
        return ApiAnswer(200, [_JSON], (b"{}",))

    def _profile(self, request: Request) -> ApiAnswer:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        user = self.issuer.user_of(token, self.clock()) if scheme.lower() == "bearer" else None
        if user is None:
            return error_answer(401, "Invalid bearer token")
        kind = user.organization_type
        account = {
            **user.account,
            "full_name": user.name.title(),
            "display_name": user.name,
            "has_claude_max": kind == "claude_max",
            "has_claude_pro": kind == "claude_pro",
        }
        organization = {
            **user.organization,
            "organization_type": kind,
            "rate_limit_tier": user.rate_limit_tier,
        }
        document = {"account": account, "organization": organization}
        return ApiAnswer(200, [_JSON], (json.dumps(document).encode(),))


def _authorize_fault(query: dict[str, str], client_id: str) -> str:
    """Return what is wrong with an authorize request; empty: nothing."""
    needed = {
        "code": "true",
        "client_id": client_id,
        "response_type": "code",
        "code_challenge_method": "S256",
    }
    for name, value in needed.items():
        if query.get(name) != value:
            return f"{name} must be {value}"
    for name in ("code_challenge", "state"):
        if len(query.get(name, "")) != 43:
            return f"{name} must have 43 characters"
    if not query.get("scope"):
        return "scope is missing"
    redirect = query.get("redirect_uri", "")
    parts = urlsplit(redirect)
    local = parts.scheme == "http" and parts.hostname == "localhost" and parts.path == "/callback"
    return "" if redirect == MANUAL_REDIRECT or (local and parts.port) else "unknown redirect_uri"


def _redirect(query: dict[str, str], answer: dict[str, str]) -> ApiAnswer:
    target = f"{query['redirect_uri']}?{urlencode({**answer, 'state': query['state']})}"
    return ApiAnswer(302, [("location", target)], (b"",))


def _denied(denied: OAuthDeniedError) -> ApiAnswer:
    document = {"error": denied.code, "error_description": str(denied)}
    return ApiAnswer(400, [_JSON], (json.dumps(document).encode(),))


def _page(status: int, text: str) -> ApiAnswer:
    return ApiAnswer(status, [_TEXT], (text.encode(),))
