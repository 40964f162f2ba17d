"""One accepted connection, until its first request: PROXY header, TLS, then ConnectionHandler; and its end.

Here and not in the accepting thread: a client that never finishes must not keep others waiting.
"""

from __future__ import annotations

import socket
import socketserver
from contextlib import suppress
from functools import partial
from typing import Any, Optional

from ..errors import ClientError, ClientGoneError
from ..lazy_modules import ssl
from .connection import ConnectionHandler
from .net.client_connection import ClientConnection
from .net.connections import AcceptedConnection
from .records.exchange import new_request_id
from .replies import render_error
from .runtime import Runtime

__all__ = ["HandlerServer", "SocketHandler"]

HANDSHAKE_SEC = 10.0


class HandlerServer(socketserver.ThreadingTCPServer):
    """What a handler knows of its server."""

    server_name: str  # the address that it listens on
    server_port: int

    runtime: Runtime
    tls: Optional[ssl.SSLContext]


class SocketHandler(socketserver.BaseRequestHandler):
    """Pass the connection to a ConnectionHandler; `socketserver` neither reads nor writes."""

    server: HandlerServer

    def __init__(self, request: socket.socket, client_address: Any, server: HandlerServer) -> None:
        # Not the base's, which does all that follows, and then closes.
        self.request, self.client_address, self.server = request, client_address, server
        self._accepted_as = request
        self._connection: Optional[ConnectionHandler] = None  # once its first request is awaited

    def serve(self) -> None:
        """Serve the connection in this thread until it ends, or until the event loop carries it.

        It is called again for what the loop can't do.
        """
        is_carried = False
        try:
            with suppress(ClientGoneError):
                if self._connection is None:
                    self.setup()
                    self.handle()
                connection = self._connection
                is_carried = connection is not None and not connection.serve()
        except Exception:
            self.server.handle_error(self.request, self.client_address)
        finally:
            if not is_carried:
                self.finish()

    def setup(self) -> None:
        """Switch off Nagle's algorithm: parts of a stream are sent as they come."""
        sock: socket.socket = self.request
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self) -> None:
        """Read what precedes the first request; raises ClientGoneError."""
        connections = self.server.runtime.connections
        accepted = connections.get(self._accepted_as)
        caller, read = self._arrival(accepted)
        if self._handshake(accepted):
            prove = partial(connections.mark_admitted, self._accepted_as)
            go_on = partial(self.server.runtime.threads.put, self.serve)
            self._connection = ConnectionHandler(
                self.server.runtime, accepted, caller, prove, go_on, self.finish, read
            )

    def finish(self) -> None:
        """Close the connection, which has ended."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.release()
        finally:
            # The server closes the socket it accepted; wrapping has emptied that one.
            if self.server.tls is not None:
                sock: socket.socket = self.request
                sock.close()
            self.server.shutdown_request(self._accepted_as)

    def _arrival(self, accepted: AcceptedConnection) -> tuple[str, bytes]:
        """Return the caller's address, and what was read of its first request.

        Raises ClientGoneError, also after a refusal.
        """
        runtime, peer = self.server.runtime, str(self.client_address[0])
        if not runtime.access_policy.trusted_proxies.covers(peer):
            return peer, b""
        accepted.mark_by_proxy()
        limit = runtime.context.config.header_read_sec
        from .balancer.header_reader import take_proxy_header  # with its patterns 0.5 ms

        try:
            caller, read = take_proxy_header(accepted.sock, accepted.accepted_at + limit)
        except ClientGoneError:
            raise
        except ClientError as error:
            if self.server.tls is None:
                client = ClientConnection(accepted.sock, limit, limit, HANDSHAKE_SEC)
                client.send(render_error(error, new_request_id(), close=True))
                client.linger()
            raise ClientGoneError(str(error)) from error
        if read and self.server.tls is not None:
            raise ClientGoneError("the connection begins with neither a PROXY header nor TLS")
        return caller or peer, read

    def _handshake(self, accepted: AcceptedConnection) -> bool:
        if self.server.tls is None:
            return True
        limit = self.server.runtime.context.config.header_read_sec
        accepted.sock.settimeout(min(HANDSHAKE_SEC, limit))
        try:
            sock = self.server.tls.wrap_socket(accepted.sock, True, do_handshake_on_connect=False)
            self.request = sock
            accepted.replace_socket(sock)
            sock.do_handshake()
        except OSError:  # of which SSLError is one
            return False
        return True
