"""Whom a request's Host names, and whether a page in a browser caused it (Origin, Sec-Fetch).  Pure."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache

from ...errors import BadRequestError, ConfigError, ForbiddenError
from ...values import NamedTuple
from ..http.head import RequestHead
from ..net.peer_user import is_loopback, parse_ip

__all__ = [
    "DEFAULT_PORT",
    "Authority",
    "canonical_host",
    "configured_host",
    "follows_link",
    "from_own_page",
    "named_host",
    "refuse_web_pages",
]

_AUTHORITY = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(?:%[^\]]*)?\]|([0-9A-Za-z._-]+?)\.?)(?::([0-9]{0,5}))?"
)
DEFAULT_PORT = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """The host and port of a Host field, in one spelling."""

    host: str
    port: int | None
    loopback: bool


def named_host(head: RequestHead) -> Authority | None:
    """Return what the Host field names; None only for HTTP/1.0 without one.  Raises BadRequestError."""
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


def refuse_web_pages(head: RequestHead) -> None:
    """Raise ForbiddenError for a request that a web page may have caused."""
    site = head.get_all("sec-fetch-site")
    if "origin" in head or any(value.lower() not in ("none", "same-origin") for value in site):
        raise ForbiddenError(
            "calls from web pages are refused, except from this proxy's own page with the proxy key"
        )


def follows_link(head: RequestHead) -> bool:
    """Return whether a browser loads this as the document of a window, as a link anywhere makes it do."""
    asked = [head.get_all(name) for name in ("sec-fetch-mode", "sec-fetch-dest")]
    return head.method == "GET" and "origin" not in head and asked == [["navigate"], ["document"]]


def from_own_page(head: RequestHead, host: Authority | None) -> bool:
    """Return whether nothing says that it comes from elsewhere than our own page."""
    sites = head.get_all("sec-fetch-site")
    if host is None or any(site.lower() != "same-origin" for site in sites):
        return False
    return all(_same_origin(origin, host) for origin in head.get_all("origin"))


def _same_origin(origin: str, host: Authority) -> bool:
    scheme, _, rest = origin.partition("://")
    theirs = _parse_authority(rest)
    default = DEFAULT_PORT.get(scheme.lower())
    if theirs is None or default is None:
        return False
    return (theirs.host, theirs.port or default) == (host.host, host.port or default)


@lru_cache(maxsize=64)  # a server is called by few names; a value may be 64 KiB
def _parse_authority(value: str) -> Authority | None:
    """Parse `host[:port]` into one spelling: lower case, no trailing dot, no brackets, no zone."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        return None
    host = canonical_host((match[1] or match[2]).lower())
    return Authority(host, int(match[3]) if match[3] else None, is_loopback(host))


def canonical_host(host: str) -> str:
    """Return a name as it is; an address in one spelling, without a zone, v4 if it is v4-mapped."""
    with contextlib.suppress(ValueError):
        return str(parse_ip(host))
    return host


def configured_host(key: str, entry: str) -> str:
    """Return the name in a config entry; `*.example`, for all its subdomains, as `.example`."""
    if key == "allowedHosts" and entry.startswith("*.") and "*" not in entry[2:]:
        return "." + configured_host(key, entry[2:])
    bare_v6 = entry.count(":") > 1 and not entry.startswith("[")
    authority = _parse_authority(f"[{entry}]" if bare_v6 else entry)
    if authority is None:
        raise ConfigError(f"proxy.{key}: '{entry}' is not a host name or an IP address")
    return authority.host
