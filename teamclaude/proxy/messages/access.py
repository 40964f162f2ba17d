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

5. A CONNECT is authorized by Proxy-Authorization in place of the other fields, else by rule 4, or answered
   407.  Its Host names where it goes, so rule 1 does not apply; no web page can cause one (Fetch standard).
6. A request inside a tunnel to the API is the tunnel's caller's, unless it carries a key of ours itself.  Its
   Host must be the tunnel's (421), and rule 2 holds where an account's credential would be spent.

`same_user` and the local address are facts of the connection; everything else is per request, without a
system call.  A reload makes a new AccessPolicy; connections need not know.
"""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import Callable, NamedTuple

from ...accounts.config.config import ProxyConfig
from ...errors import (
    BadRequestError,
    ConfigError,
    ForbiddenError,
    MisdirectedRequestError,
    ProxyKeyNeededError,
    UnauthorizedError,
)
from ..http.head import RequestHead
from ..net.peer_user import is_loopback, parse_ip
from .proxy_keys import Caller, ProxyKeys

__all__ = ["AccessPolicy", "Caller"]

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
_PROXY_KEY_HINT = (
    "this proxy needs its key: put it into the proxy's URL, HTTPS_PROXY=http://teamclaude:<key>@host:port; "
    "`teamclaude env --first-party` prints it"
)


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
        self.keys = ProxyKeys(config)
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
        caller = self.keys.identify(head) or Caller(None, False)
        if host is not None and not (caller.authenticated or any_host or self._is_own_host(host, local_ip)):
            raise MisdirectedRequestError(
                f"'{host.host[:80]}' is not a name of this proxy; if it should be, add it to "
                "proxy.allowedHosts, or send the key"
            )
        if not caller.authenticated or not _from_own_page(head, host):
            _refuse_web_pages(head)
        return caller

    def authorize_connect(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]
    ) -> Caller:
        """Return who asks for a tunnel (rule 5).

        Raises BadRequestError, ForbiddenError, ProxyKeyNeededError, or what `same_user` raises.
        """
        _named_host(head)
        caller = self.keys.identify_connect(head)
        if caller is not None:
            return caller
        _refuse_web_pages(head)
        refusal = self._why_not_exempt(head, peer_ip, same_user)
        if refusal is not None:
            raise ProxyKeyNeededError(_PROXY_KEY_HINT + refusal)
        return Caller(None, False)

    def authorize_inside(self, head: RequestHead, host: str, tunnel: Caller, spends: bool) -> Caller:
        """Return who sends a request inside the tunnel to `host` that `tunnel` opened (rule 6).

        `spends`: it would get an account's credential.  Raises BadRequestError, MisdirectedRequestError or
        ForbiddenError.
        """
        named = _named_host(head)
        if named is not None and (named.host != host or named.port not in (None, _DEFAULT_PORT["https"])):
            raise MisdirectedRequestError(
                f"this connection goes to {host}; the Host header names another host"
            )
        if spends:
            _refuse_web_pages(head)
        return self.keys.identify(head) or tunnel

    def is_local_user(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None], caller: Caller
    ) -> bool:
        """Return whether a tunnel may reach this machine and its network: the caller could without us.

        That is a process of our own user.  Where its user can't be determined it is one that has the proxy's
        own key, which only our user can read; not a named key, which was given away.
        """
        if not is_loopback(peer_ip) or _forwarded_by(head) is not None or "sec-fetch-site" in head:
            return False
        same = same_user()
        if same is None:
            return self._trust_loopback == "any" or (caller.authenticated and caller.name is None)
        return same

    def is_proxy_secret(self, value: str) -> bool:
        """Return whether a credential field's value is one of our own keys, whatever its scheme."""
        return self.keys.is_own(value)

    def _is_own_host(self, host: _Authority, local_ip: str) -> bool:
        name = host.host
        if host.loopback or name in self._host_names or name.endswith(self._host_suffixes):
            return True
        return bool(local_ip) and name == _canonical_host(local_ip)

    def _why_not_exempt(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]
    ) -> str | None:
        """Return None for an exempt request, else what to add to the refusal."""
        if not self._trust_loopback or not is_loopback(peer_ip):
            return ""
        field = _forwarded_by(head)
        if field is not None:
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


def _forwarded_by(head: RequestHead) -> str | None:
    """Return the field that says that another program forwards this request, or None."""
    return next((field for field in _FORWARDED if field in head), None)


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
