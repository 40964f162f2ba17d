"""The listening sockets: one threading server per address, a thread for each connection that needs one.

Rule: for a reason of the proxy's own, no connection is closed without a response.  Without a place, a thread
or a descriptor for it, it is answered 503 (`connection_refuser`); without a descriptor, a spare one is closed
to accept it.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Optional

from ..accounts.config.config import TlsConfig
from ..errors import ConfigError, OverloadedError
from ..lazy_modules import ssl
from .connection_refuser import ConnectionRefuser
from .lifecycle.descriptors import SpareDescriptor, raise_descriptor_limit
from .net.accept_loop import AcceptLoop
from .net.connections import connection_limits
from .net.peer_user import is_descriptor_shortage
from .net.tls_io import prepare_context
from .runtime import Runtime
from .socket_handler import HandlerServer, SocketHandler

__all__ = ["Listener", "open_listeners", "server_context"]

ACCEPT_BACKLOG = 1024  # bursts of sub-agents connect at once
NO_DESCRIPTOR_PAUSE_SEC = 0.1  # between two attempts to accept while no descriptor is free
RETRY_AFTER_SEC = 2  # for a refused connection
WARN_EVERY_SEC = 60.0  # between two warnings about refused connections
LOOPBACK = ("127.0.0.1", "::1")


class Listener(HandlerServer):
    """One listening address."""

    daemon_threads = True
    block_on_close = False  # the drain waits, with a limit
    request_queue_size = ACCEPT_BACKLOG
    # On Windows this would let two servers share the port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(
        self,
        address: tuple[str, int],
        runtime: Runtime,
        tls: Optional[ssl.SSLContext],
        refuser: ConnectionRefuser,
        monotonic: Callable[[], float] = time.monotonic,
        inherited: Optional[socket.socket] = None,
    ) -> None:
        """Listen on `address`, or go on with the `inherited` socket, which listens already."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.runtime = runtime
        self.tls = tls
        self._refuser = refuser
        self._monotonic = monotonic
        self._spare_descriptor = SpareDescriptor()
        self._descriptors = raise_descriptor_limit()
        self._warned_at = float("-inf")
        self._inherited = inherited
        self._loop = AcceptLoop()
        try:
            super().__init__(address, SocketHandler)
        except BaseException:
            self._loop.close()
            raise

    def server_bind(self) -> None:
        """Bind, or go on with the inherited socket."""
        if self._inherited is not None:
            self.socket.close()
            self.socket = self._inherited
            self._take_name()
            return
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self._take_name()

    def _take_name(self) -> None:
        # A client may leave between the poll and the accept, which then would wait for the next one.
        self.socket.setblocking(False)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; without a free descriptor answer it 503 and raise OSError."""
        try:
            sock, address = self.socket.accept()
            sock.setblocking(True)  # BSD and macOS hand the listening socket's mode on
            return sock, address
        except OSError as error:
            if is_descriptor_shortage(error) and not self._accept_to_refuse():
                # The connection stays in the backlog: without a pause this would be a busy loop.
                time.sleep(NO_DESCRIPTOR_PAUSE_SEC)
            raise

    def _accept_to_refuse(self) -> bool:
        """Accept with the spare descriptor; return False when even that is in use."""
        self.runtime.connections.free_descriptor()
        if not self._spare_descriptor.release():
            return False
        try:
            sock, _ = self.socket.accept()
        except OSError:
            self._spare_descriptor.reacquire()
            return False
        self._refuse(sock, "no descriptor is free (ulimit -n)", self._spare_descriptor.reacquire)
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve the connection in a thread, or answer that this is impossible now."""
        self._spare_descriptor.reacquire()  # where a refused connection had used it
        connections = self.runtime.connections
        room = connection_limits(self.runtime.context.config.proxy.max_connections, self._descriptors)
        if connections.accept(request, room) is None:
            self._refuse(request, f"all {room.total} connections are in use (proxy.maxConnections)")
            return
        try:
            self.runtime.threads.run(SocketHandler(request, client_address, self).serve)
        except (RuntimeError, MemoryError):  # "can't start new thread"
            connections.remove(request)
            self._refuse(request, "no thread can be started (ulimit -u)")

    def shutdown_request(self, request: Any) -> None:
        """Close a served connection and free its place."""
        super().shutdown_request(request)
        self.runtime.connections.remove(request)

    def _refuse(self, sock: socket.socket, why: str, closed: Callable[[], None] = lambda: None) -> None:
        now = self._monotonic()
        if now - self._warned_at >= WARN_EVERY_SEC:
            self._warned_at = now
            self.runtime.warn(f"connections are refused with 503: {why}")
        error = OverloadedError(
            f"The proxy can't take this connection now: {why}. Try again in a moment.", RETRY_AFTER_SEC
        )
        self._refuser.refuse(sock, error, closed)

    def start(self) -> None:
        """Accept connections in a background thread."""
        self._refuser.start()
        self._loop.prepare()
        threading.Thread(target=self.serve_forever, name="accept", daemon=True).start()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept until `pause`; there is no poll whose interval would matter."""
        self._loop.run(self.socket, self._handle_request_noblock)  # type: ignore[attr-defined]

    def pause(self) -> None:
        """Stop accepting, but keep listening: what connects waits for `start`, or for another process."""
        self._loop.pause()

    shutdown = pause

    def server_close(self) -> None:
        """Stop listening; what is pending is closed, unless another process has the same socket."""
        self._loop.close()
        super().server_close()
        self._spare_descriptor.close()
        self._refuser.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an unforeseen error of a connection's thread; a broken socket is none."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.runtime.report_internal_error("(connection)", error)


def open_listeners(
    runtime: Runtime,
    host: str,
    port: int,
    tls: Optional[ssl.SSLContext],
    inherited: Sequence[socket.socket] = (),
) -> list[Listener]:
    """Listen on `host`: `localhost` means both loopback addresses, whichever exist.

    `inherited` sockets listen already and are taken as they are.  Where one of them has the host's address
    and port, its other addresses are opened too; where none has, whoever opened them has decided.
    Raises ConfigError with the cause and, for a port in use, who answers there.
    """
    addresses: tuple[str, ...] = LOOPBACK if host == "localhost" else (host.strip("[]"),)
    listeners: list[Listener] = []
    refuser = ConnectionRefuser(tls)
    try:
        for sock in inherited:
            listeners.append(Listener(sock.getsockname()[:2], runtime, tls, refuser, inherited=sock))
        open_already = [each.server_name for each in listeners if port in (0, each.server_port)]
        if listeners:
            found = open_already and not set(addresses).isdisjoint(open_already)
            addresses = tuple(each for each in addresses if found and each not in open_already)
            port = listeners[0].server_port
        for address in addresses:
            try:
                listener = Listener((address, port), runtime, tls, refuser)
            except OSError as error:
                # A machine without IPv6 has no ::1; every other failure is an error.
                if address == "::1" and listeners and error.errno != errno.EADDRINUSE:
                    continue
                from .lifecycle.port_in_use import bind_error_text  # needed once, by a server that ends

                raise ConfigError(bind_error_text(error, address, port)) from error
            listeners.append(listener)
            port = listener.server_port
    except BaseException:
        for listener in listeners:
            listener.server_close()
        raise
    return listeners


def is_loopback_name(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return the TLS context of `proxy.tls`; raise ConfigError if it can't be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"proxy.tls can't be used: {error}") from error
    prepare_context(context)
    return context
