"""The address of a proxy, and which proxy serves a target: pure functions.

Rules that hold in this file:

1. What the config names is used for every target; `direct` (or `none`) there means no proxy.
2. Otherwise the environment decides, as in curl: `https_proxy` or `http_proxy` by the target's scheme, then
   `all_proxy`, unless `no_proxy` names the target.  Of two spellings the lower-case one counts; an empty one
   is as good as none.  HTTP_PROXY is ignored in a CGI program, where a client sets it by a header `Proxy`.
3. This machine itself is never reached through a proxy of the environment, which would be another's
   "localhost".
4. Neither is a TeamClaude proxy of this machine, which programs started by Claude Code in first-party mode
   have in their environment: it would lead back to us.
5. An error names the variable or setting, never its value, which may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError
from ..values import dataclass, field, replace
from .authority import authority
from .no_proxy import is_exempt, is_loopback

__all__ = ["DIRECT", "ProxyAddress", "no_proxy_of", "parse_proxy", "proxy_for"]

_OWN_USER = "teamclaude"  # cli/claude_code/environment.py writes it into a client's HTTPS_PROXY
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# Desktops write `socks://` into ALL_PROXY for any SOCKS proxy.
_SAME_AS = {"socks": "socks5h"}
_KNOWN = "http://, https://, socks5:// and socks5h:// are"
_UNPRINTABLE = re.compile(r"[\s\x00-\x20\x7f]")  # urlsplit drops some of them
_MAX_LOGIN_BYTES = 255  # of a user name and of a password in SOCKS (RFC 1929, 2)


@dataclass(frozen=True)
class ProxyAddress:
    """Where a proxy is and how it is spoken to; `source` is the variable or setting that names it.

    `scheme`: http, https (TLS to the proxy), socks5 (we look names up), socks5h (the proxy does), or direct.
    """

    scheme: str
    host: str = ""
    port: int = 0
    user: Optional[str] = field(default=None, repr=False)
    password: str = field(default="", repr=False)
    source: str = field(default="", compare=False)

    def __str__(self) -> str:
        return authority(self.host, self.port) + (f" ({self.source})" if self.source else "")


DIRECT = ProxyAddress("direct")


def parse_proxy(value: str, source: str = "") -> ProxyAddress:
    """Return the proxy that a variable or setting names; without a scheme it is an HTTP proxy.

    Raises ConfigError, `HTTPS_PROXY: socks4:// is not spoken; ...`.
    """
    try:
        return replace(_parse(value.strip()), source=source)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}" if source else str(error)) from None


def _parse(value: str) -> ProxyAddress:
    if value.lower() in ("direct", "none"):
        return DIRECT
    given, _, rest = value.partition("://") if "://" in value else ("http", "", value)
    scheme = _SAME_AS.get(given.lower(), given.lower())
    if scheme not in _DEFAULT_PORTS:
        shown = f"{given}://" if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,15}", given) else "its scheme"
        raise ValueError(f"{shown} is not spoken; {_KNOWN}")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    is_whole = parts.path in ("", "/") and not parts.query and not parts.fragment
    if not host or port == 0 or not is_whole or _UNPRINTABLE.search(value):
        raise ValueError(
            f"is not a proxy's address, {scheme}://HOST:PORT or {scheme}://USER:PASSWORD@HOST:PORT "
            "(in these, write / # ? @ as %2F %23 %3F %40)"
        )
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    if max(len((user or "").encode()), len(password.encode())) > _MAX_LOGIN_BYTES:
        raise ValueError(f"the user name or the password is longer than {_MAX_LOGIN_BYTES} bytes")
    return ProxyAddress(scheme, host, port or _DEFAULT_PORTS[scheme], user, password)


def proxy_for(
    scheme: str, host: str, port: int, env: Mapping[str, str], configured: Optional[ProxyAddress] = None
) -> Optional[ProxyAddress]:
    """Return the proxy on the way to a target, None for a direct connection.

    `scheme`: http or https.  Raises ConfigError if the variable that decides can't be used.
    """
    if configured is None:
        if is_loopback(host) or is_exempt(host, port, no_proxy_of(env)):
            return None
        found = (parse_proxy(env[name], name) for name in _names(scheme, env))
        configured = next((proxy for proxy in found if not _is_ours(proxy)), DIRECT)
    return None if configured.scheme == "direct" else configured


def _is_ours(proxy: ProxyAddress) -> bool:
    return proxy.user == _OWN_USER and is_loopback(proxy.host)


def no_proxy_of(env: Mapping[str, str]) -> str:
    """Return the list of hosts that are reached without a proxy."""
    return env.get("no_proxy") or env.get("NO_PROXY") or ""


def _names(scheme: str, env: Mapping[str, str]) -> list[str]:
    """Return the variables that are set for a scheme, the decisive one first."""
    names = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in env:
        names = [name for name in names if name != "HTTP_PROXY"]
    return [name for name in names if env.get(name, "").strip()]
