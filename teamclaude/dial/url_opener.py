"""`urllib` over our own connections: proxies, several addresses of a host and trust as for all others."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

from .connector import Connector

__all__ = ["url_opener"]


def url_opener(connector: Connector) -> urllib.request.OpenerDirector:
    """Return an opener of http and https URLs that returns every answer as it is, redirects too.

    Following one would send what the request holds to another address.  The opener raises URLError for a
    failure after the connection stands, before that what `Connector.open` raises.
    """
    opener = urllib.request.OpenerDirector()
    opener.add_handler(_Handler(connector))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener


class _Handler(urllib.request.AbstractHTTPHandler):
    def __init__(self, connector: Connector) -> None:
        super().__init__()
        self._connector = connector

    def http_open(self, request: Any) -> Any:
        return self._open("http", request)

    def https_open(self, request: Any) -> Any:
        return self._open("https", request)

    def _open(self, scheme: str, request: Any) -> Any:
        def connection(host: str, timeout: float) -> _Connection:
            return _Connection(self._connector, scheme, host, timeout)

        return self.do_open(connection, request)  # type: ignore[arg-type]

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _Connection(http.client.HTTPConnection):
    def __init__(self, connector: Connector, scheme: str, host: str, timeout: float) -> None:
        self._connector = connector
        self._scheme = scheme
        self.default_port = 443 if scheme == "https" else 80
        super().__init__(host, timeout=timeout)

    def connect(self) -> None:
        self.sock = self._connector.open(self._scheme, self.host, self.port)
        self.sock.settimeout(self.timeout)
