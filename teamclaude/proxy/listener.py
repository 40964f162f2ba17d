"""The listening sockets: one threading HTTP server per address, one thread per connection."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import json
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

from ..accounts.config import TlsConfig
from ..errors import ConfigError, TeamClaudeError
from .front import Front
from .runtime import Runtime

__all__ = ["Listener", "open_listeners", "server_context"]

HANDSHAKE_SEC = 10.0
BACKLOG = 1024  # bursts of sub-agents connect at once
FULL_SEC = 0.1  # when no descriptor is free
ASK_SEC = 1.0  # who answers on a port that is in use
LOOPBACK = ("127.0.0.1", "::1")


class _Handler(BaseHTTPRequestHandler):
    """Hands the connection to a Front; reading and writing are not left to `http.server`."""

    server: Listener

    def setup(self) -> None:
        sock: socket.socket = self.request
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self) -> None:
        sock = self._encrypted(self.request)
        if sock is not None:
            Front(self.server.runtime, sock, self.client_address[0]).serve()

    def finish(self) -> None:
        # The server closes the socket it accepted; wrapping has emptied that one.
        if self.server.tls is not None:
            sock: socket.socket = self.request
            sock.close()

    def _encrypted(self, sock: socket.socket) -> Optional[socket.socket]:
        if self.server.tls is None:
            return sock
        # Here and not in the accepting thread: a client that never finishes must not hold up others.
        sock.settimeout(HANDSHAKE_SEC)
        try:
            self.request = self.server.tls.wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError):
            return None
        encrypted: socket.socket = self.request
        return encrypted


class Listener(ThreadingHTTPServer):
    """One listening address."""

    daemon_threads = True
    block_on_close = False  # the drain waits, with a limit
    request_queue_size = BACKLOG
    # On Windows this would let two servers share the port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, address: tuple[str, int], runtime: Runtime, tls: Optional[ssl.SSLContext]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.runtime = runtime
        self.tls = tls
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # HTTPServer.server_bind would look the address up in DNS: seconds without a network.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The connection stays in the queue: without a pause this would be asked again at once.
                time.sleep(FULL_SEC)
            raise

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="accept", daemon=True).start()

    def shutdown(self) -> None:
        """Stop accepting, at once where a listening socket can be shut down, else within half a second."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        super().shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.runtime.report("(connection)", error)


def open_listeners(runtime: Runtime, host: str, port: int, tls: Optional[ssl.SSLContext]) -> list[Listener]:
    """Listen on `host`: `localhost` means both loopback addresses, whichever exist.

    Raises ConfigError with what is wrong and, for a port in use, who answers there.
    """
    addresses = LOOPBACK if host == "localhost" else (host.strip("[]"),)
    listeners: list[Listener] = []
    try:
        for address in addresses:
            try:
                listener = Listener((address, port), runtime, tls)
            except OSError as error:
                # A machine without IPv6 has no ::1; every other failure is one.
                if address == "::1" and listeners and error.errno != errno.EADDRINUSE:
                    continue
                raise ConfigError(_why_not(error, address, port)) from error
            listeners.append(listener)
            port = listener.server_port
    except BaseException:
        for listener in listeners:
            listener.server_close()
        raise
    return listeners


def is_loopback_name(host: str) -> bool:
    """Only this machine can reach it."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def server_context(tls: TlsConfig) -> ssl.SSLContext:
    """The TLS context of `proxy.tls`; raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"proxy.tls can't be used: {error}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _why_not(error: OSError, address: str, port: int) -> str:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use{_who_answers(address, port)}; stop it or choose another --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this user may not listen on {where}; choose a --port above 1023"
    return f"can't listen on {where}: {error.strerror or error}"


def _who_answers(address: str, port: int) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=ASK_SEC)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read(4096))
        if answer.get("service") == "teamclaude":
            return f" by another TeamClaude ({answer.get('version')})"
    except (OSError, ValueError, AttributeError, http.client.HTTPException, TeamClaudeError):
        pass
    finally:
        connection.close()
    return " by another program"
