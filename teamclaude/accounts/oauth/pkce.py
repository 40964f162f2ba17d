"""The PKCE secrets of a login (RFC 7636, method S256) and the authorize URL to open."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Callable, NamedTuple
from urllib.parse import urlencode

from ..config.config import OAuthConfig

__all__ = ["PkceSecrets", "authorize_url", "new_secrets"]

RANDOM_BYTES = 32  # 43 characters each, as Claude Code makes them


class PkceSecrets(NamedTuple):
    """The secrets of one login: `verifier` goes to the token URL only, `state` comes back with the code."""

    verifier: str
    state: str

    def __repr__(self) -> str:
        return "Proof(***)"

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


def authorize_url(oauth: OAuthConfig, proof: PkceSecrets, redirect_uri: str) -> str:
    """Return the URL of the login page; parameter names and order as Claude Code 2.1.330 sends them."""
    query = {
        "code": "true",
        "client_id": oauth.client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": " ".join(oauth.scopes),
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
        "state": proof.state,
    }
    return f"{oauth.authorize_url}?{urlencode(query)}"
