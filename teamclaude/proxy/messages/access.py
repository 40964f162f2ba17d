"""Access control: one decision per request, pure, before anything of the body is read.

Rules that hold in this file:

1. A request must be addressed to this proxy, else 421 (DNS rebinding: a web page whose name was pointed at
   127.0.0.1 sends its own name).  Its Host is localhost or a loopback address; the IP address on which the
   connection arrived (an address can't be rebound); the configured or `--host` name; or one of allowedHosts.
   Any Host is accepted for health checks, and with a key of ours, which a rebound page does not have.
2. A request that a web page may have caused is refused with 403, except calls of our own page with a key.
   Browsers send Origin or Sec-Fetch-Site; pages can neither forge nor remove them (Fetch standard).
3. A request with a key of ours is authorized.
4. A request without one, or with somebody else's token (Claude Code sends its own login's), is exempt from
   the key only over loopback, from our own user, not forwarded by a reverse proxy and not from a browser.

`same_user` and the local address are facts of the connection; everything else is per request, without a
system call.  A reload makes a new AccessPolicy; connections need not know.
"""

from __future__ import annotations

import contextlib
import hmac
import re
from functools import lru_cache
from typing import Callable, NamedTuple

from ...accounts.config.config import ProxyConfig
from ...errors import BadRequestError, ConfigError, ForbiddenError, MisdirectedRequestError, UnauthorizedError
from ..http.head import RequestHead
from ..net.peer_user import is_loopback, parse_ip

__all__ = ["AccessPolicy", "Caller"]

_KEY_FIELDS = ("x-teamclaude-key", "x-api-key")
# Added by programs that forward for others, whose clients are not on this host (RFC 9110 7.6.3, RFC 7239,
# and by custom).
_FORWARDED = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
)
_AUTHORITY = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(?:%[^\]]*)?\]|([0-9A-Za-z._-]+?)\.?)(?::([0-9]{0,5}))?"
)
_DEFAULT_PORT = {"http": 80, "https": 443}
_KEY_HINT = (
    "this proxy needs its key: send it as 'Authorization: Bearer <key>' (Claude Code: ANTHROPIC_AUTH_TOKEN) "
    "or as 'x-teamclaude-key: <key>' (x-api-key works too); `teamclaude env` prints it"
)


class Caller(NamedTuple):
    """Who sent an authorized request."""

    name: str | None
    """Name of the client key that was presented; None for the proxy key and for none."""
    authenticated: bool
    """Whether a key of ours was presented; False for an exempt request and for a keyless endpoint."""


class _Authority(NamedTuple):
    host: str
    port: int | None
    loopback: bool


class AccessPolicy:
    """Decide about requests by one configuration.

    `trust_loopback`: False exempts nobody, True exempts our own user, "any" also a local process whose user
    can't be determined.  `listens_on` is the host of the command line, if it is not the configured one.
    Raises ConfigError for a host that is none.
    """

    def __init__(self, config: ProxyConfig, listens_on: str = "") -> None:
        # The proxy's own key first; an empty one would authorize everybody.
        keys = [(None, config.api_key), *((client.name, client.key) for client in config.clients)]
        self._keys = [(name, key.encode()) for name, key in keys if key]
        self._trust_loopback = config.trust_loopback
        allowed = [_configured_host("allowedHosts", name) for name in config.allowed_hosts]
        self._host_names = {"localhost", *(name for name in allowed if not name.startswith("."))}
        self._host_suffixes = tuple(name for name in allowed if name.startswith("."))
        for host in (config.host, listens_on):
            # A wildcard address is no name: in some browsers a page reaches us as http://0.0.0.0.
            if host not in ("", "0.0.0.0", "::", "[::]"):
                self._host_names.add(_configured_host("host", host))

    def authorize(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None], local_ip: str = ""
    ) -> Caller:
        """Return who sends the request; `same_user` is called only when the decision depends on it.

        `local_ip` is the address on which the connection arrived.  Raises BadRequestError,
        MisdirectedRequestError, ForbiddenError, UnauthorizedError, or what `same_user` raises.
        """
        caller = self.check_origin(head, local_ip)
        if not caller.authenticated:
            refusal = self._why_not_exempt(head, peer_ip, same_user)
            if refusal is not None:
                raise UnauthorizedError(_KEY_HINT + refusal)
        return caller

    def check_origin(self, head: RequestHead, local_ip: str = "", any_host: bool = False) -> Caller:
        """Apply rules 1 and 2 alone, for endpoints that need no key.

        Raises BadRequestError, MisdirectedRequestError or ForbiddenError.
        """
        host = _named_host(head)
        caller = self._identify(head)
        if host is not None and not (caller.authenticated or any_host or self._is_own_host(host, local_ip)):
            raise MisdirectedRequestError(
                f"'{host.host[:80]}' is not a name of this proxy; if it should be, add it to "
                "proxy.allowedHosts, or send the key"
            )
        if not caller.authenticated or not _from_own_page(head, host):
            _refuse_web_pages(head)
        return caller

    def is_proxy_secret(self, value: str) -> bool:
        """Return whether a credential field's value is one of our own keys, with or without `Bearer`."""
        return self._match([value.strip(), _bearer_token(value)]) is not None

    def _is_own_host(self, host: _Authority, local_ip: str) -> bool:
        name = host.host
        if host.loopback or name in self._host_names or name.endswith(self._host_suffixes):
            return True
        return bool(local_ip) and name == _canonical_host(local_ip)

    def _identify(self, head: RequestHead) -> Caller:
        presented = [value for field in _KEY_FIELDS for value in head.get_all(field)]
        presented += [_bearer_token(value) for value in head.get_all("authorization")]
        return self._match(presented) or Caller(None, False)

    def _match(self, presented: list[str]) -> Caller | None:
        # No early return: the time must not reveal which key or field came close.
        found = None
        for candidate in map(_bytes, presented):
            for name, key in self._keys:
                if hmac.compare_digest(candidate, key) and found is None:
                    found = Caller(name, True)
        return found

    def _why_not_exempt(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]
    ) -> str | None:
        """Return None for an exempt request, else what to add to the refusal."""
        if not self._trust_loopback or not is_loopback(peer_ip):
            return ""
        for field in _FORWARDED:
            if field in head:
                return f" (a request with '{field}' counts as forwarded and is not exempt)"
        # undici sends Sec-Fetch-Mode for plain Node programs; only -Site means a browser.
        if "sec-fetch-site" in head:
            return " (a browser is not exempt)"
        same = same_user()
        if same is None and self._trust_loopback != "any":
            return ' (whose process this is can\'t be told here; proxy.trustLoopback "any" exempts it)'
        if same is False:
            return " (another user's process is not exempt)"
        return None


def _named_host(head: RequestHead) -> _Authority | None:
    hosts = head.get_all("host")
    if not hosts and head.minor == 0:
        return None  # HTTP/1.0 knows no Host, and no browser speaks it
    if len(hosts) != 1:
        raise BadRequestError(
            f"the request has {len(hosts) or 'no'} Host headers; HTTP/1.1 needs exactly one"
        )
    authority = _parse_authority(hosts[0])
    if authority is None:
        raise BadRequestError("the Host header is not a host name with an optional port")
    return authority


def _refuse_web_pages(head: RequestHead) -> None:
    site = head.get_all("sec-fetch-site")
    if "origin" in head or any(value.lower() not in ("none", "same-origin") for value in site):
        raise ForbiddenError(
            "calls from web pages are refused, except from this proxy's own page with the proxy key"
        )


def _from_own_page(head: RequestHead, host: _Authority | None) -> bool:
    sites = head.get_all("sec-fetch-site")
    if host is None or any(site.lower() != "same-origin" for site in sites):
        return False
    return all(_same_origin(origin, host) for origin in head.get_all("origin"))


def _same_origin(origin: str, host: _Authority) -> bool:
    scheme, _, rest = origin.partition("://")
    theirs = _parse_authority(rest)
    default = _DEFAULT_PORT.get(scheme.lower())
    if theirs is None or default is None:
        return False
    return (theirs.host, theirs.port or default) == (host.host, host.port or default)


@lru_cache(maxsize=64)  # a server is called by few names; a value may be 64 KiB
def _parse_authority(value: str) -> _Authority | None:
    """Parse `host[:port]` into one spelling: lower case, no trailing dot, no brackets, no zone."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        return None
    host = _canonical_host((match[1] or match[2]).lower())
    return _Authority(host, int(match[3]) if match[3] else None, is_loopback(host))


def _canonical_host(host: str) -> str:
    """Return a name as it is; an address in one spelling, without a zone, v4 if it is v4-mapped."""
    with contextlib.suppress(ValueError):
        return str(parse_ip(host))
    return host


def _configured_host(key: str, entry: str) -> str:
    """Return the name in a config entry; `*.example`, for all its subdomains, as `.example`."""
    if key == "allowedHosts" and entry.startswith("*.") and "*" not in entry[2:]:
        return "." + _configured_host(key, entry[2:])
    bare_v6 = entry.count(":") > 1 and not entry.startswith("[")
    authority = _parse_authority(f"[{entry}]" if bare_v6 else entry)
    if authority is None:
        raise ConfigError(f"proxy.{key}: '{entry}' is not a host name or an IP address")
    return authority.host


def _bearer_token(value: str) -> str:
    """Return the token of an Authorization value; empty for another scheme."""
    scheme, _, token = value.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _bytes(value: str) -> bytes:
    """Return a header value as the bytes on the wire; heads are decoded as latin-1."""
    return value.encode("latin-1", "replace")
