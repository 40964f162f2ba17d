"""An authorization server without its sockets: codes, token families, profiles. PURE.

Rules:
1. A code is good once, for five minutes, with its verifier, redirect URI and client.
2. A refresh token is good once: spending it gives the next pair of its family.
3. A refresh token that comes a second time revokes the whole family: somebody has a copy.
4. A family ends `login_life` after the login; refreshing does not prolong it.
5. Older access tokens of a family stay valid until they expire, or the family ends.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

__all__ = ["CODE_LIFE_SEC", "Denied", "FakeUser", "Family", "Issuer", "challenge_of"]

CODE_LIFE_SEC = 300.0


class Denied(Exception):
    """What the token endpoint answers with 400: an error code of RFC 6749 and a reason."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class FakeUser:
    """A person in one organisation; `name` is also the FakeAccount's where both are used together."""

    name: str
    email: str = ""
    account_uuid: str = ""
    org_uuid: str = ""
    org_name: str = "Fake Org"
    organization_type: str = "claude_max"
    rate_limit_tier: str = "default_claude_max_20x"

    @property
    def account(self) -> dict[str, Any]:
        return {"uuid": self.account_uuid or f"fake-person-{self.name}", "email": self.mail}

    @property
    def organization(self) -> dict[str, Any]:
        return {"uuid": self.org_uuid or f"fake-org-{self.name}", "name": self.org_name}

    @property
    def mail(self) -> str:
        return self.email or f"{self.name}@example.com"


@dataclass
class Family:
    """All tokens that come of one login."""

    user: FakeUser
    scope: str
    ends_at: float
    refresh_token: str = ""  # the one that is good
    spent: set[str] = field(default_factory=set)
    access: dict[str, float] = field(default_factory=dict)  # token -> end of its life
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


Told = Callable[[FakeUser, str, bool], None]


class Issuer:
    """Times are epoch seconds, lives seconds.  `told(user, access_token, valid)` hears of every change.

    Tokens are a function of the seed and the order of events.  Not thread-safe.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        access_life: float = 8 * 3600.0,
        login_life: float = 30 * 86400.0,
        told: Told = lambda user, token, valid: None,
    ) -> None:
        self.access_life = access_life
        self.login_life = login_life
        self.families: list[Family] = []
        self._seed = seed
        self._told = told
        self._made = 0
        self._codes: dict[str, _Code] = {}

    # --- logging in ------------------------------------------------------------------------------

    def authorize(self, user: FakeUser, query: dict[str, str], now: float) -> str:
        """A code for a request that the server found good."""
        code = self._token("code")
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
        """The answer to `grant_type=authorization_code`; raises Denied."""
        code = self._codes.pop(str(asked.get("code")), None)
        if code is None:
            raise Denied("invalid_grant", "unknown or used code")
        if now > code.ends_at:
            raise Denied("invalid_grant", "the code is too old")
        if asked.get("redirect_uri") != code.redirect_uri:
            raise Denied("invalid_grant", "another redirect_uri")
        if asked.get("client_id") != code.client_id:
            raise Denied("invalid_client", "another client")
        if asked.get("state") != code.state:
            raise Denied("invalid_request", "another state")
        if challenge_of(str(asked.get("code_verifier"))) != code.challenge:
            raise Denied("invalid_grant", "the verifier does not fit")
        return self._grant(self.log_in(code.user, now, code.scope), now)

    def log_in(self, user: FakeUser, now: float, scope: str = "user:inference user:profile") -> Family:
        """A login that already happened: a family with its first pair."""
        family = Family(user, scope, now + self.login_life)
        self.families.append(family)
        self._rotate(family, now)
        return family

    # --- tokens ----------------------------------------------------------------------------------

    def refresh(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """The answer to `grant_type=refresh_token`; raises Denied."""
        token = str(asked.get("refresh_token"))
        family = self.family_of(token)
        if family is None:
            raise Denied("invalid_grant", "unknown refresh token")
        if family.revoked:
            raise Denied("invalid_grant", f"revoked: {family.revoked}")
        if token in family.spent:
            self.revoke(family, "a refresh token was used twice")
            raise Denied("invalid_grant", "used twice")
        if now >= family.ends_at:
            raise Denied("invalid_grant", "the login is over")
        wanted = set(str(asked.get("scope") or family.scope).split())
        if not wanted <= set(family.scope.split()):
            raise Denied("invalid_scope", "more than was granted")
        self._rotate(family, now)
        return self._grant(family, now)

    def revoke(self, family: Family, why: str) -> None:
        """No token of the family is good any more."""
        family.revoked = why
        for token in list(family.access):
            self._end(family, token)

    def sweep(self, now: float) -> None:
        """Ends the access tokens whose time is over."""
        for family in self.families:
            for token in [token for token, end in family.access.items() if now >= end]:
                self._end(family, token)

    def family_of(self, token: str) -> Optional[Family]:
        """The login a refresh token or a valid access token belongs to."""
        for family in self.families:
            if token == family.refresh_token or token in family.spent or token in family.access:
                return family
        return None

    def holder(self, access_token: str, now: float) -> Optional[FakeUser]:
        """Whose access token this is; None when it is not valid."""
        self.sweep(now)
        family = self.family_of(access_token)
        return family.user if family is not None and access_token in family.access else None

    def _rotate(self, family: Family, now: float) -> None:
        if family.refresh_token:
            family.spent.add(family.refresh_token)
        family.refresh_token = self._token("ort01")
        access = self._token("oat01")
        family.access[access] = now + self.access_life
        self._told(family.user, access, True)

    def _end(self, family: Family, token: str) -> None:
        del family.access[token]
        self._told(family.user, token, False)

    def _grant(self, family: Family, now: float) -> dict[str, Any]:
        access = list(family.access)[-1]
        account = {"uuid": family.user.account["uuid"], "email_address": family.user.mail}
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

    def _token(self, kind: str) -> str:
        self._made += 1
        digest = hashlib.sha256(f"{self._seed}/{self._made}".encode()).hexdigest()[:32]
        return f"FAKE{digest}" if kind == "code" else f"sk-ant-{kind}-FAKE{digest}"


def challenge_of(verifier: str) -> str:
    """PKCE S256 (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
