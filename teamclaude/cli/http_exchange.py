"""One request to a server and its answer as it arrives, over a plain socket or TLS.

In place of http.client, which loads email and ssl: 40 ms of the 120 that a short command took.  Heads and
bodies are read by the parsers of the proxy.  Failures are OSErrors, or those of this module.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

from ..errors import UpstreamProtocolError
from ..proxy.http.framing import BodyKind, ChunkedDecoder
from ..proxy.http.head import MAX_HEAD_BYTES, find_head_end
from ..proxy.http.response_head import ResponseHead, parse_response_head, response_framing

if TYPE_CHECKING:
    import ssl

__all__ = ["BrokenOffError", "HttpAnswer", "HttpExchange", "NotHttpError"]

CHUNK = 65536
MAX_FIELDS = 100


class BrokenOffError(Exception):
    """The answer ends too early, or never begins."""


class NotHttpError(Exception):
    """What answers does not speak HTTP as we do."""


class HttpExchange:
    """A connection for one request.

    `timeout`: of each wait for bytes, in seconds; `context`: for TLS; `deadline`: of the whole answer, on the
    monotonic clock.
    """

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        context: Optional[ssl.SSLContext] = None,
        deadline: Optional[float] = None,
    ) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        self._context, self._deadline = context, deadline
        self._sock: Optional[socket.socket] = None

    def connect(self) -> socket.socket:
        """Connect, with TLS if there is a context, and return the socket."""
        # A text would be encoded by the codec of international names: 4 ms to load.
        host: Any = self._host.encode() if self._host.isascii() else self._host
        sock = self._sock = socket.create_connection((host, self._port), self._timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock = self._sock = self._context.wrap_socket(sock, server_hostname=self._host)
        return sock

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._sock.close()

    def ask(self, method: str, target: str, body: Optional[bytes], headers: Mapping[str, str]) -> HttpAnswer:
        """Send the request on the connection, and return the answer once its head is there."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        fields = {"Host": f"{host}:{self._port}", "Accept-Encoding": "identity", "Connection": "close"}
        if body is not None or method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = str(len(body or b""))
        given = {name.lower() for name in headers}
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            sent = "\r\n".join([*lines, "", ""]).encode("latin-1")
        except UnicodeEncodeError as error:
            raise NotHttpError(str(error)) from error
        if " " in target or not target.isascii() or not all(line.isprintable() for line in lines):
            raise NotHttpError("a line of the request has characters that none may have")
        self._socket.sendall(sent + (body or b""))
        return self._answer(method)

    @property
    def _socket(self) -> socket.socket:
        assert self._sock is not None  # connected
        return self._sock

    def _answer(self, method: str) -> HttpAnswer:
        data = b""
        while True:
            end = find_head_end(data)
            if end < 0:
                if len(data) > MAX_HEAD_BYTES or not _may_be_http(data):
                    raise NotHttpError
                piece = self.receive()
                if not piece:
                    raise BrokenOffError
                data += piece
                continue
            try:
                head = parse_response_head(data[:end])
                data = data[end:]
                if len(head.headers) > MAX_FIELDS:
                    raise NotHttpError("too many fields")
                if head.status >= 200:
                    return HttpAnswer(self, head, method, data)
            except UpstreamProtocolError as error:
                raise NotHttpError(str(error)) from error

    def receive(self) -> bytes:
        """Return what has arrived; empty at the end of the connection."""
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self._socket.settimeout(left)
        return self._socket.recv(CHUNK)


def _may_be_http(data: bytes) -> bool:
    return data[:5] == b"HTTP/"[: len(data)]


class HttpAnswer:
    """The answer to a request."""

    def __init__(self, exchange: HttpExchange, head: ResponseHead, method: str, data: bytes) -> None:
        self.status, self.reason, self.headers = head.status, head.reason, head.headers
        self._exchange, self._data = exchange, data
        self._framing = response_framing(head, method)

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives; raise BrokenOffError if it ends too early."""
        if self._framing.kind is BodyKind.CHUNKED:
            return self._decoded()
        if self._framing.kind is BodyKind.UNTIL_CLOSE:
            return self._pieces()
        return self._measured(self._framing.length if self._framing.kind is BodyKind.LENGTH else 0)

    def _pieces(self) -> Iterator[bytes]:
        if self._data:
            yield self._data
        while piece := self._exchange.receive():
            yield piece

    def _measured(self, left: int) -> Iterator[bytes]:
        if not left:
            return
        for piece in self._pieces():
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return
        raise BrokenOffError

    def _decoded(self) -> Iterator[bytes]:
        decoder = ChunkedDecoder(UpstreamProtocolError)
        for piece in self._pieces():
            try:
                payload = b"".join(decoder.feed(piece))
            except UpstreamProtocolError as error:
                raise BrokenOffError from error
            if payload:
                yield payload
            if decoder.finished:
                return
        raise BrokenOffError
