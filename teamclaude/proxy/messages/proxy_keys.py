"""The proxy's own keys: which one a request carries, in whichever field; compared in constant time."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from ...accounts.config.config import ProxyConfig
from ...lazy_modules import hashlib, hmac
from ...values import NamedTuple
from ..http.head import RequestHead

__all__ = ["CLIENT", "OBSERVER", "OPERATOR", "Caller", "ProxyKeys"]

CLIENT, OBSERVER, OPERATOR = "client", "observer", "operator"  # roles; roles.py says what they may do
_KEY_FIELDS = ("x-teamclaude-key", "x-api-key")


class Caller(NamedTuple):
    """Who sent an authorized request."""

    name: str | None
    """Name of the client key that was presented; None for the proxy key and for none."""
    authenticated: bool
    """Whether a key of ours was presented; False for an exempt request and for a keyless endpoint."""
    role: str = ""
    """Of the key, or of our own user; empty: of nobody, who may ask for what needs no key."""
    by_page: bool = False
    """Whether the cookie of a signed-in page stands for the key."""


class ProxyKeys:
    """The keys of one configuration, the proxy's own one first."""

    def __init__(self, config: ProxyConfig) -> None:
        own = (Caller(None, True, OPERATOR), config.api_key)
        keys = [own, *((Caller(each.name, True, each.role), each.key) for each in config.clients)]
        # An empty one would authorize everybody.
        self._keys = [(caller, key.encode()) for caller, key in keys if key]

    def identify(self, head: RequestHead) -> Caller | None:
        """Return whose key a request carries; None without one."""
        presented = [value for field in _KEY_FIELDS for value in head.get_all(field)]
        presented += [_bearer_token(value) for value in head.get_all("authorization")]
        return self._match(presented)

    def identify_connect(self, head: RequestHead) -> Caller | None:
        """Return whose key a CONNECT carries: Basic, with the key as user or as password, or Bearer."""
        presented = [token for value in head.get_all("proxy-authorization") for token in _tokens(value)]
        return self._match([*presented, *head.get_all("x-teamclaude-key")])

    def identify_value(self, value: str) -> Caller | None:
        """Return whose key a text is; None for any other text."""
        return self._match([value.encode("utf-8", "replace").decode("latin-1")])

    def fingerprint(self, name: str | None) -> str:
        """Return what tells the present key of a caller from an earlier one; empty without a key."""
        found = next((key for caller, key in self._keys if caller.name == name), b"")
        return hashlib.sha256(found).hexdigest() if found else ""

    def role_of(self, name: str | None) -> str:
        """Return the present role of a caller; empty for one without a key."""
        return next((caller.role for caller, _ in self._keys if caller.name == name), "")

    def is_own(self, value: str) -> bool:
        """Return whether a credential field's value is one of our keys, whatever its scheme."""
        return self._match([value.strip(), *_tokens(value)]) is not None

    def has_other(self, head: RequestHead) -> bool:
        """Return whether a request carries a credential that is none of ours."""
        values = [*head.get_all("authorization"), *head.get_all("x-api-key")]
        return any(not self.is_own(value) for value in values)

    def _match(self, presented: Iterable[str]) -> Caller | None:
        # No early return: the time must not reveal which key or field came close.
        found = None
        for candidate in map(_bytes, presented):
            for caller, key in self._keys:
                if hmac.compare_digest(candidate, key) and found is None:
                    found = caller
        return found


def _bearer_token(value: str) -> str:
    """Return the token of an Authorization value; empty for another scheme."""
    scheme, _, token = value.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _tokens(value: str) -> list[str]:
    """Return what may be a key in a credential field: a Bearer token; user and password of Basic."""
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "basic":
        return [_bearer_token(value)]
    try:
        user, _, password = base64.b64decode(token.strip()).decode("latin-1").partition(":")
    except ValueError:
        return []
    return [user, password]


def _bytes(value: str) -> bytes:
    """Return a header value as the bytes on the wire; heads are decoded as latin-1."""
    return value.encode("latin-1", "replace")
