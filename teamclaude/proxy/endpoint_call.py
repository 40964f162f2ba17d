"""One call of the proxy's own endpoints on a connection: who calls, the reply, and how a stream is sent."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Optional

from ..errors import TeamClaudeError
from .answers.endpoint_types import EndpointReply, EndpointRequest, EventStream
from .connect.peer import Peer
from .endpoints import DOCUMENT_PATH, Endpoints
from .http.head import RequestHead
from .http.path_kinds import Route
from .messages.access import Caller
from .net.client_connection import ClientConnection
from .runtime import Runtime

__all__ = ["EndpointCall", "send_stream"]

STREAM_WRITE_SEC = 20.0  # that the reader of a stream may read nothing
UNCONFIRMED_SEC = 30.0  # that it may confirm nothing
_NOBODY = Caller(None, False)


class EndpointCall:
    """A request whose route is to the proxy itself."""

    def __init__(self, runtime: Runtime, head: RequestHead, route: Route, peer: Peer) -> None:
        self._runtime, self._head, self._route, self._peer = runtime, head, route, peer
        self._policy = runtime.access_policy
        self._endpoints = Endpoints(runtime)

    def caller(self) -> Optional[Caller]:
        """Return who calls; None if a key or the connection has to say it, as for any other request.

        A page's cookie is looked up for each call: its session may end.  Raises what `AccessPolicy` raises.
        """
        endpoints, head, path, local_ip = self._endpoints, self._head, self._route.path, self._peer.local_ip
        if endpoints.signs_in(head.method, path):
            self._policy.check_page_call(head, local_ip)
            return _NOBODY
        if endpoints.needs_no_key(path):
            is_document = path == DOCUMENT_PATH
            return self._policy.check_origin(head, local_ip, endpoints.is_health(path), is_document)
        return self._runtime.page.caller(head, self._policy, local_ip, self._is_own_process)

    def reply(self, caller: Caller, body: bytes) -> EndpointReply:
        """Return the reply; raises what `Endpoints` raises."""
        address = self._peer.address_of(self._head, self._policy)
        request = EndpointRequest.of_head(self._head, body, caller, address, self._is_own_process)
        reply = self._endpoints.reply_to(request)
        if reply.stream is None:
            return reply
        return reply._replace(stream=_WhileAllowed(reply.stream, lambda: self._present_caller() == caller))

    def _present_caller(self) -> Optional[Caller]:
        """Return who the same request would come from now; None if it would be refused."""
        policy = self._policy = self._runtime.access_policy
        try:
            return self.caller() or self._peer.authorize(self._head, self._route, policy)
        except TeamClaudeError:
            return None

    def _is_own_process(self) -> bool:
        return self._policy.is_own_process(self._head, self._peer.ip, self._peer.same_user)


class _WhileAllowed:
    """A stream that ends once its caller would not get it any more.

    A page signs out, its session ends, a key is taken away or gets another role: none of them may read on.
    """

    def __init__(self, stream: EventStream, is_allowed: Callable[[], bool]) -> None:
        self._stream = stream
        self._is_allowed = is_allowed

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if not self._is_allowed():
                return
            yield piece

    def close(self) -> None:
        """Give the place of the stream back."""
        self._stream.close()


def send_stream(stream: EventStream, chunked: bool, client: ClientConnection) -> None:
    """Send all pieces; raises ClientGoneError when the reader has left, or reads too slowly.

    Not `chunked` the body ends with the connection (HTTP/1.0).
    """
    client.write_idle_sec = min(client.write_idle_sec, STREAM_WRITE_SEC)
    _end_without_confirmation(client.sock)
    for piece in stream:
        if not piece:
            client.watch.check()
        elif chunked:
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            client.send(piece)
    if chunked:
        client.send(b"0\r\n\r\n")


def _end_without_confirmation(sock: socket.socket) -> None:
    """Have the system end the connection of a reader that vanished, as a laptop does that goes to sleep.

    By default Linux repeats what is not confirmed for 15 minutes (tcp(7), tcp_retries2), in which its pages
    keep the places of others.  Other systems have no such option.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, round(UNCONFIRMED_SEC * 1000))
