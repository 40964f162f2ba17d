"""An authorization server without its sockets: codes, token families, profiles. PURE.

Rules:
1. A code is good once, for five minutes, with its verifier, redirect URI and client.
2. A refresh token is good once: spending it gives the next pair of its family.
3. A refresh token that is used a second time revokes the whole family: it was copied.
4. A family ends `login_life` after the login; refreshing does not prolong it.
5. Older access tokens of a family stay valid until they expire, or the family ends.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

__all__ = ["CODE_LIFE_SEC", "FakeUser", "OAuthDeniedError", "TokenFamily", "TokenIssuer", "challenge_of"]

CODE_LIFE_SEC = 300.0


class OAuthDeniedError(Exception):
    """A 400 of the token endpoint: an error code of RFC 6749 and a reason."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class FakeUser:
    """A person in one organisation; `name` is also the name of their FakeAccount, if any."""

    name: str
    email: str = ""
    account_uuid: str = ""
    org_uuid: str = ""
    org_name: str = "Fake Org"
    organization_type: str = "claude_max"
    rate_limit_tier: str = "default_claude_max_20x"

    @property
    def account(self) -> dict[str, Any]:
        return {"uuid": self.account_uuid or f"fake-person-{self.name}", "email": self.address}

    @property
    def organization(self) -> dict[str, Any]:
        return {"uuid": self.org_uuid or f"fake-org-{self.name}", "name": self.org_name}

    @property
    def address(self) -> str:
        return self.email or f"{self.name}@example.com"


@dataclass
class TokenFamily:
    """All tokens of one login."""

    user: FakeUser
    scope: str
    ends_at: float
    refresh_token: str = ""  # the valid one
    spent: set[str] = field(default_factory=set)
    access: dict[str, float] = field(default_factory=dict)  # token -> when it expires
    revoked: str = ""  # why


@dataclass(frozen=True)
class _Code:
    user: FakeUser
    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    state: str
    ends_at: float


OnTokenChange = Callable[[FakeUser, str, bool], None]


class TokenIssuer:
    """Times are epoch seconds, lifetimes seconds; `on_token_change(user, token, valid)` gets every change.

    Tokens are a function of the seed and the order of events.  Not thread-safe.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        access_life: float = 8 * 3600.0,
        login_life: float = 30 * 86400.0,
        on_token_change: OnTokenChange = lambda user, token, valid: None,
    ) -> None:
        self.access_life = access_life
        self.login_life = login_life
        self.families: list[TokenFamily] = []
        self._seed = seed
        self._on_token_change = on_token_change
        self._count = 0
        self._codes: dict[str, _Code] = {}

    # --- logging in ------------------------------------------------------------------------------

    def authorize(self, user: FakeUser, query: dict[str, str], now: float) -> str:
        """Return a code for a valid authorize request."""
        code = self._new_token("code")
        self._codes[code] = _Code(
            user,
            query["client_id"],
            query["redirect_uri"],
            query["code_challenge"],
            query["scope"],
            query["state"],
            now + CODE_LIFE_SEC,
        )
        return code

    def exchange(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """Return the answer to `grant_type=authorization_code`; raise OAuthDeniedError."""
        code = self._codes.pop(str(asked.get("code")), None)
        if code is None:
            raise OAuthDeniedError("invalid_grant", "unknown or used code")
        if now > code.ends_at:
            raise OAuthDeniedError("invalid_grant", "the code is too old")
        if asked.get("redirect_uri") != code.redirect_uri:
            raise OAuthDeniedError("invalid_grant", "another redirect_uri")
        if asked.get("client_id") != code.client_id:
            raise OAuthDeniedError("invalid_client", "another client")
        if asked.get("state") != code.state:
            raise OAuthDeniedError("invalid_request", "another state")
        if challenge_of(str(asked.get("code_verifier"))) != code.challenge:
            raise OAuthDeniedError("invalid_grant", "the verifier does not fit")
        return self._token_response(self.log_in(code.user, now, code.scope), now)

    def log_in(self, user: FakeUser, now: float, scope: str = "user:inference user:profile") -> TokenFamily:
        """Return the family of a login, with its first pair."""
        family = TokenFamily(user, scope, now + self.login_life)
        self.families.append(family)
        self._issue_pair(family, now)
        return family

    # --- tokens ----------------------------------------------------------------------------------

    def refresh(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """Return the answer to `grant_type=refresh_token`; raise OAuthDeniedError."""
        token = str(asked.get("refresh_token"))
        family = self.family_of(token)
        if family is None:
            raise OAuthDeniedError("invalid_grant", "unknown refresh token")
        if family.revoked:
            raise OAuthDeniedError("invalid_grant", f"revoked: {family.revoked}")
        if token in family.spent:
            self.revoke(family, "a refresh token was used twice")
            raise OAuthDeniedError("invalid_grant", "used twice")
        if now >= family.ends_at:
            raise OAuthDeniedError("invalid_grant", "the login is over")
        wanted = set(str(asked.get("scope") or family.scope).split())
        if not wanted <= set(family.scope.split()):
            raise OAuthDeniedError("invalid_scope", "more than was granted")
        self._issue_pair(family, now)
        return self._token_response(family, now)

    def revoke(self, family: TokenFamily, why: str) -> None:
        """End every token of the family."""
        family.revoked = why
        for token in list(family.access):
            self._end_access_token(family, token)

    def expire_tokens(self, now: float) -> None:
        """End the expired access tokens."""
        for family in self.families:
            for token in [token for token, end in family.access.items() if now >= end]:
                self._end_access_token(family, token)

    def family_of(self, token: str) -> Optional[TokenFamily]:
        """Return the login that a refresh token or a valid access token belongs to."""
        for family in self.families:
            if token == family.refresh_token or token in family.spent or token in family.access:
                return family
        return None

    def user_of(self, access_token: str, now: float) -> Optional[FakeUser]:
        """Return the user of an access token; None: it is not valid."""
        self.expire_tokens(now)
        family = self.family_of(access_token)
        return family.user if family is not None and access_token in family.access else None

    def _issue_pair(self, family: TokenFamily, now: float) -> None:
        if family.refresh_token:
            family.spent.add(family.refresh_token)
        family.refresh_token = self._new_token("ort01")
        access = self._new_token("oat01")
        family.access[access] = now + self.access_life
        self._on_token_change(family.user, access, True)

    def _end_access_token(self, family: TokenFamily, token: str) -> None:
        del family.access[token]
        self._on_token_change(family.user, token, False)

    def _token_response(self, family: TokenFamily, now: float) -> dict[str, Any]:
        access = list(family.access)[-1]
        account = {"uuid": family.user.account["uuid"], "email_address": family.user.address}
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": family.refresh_token,
            "expires_in": round(family.access[access] - now),
            "refresh_token_expires_in": round(family.ends_at - now),
            "scope": family.scope,
            "account": account,
            "organization": family.user.organization,
        }

    def _new_token(self, kind: str) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}/{self._count}".encode()).hexdigest()[:32]
        return f"FAKE{digest}" if kind == "code" else f"sk-ant-{kind}-FAKE{digest}"


def challenge_of(verifier: str) -> str:
    """PKCE S256 (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
