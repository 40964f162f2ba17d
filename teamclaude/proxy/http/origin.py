"""Scheme, host, port and path prefix of an upstream's base URL."""

from __future__ import annotations

import re
from typing import Optional
from urllib.parse import urlsplit

from ...dial.authority import bracketed
from ...dial.proxies import ProxyAddress
from ...errors import ConfigError
from ...values import NamedTuple

__all__ = ["Origin", "parse_origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The part of a base URL that names a server; connections are pooled by it.

    `via`: an account's own proxy (or `DIRECT`); None: the one that serves all.  As a part of the origin it
    keeps the connections of such an account apart: no other account's request travels on them.
    """

    scheme: str
    host: str
    port: int
    via: Optional[ProxyAddress] = None

    @property
    def authority(self) -> str:
        """The value of the Host header, without the scheme's default port."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_origin(url: str) -> tuple[Origin, str]:
    """Return the origin and the path prefix (without a trailing slash) of a base URL.

    Raises ConfigError for anything but an http(s) URL with a host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.username:
        shown = re.sub(r"//.*@", "//***@", url)  # never a password
        raise ConfigError(f"'{shown}' is not a base URL: expected https://host[:port][/prefix]")
    return Origin(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]), parts.path.rstrip("/")
