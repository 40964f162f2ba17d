"""A proxy on another machine, by its address and a key of its own."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import SplitResult, urlsplit

from ..errors import UsageError
from .proxy_client import ProxyClient, ProxyDownError, ProxyUnreachableError

__all__ = ["KEY_VARIABLE", "RemoteProxyClient", "parse_address"]

KEY_VARIABLE = "TEAMCLAUDE_KEY"


def parse_address(text: str) -> SplitResult:
    """Parse `http://host:port`, `https://host` or `host:port`; raise UsageError for anything else."""
    try:
        split = urlsplit(text if "://" in text else f"http://{text}")
        good = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        good = False
    if not good or split.username or split.password or split.path not in ("", "/") or split.query:
        raise UsageError(f'"{text}" is not the address of a proxy, like http://host:3456')
    return split


class RemoteProxyClient(ProxyClient):
    """A client of a proxy on another machine; TLS trusts the system's certificates and $SSL_CERT_FILE."""

    def __init__(self, at: SplitResult, key: str, timeout_s: float) -> None:
        host = at.hostname or ""
        self._host = host
        self._secure = at.scheme == "https"
        self._port = at.port or (443 if self._secure else 80)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{at.scheme}://{shown}:{self._port}"
        self._key = key
        self._timeout_s = timeout_s

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    def _key_name(self) -> str:
        return "this key" if self._key else f"a request without its key: set {KEY_VARIABLE}"

    def _down_error(self) -> ProxyDownError:
        return ProxyDownError(f"no proxy answers at {self.url}")

    def _other_program_error(self) -> ProxyUnreachableError:
        return ProxyUnreachableError(f"another program answers at {self.url}, not teamclaude")
