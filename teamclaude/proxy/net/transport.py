"""Send one request and read its response's head: which connection carries it, and when it is repeated.

Rules that hold in this file:

1. A failure on a reused connection only shows that the upstream had closed it: the request is repeated at
   once on a fresh one.  A failure on a fresh connection is repeated once after a pause; then it is an outage.
2. A request that was sent and met silence is never repeated: it may be running, and billed.
3. Connections are pooled by origin, not by account: credentials travel in requests only.  An account with a
   proxy of its own has an origin of its own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Optional

from ...dial.connector import Allow
from ...dial.proxies import ProxyAddress
from ...dial.reachability import Reachability
from ...errors import (
    ClientGoneError,
    ConnectFailedError,
    ProxyRefusedError,
    UpstreamLostError,
    UpstreamTimeoutError,
)
from ..http.framing import Buffer
from ..http.origin import Origin
from .coroutine import ReadUpstream, RequestCoroutine
from .dialer import Dialer
from .event_loop import unregister_from_loop
from .socket_wait import ClientWatch
from .upstream_connection import UpstreamConnection, UpstreamResponse, parse_whole_head, read_response

__all__ = ["Transport", "UpstreamPool"]

IDLE_SEC = 55.0  # common servers close idle connections after 60 s
RETRY_PAUSE_SEC = 0.5
MAX_KEPT_BODY_BYTES = 262144  # of a response that is kept while another account is tried
KEPT_BODY_SEC = 2.0  # time for all of it; what has arrived by then is enough


_FINAL = (ClientGoneError, UpstreamTimeoutError, ProxyRefusedError)  # not tried again


class UpstreamPool:
    """Idle connections by origin, and a dialer for new ones; any thread."""

    def __init__(
        self,
        *,
        connect_timeout: float = 10.0,
        ca_file: Optional[str] = None,
        proxy: Optional[ProxyAddress] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dialer = Dialer(connect_timeout, ca_file, proxy)
        self._monotonic = monotonic
        # By origin and by whether the event loop watches the connection: its data then wakes the loop.
        self._idle: dict[tuple[Origin, bool], list[UpstreamConnection]] = {}
        self._closed = False
        self._lock = threading.Lock()  # guards _idle and _closed

    def take_idle(self, origin: Origin, epoll: Any = None) -> Optional[UpstreamConnection]:
        """Return the connection used last that still looks alive; the event loop passes its `epoll`.

        The loop prefers those that it watches, a thread the others.  A thread unregisters one that the loop
        watches: one system call, where a new connection would take a handshake.
        """
        by_loop = epoll is not None
        while True:
            with self._lock:
                idle = self._idle.get((origin, by_loop)) or self._idle.get((origin, not by_loop))
                if not idle:
                    return None
                connection = idle.pop()
            if by_loop and connection.epoll is epoll:
                # The loop has seen whether a watched one is dead: one system call less, of seven.
                is_dead = connection.has_unexpected_data
            else:
                if not by_loop:
                    unregister_from_loop(connection)
                is_dead = connection.is_readable()
            if not is_dead and self._monotonic() - connection.idle_since <= IDLE_SEC:
                connection.reused = True
                return connection
            connection.close()

    def open(self, origin: Origin, watch: ClientWatch) -> UpstreamConnection:
        """Return a new connection; raises ConnectFailedError, or ClientGoneError once the client has left."""
        return UpstreamConnection(self._dialer.dial(origin, watch), origin)

    def check_proxy(self, origin: Origin) -> None:
        """Raise ConfigError if the proxy on the way to an origin can't be used."""
        self._dialer.check_proxy(origin)

    def dial_stream(
        self, host: str, port: int, watch: ClientWatch, allow: Optional[Allow] = None
    ) -> socket.socket:
        """Return a connection that is not pooled, to any server: see `Dialer.dial_stream`."""
        return self._dialer.dial_stream(host, port, watch, allow)

    def release(self, connection: UpstreamConnection) -> None:
        """Keep a clean connection for the next request; close those that were idle too long."""
        connection.idle_since = now = self._monotonic()
        with self._lock:
            idle = self._idle.setdefault((connection.origin, connection.epoll is not None), [])
            idle.append(connection)
            if now - idle[0].idle_since <= IDLE_SEC and not self._closed:  # the longest idle comes first
                return
            stale = []
            while idle and (self._closed or now - idle[0].idle_since > IDLE_SEC):
                stale.append(idle.pop(0))
        for old in stale:
            old.close()

    @property
    def idle_count(self) -> int:
        """How many connections wait for a request."""
        with self._lock:
            return sum(map(len, self._idle.values()))

    def close_stale(self) -> None:
        """Close connections that were idle too long or that the upstream closed; for a timer."""
        with self._lock:
            oldest = self._monotonic() - IDLE_SEC
            dead: set[UpstreamConnection] = set()
            for idle in self._idle.values():
                dead.update(c for c in idle if c.idle_since < oldest or c.is_readable())
                idle[:] = [c for c in idle if c not in dead]
        for connection in dead:
            connection.close()

    def close(self) -> None:
        """Close all; connections released later are closed too."""
        with self._lock:
            self._closed = True
            idle = [c for connections in self._idle.values() for c in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()


class Transport:
    """Carry requests to the upstream; any thread.  `watch` is of the client that sent the request."""

    def __init__(
        self,
        pool: UpstreamPool,
        head_timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
        reachability: Optional[Reachability] = None,
    ) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._head_timeout = head_timeout  # seconds
        self._reachability = reachability or Reachability()

    def exchange(
        self,
        watch: ClientWatch,
        origin: Origin,
        method: str,
        head: bytes,
        body: Buffer,
        repeatable: bool = True,
        begun: Optional[tuple[UpstreamConnection, list[Buffer]]] = None,
    ) -> RequestCoroutine[UpstreamResponse]:
        """Return the response, its body unread.

        A request that spends something is not `repeatable`: it goes out once, on a fresh connection.  `begun`
        is the connection on which it was sent, but for the rest.  Raises ConnectFailedError,
        UpstreamLostError or ClientGoneError.
        """
        timeout = self._head_timeout
        if begun is not None:
            connection: Optional[UpstreamConnection] = begun[0]
        else:
            connection = self._pool.take_idle(origin, watch.epoll) if repeatable else None
        attempts_left = 2 if repeatable else 1  # on a new connection
        while True:
            reused = connection is not None
            try:
                if connection is None:
                    attempts_left -= 1
                    connection = yield partial(self._pool.open, origin, watch)
                asking = ReadUpstream(connection, watch, timeout, "answer", head, body)
                if begun is not None:
                    asking.head, asking.rest, begun = b"", begun[1], None
                first = yield asking
                response = parse_whole_head(connection, method, first)
                if response is None:
                    response = yield partial(read_response, connection, method, watch, timeout, first)
                if self._reachability.outages:
                    self._reachability.reached(origin)
                return response
            except (ConnectFailedError, UpstreamLostError, ClientGoneError) as lost:
                if connection is not None:
                    connection.close()
                if isinstance(lost, _FINAL) or not (reused or attempts_left):
                    if isinstance(lost, ConnectFailedError):
                        self._reachability.failed(origin, str(lost))
                    raise
            connection = None
            if not reused:
                yield partial(watch.sleep, RETRY_PAUSE_SEC)

    def release(self, response: UpstreamResponse) -> None:
        """Return a used response's connection to the pool if it is clean, else close it."""
        if response.reusable:
            self._pool.release(response.connection)
        else:
            response.connection.close()

    def read_kept_body(self, watch: ClientWatch, response: UpstreamResponse) -> bytes:
        """Read the body of a response that may be relayed later; cut an endless, slow or broken one."""
        body = bytearray()
        ends = self._monotonic() + KEPT_BODY_SEC
        try:
            while not response.complete and len(body) <= MAX_KEPT_BODY_BYTES:
                left = ends - self._monotonic()
                if left <= 0:
                    break
                for piece in response.read(watch, left):
                    body += piece
        except UpstreamLostError:
            pass
        except ClientGoneError:
            response.connection.close()
            raise
        self.release(response)
        return bytes(body)
