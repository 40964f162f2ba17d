"""Open connections to the upstream, and plain ones for tunnels, while the client is watched.

Which proxy, which address and TLS: `dial/connector.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Optional

from ...dial.connector import Allow, Connector
from ...dial.proxies import ProxyAddress
from ..http.origin import Origin
from .socket_wait import ClientWatch, run_in_thread

__all__ = ["Dialer"]


class Dialer:
    """Open connections for one configuration; `connect_timeout` is in seconds.

    `proxy`: the configured one for all accounts; without it the environment of this moment decides.
    """

    def __init__(self, connect_timeout: float, ca_file: Optional[str], proxy: Optional[ProxyAddress]) -> None:
        self._connector = Connector(connect_timeout, ca_file, proxy, dict(os.environ))

    def check_proxy(self, origin: Origin) -> None:
        """Raise ConfigError if the proxy on the way to an origin can't be used."""
        self._connector.check_proxy(origin.scheme, origin.host, origin.port)

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
        return _watched(lambda: self._connector.open_stream(host, port, allow), watch)

    def _connect(self, origin: Origin) -> socket.socket:
        return self._connector.open(origin.scheme, origin.host, origin.port, origin.via)


def _watched(connect: Callable[[], socket.socket], watch: ClientWatch) -> socket.socket:
    """Connect in a thread: it blocks for seconds in calls that can't be waited for together with the client.

    Where no thread can be started, this one does it, and a client that leaves is noticed afterwards.
    """
    return run_in_thread(connect, watch.check, socket.socket.close, "connect")
