"""Open connections to the upstream, and plain ones for tunnels, while the client is watched.

Which proxy, which address and TLS: `dial/connector.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Optional

from ...dial.connector import Allow, Connector
from ...dial.proxies import parse_proxy
from ..http.origin import Origin
from .socket_wait import ClientWatch, run_in_thread

__all__ = ["Dialer"]


class Dialer:
    """Open connections for one configuration; `connect_timeout` is in seconds.

    `proxy`: upstreamProxy; without it the environment of this moment decides.  Raises ConfigError for a proxy
    that can't be used.
    """

    def __init__(self, connect_timeout: float, ca_file: Optional[str], proxy: Optional[str]) -> None:
        configured = parse_proxy(proxy, "upstreamProxy") if proxy else None
        self.connector = Connector(connect_timeout, ca_file, configured, dict(os.environ))

    def dial(self, origin: Origin, watch: ClientWatch) -> socket.socket:
        """Return a new connection; raises ConnectFailedError, ConfigError or ClientGoneError."""
        return _watched(lambda: self._connect(origin), watch)

    def dial_stream(
        self, host: str, port: int, watch: ClientWatch, allow: Optional[Allow] = None
    ) -> socket.socket:
        """Return a new connection to any server, without TLS to it, in blocking mode.

        `allow` says of each address whether it may be connected to.  It goes through the proxy that serves
        the target; one that is itself spoken to by TLS makes it an SSLSocket.  Raises ConnectFailedError,
        ForbiddenError (no address is allowed), ConfigError or ClientGoneError.
        """
        return _watched(lambda: self.connector.open_stream(host, port, allow), watch)

    def _connect(self, origin: Origin) -> socket.socket:
        return self.connector.open(origin.scheme, origin.host, origin.port)


def _watched(connect: Callable[[], socket.socket], watch: ClientWatch) -> socket.socket:
    """Connect in a thread: it blocks for seconds in calls that can't be waited for together with the client.

    Where no thread can be started, this one does it, and a client that leaves is noticed afterwards.
    """
    return run_in_thread(connect, watch.check, socket.socket.close, "connect")
