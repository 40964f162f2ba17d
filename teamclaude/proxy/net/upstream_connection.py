"""One connection to the upstream: sending a request, and its response as it arrives.

Rules that hold in this file:

1. A connection carries one request at a time; `UpstreamResponse.reusable` says whether another may follow.
2. Failures here are the upstream's: UpstreamLostError, from the first byte sent on.
3. Every wait also watches the client: ClientGoneError as soon as it has left.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Optional

from ...dial.connector import error_text
from ...dial.tls_sockets import is_tls, tls_wants_read, would_block
from ...errors import UpstreamLostError, UpstreamProtocolError, UpstreamTimeoutError
from ..http.framing import BodyKind, Buffer, ChunkedDecoder, Framing
from ..http.head import MAX_HEAD_BYTES, find_head_end
from ..http.origin import Origin
from ..http.response_head import ResponseHead, parse_response_head, response_framing
from .bodies.spool import DiskBody
from .socket_wait import READABLE, WRITABLE, ClientWatch, is_readable

__all__ = ["UpstreamConnection", "UpstreamResponse", "parse_whole_head", "read_response"]

RECV_BYTES = 65536
SEND_BYTES = 1 << 20
SEND_TIMEOUT_SEC = 60.0
# Up to this size a body goes out with its head as far as the socket takes it: saves 4 % of the CPU at 2 MB.
MAX_AT_ONCE = 4 << 20 if hasattr(socket.socket, "sendmsg") else 0
MAX_JOINED_BODY = 32768  # bytes of a body that go out together with the head: one segment, one system call

_UNTIL_CLOSE = BodyKind.UNTIL_CLOSE
_CLOSED_EARLY = "the upstream closed the connection before it answered"


class UpstreamConnection:
    """One open connection to an origin."""

    def __init__(self, sock: socket.socket, origin: Origin) -> None:
        sock.settimeout(0.0)  # all waiting is done by a ClientWatch, which also sees the client
        self.sock = sock
        self.origin = origin
        self.reused = False
        self.partly_sent = False  # a request was not sent to its end: nothing may follow it
        self.idle_since = 0.0
        self.epoll: Any = None  # the event loop's, while it watches this connection
        self.has_unexpected_data = False  # the loop saw data, or the end, while no response was awaited
        self._tls_pending = sock.pending if is_tls(sock) else None
        self._would_block = would_block()  # TLS raises it for each event of a stream

    def is_readable(self) -> bool:
        """Return whether something waits to be read: between requests it is dead then."""
        return is_readable(self.sock)

    def close(self) -> None:
        """Close the socket, which also unregisters it from epoll."""
        self.sock.close()

    def send(self, head: bytes, body: Buffer, watch: ClientWatch) -> None:
        """Send a whole request; raises UpstreamLostError or ClientGoneError."""
        rest = self.send_nowait(head, body)
        if rest:
            self.send_rest(rest, watch)

    def send_nowait(self, head: bytes, body: Buffer) -> list[Buffer]:
        """Send what the socket takes at once; return the rest, which is for `send_rest`.

        Raises UpstreamLostError.  An upstream may respond and close before it has read all of a large body,
        so a failed write decides nothing: reading the response does.
        """
        rest: list[Buffer] = []
        if len(body) <= MAX_JOINED_BODY:
            data = head + body
        elif self._tls_pending is None and len(body) <= MAX_AT_ONCE:
            return self._send_both_nowait(head, body)
        else:
            # Sending the head by itself would cost 30 us of a 200 kB upload.
            data, rest = head + bytes(body[:MAX_JOINED_BODY]), [memoryview(body)[MAX_JOINED_BODY:]]
        try:
            sent = self.sock.send(data)
        except self._would_block:
            sent = 0
        except OSError as error:
            self.partly_sent = True
            self._check_failure(error)
            return []
        if sent < len(data):
            rest.insert(0, memoryview(data)[sent:])
        if rest:
            self.partly_sent = True
        return rest

    def _send_both_nowait(self, head: bytes, body: Buffer) -> list[Buffer]:
        self.partly_sent = True
        try:
            sent = self.sock.sendmsg([head, body])
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._check_failure(error)
            return []
        left = sent - len(head)
        self.partly_sent = left < len(body)
        if left < 0:
            return [memoryview(head)[sent:], body]
        return [memoryview(body)[left:]] if self.partly_sent else []

    def send_rest(self, rest: list[Buffer], watch: ClientWatch) -> None:
        """Send what `send_nowait` left; raises UpstreamLostError or ClientGoneError."""
        try:
            self.partly_sent = not all(self._send_all(piece, watch) for piece in rest)
        except OSError as error:
            self._check_failure(error)

    def _check_failure(self, error: OSError) -> None:
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
            raise UpstreamLostError(f"sending to the upstream failed: {error_text(error)}") from error
        if self.reused:
            raise UpstreamLostError("the upstream had closed the connection") from None

    def _send_all(self, data: Buffer, watch: ClientWatch) -> bool:
        """Send all of it; False when the upstream began to respond before it took everything."""
        # Only without TLS, where a session ticket may be readable, which is no response.
        early = self._tls_pending is None
        sent = self._write_nowait(data) if len(data) <= SEND_BYTES else 0
        with memoryview(data) as view:
            on_disk = view.obj if isinstance(view.obj, DiskBody) else None
            while sent < len(view):
                try:
                    sent += self.sock.send(view[sent : sent + SEND_BYTES])
                    if on_disk is not None:
                        on_disk.drop_pages(sent)
                    continue
                except self._would_block as error:
                    if isinstance(error, tls_wants_read()):
                        ready = READABLE if watch.wait(self.sock, SEND_TIMEOUT_SEC) else 0
                    else:
                        ready = watch.wait_to_write(self.sock, SEND_TIMEOUT_SEC, early)
                if not ready:
                    raise UpstreamLostError(f"the upstream took no data for {SEND_TIMEOUT_SEC:g} s")
                if early and not ready & WRITABLE:
                    return False
        return True

    def _write_nowait(self, data: Buffer) -> int:
        try:
            return self.sock.send(data)
        except self._would_block:
            return 0

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds decrypted bytes, of which a poll of the socket says nothing."""
        return self._tls_pending is not None and self._tls_pending() > 0

    def wait_readable(self, watch: ClientWatch, timeout: float) -> bool:
        """Return whether something can be read within `timeout` seconds; raises ClientGoneError."""
        return self.has_decrypted or watch.wait(self.sock, timeout)

    def receive(self, watch: ClientWatch, timeout: float, what: str) -> bytes:
        """Return the bytes that arrive next, b"" at the end; raises UpstreamLostError or ClientGoneError.

        `what` names them in the error for `timeout` seconds of silence.
        """
        while self.wait_readable(watch, timeout):
            data = self.receive_nowait()
            if data is not None:
                return data
        raise UpstreamTimeoutError(f"the upstream sent no {what} for {timeout:g} s")

    def receive_nowait(self) -> Optional[bytes]:
        """Return the bytes that have arrived, b"" at the end, None if there are none.

        Raises UpstreamLostError.
        """
        try:
            return self.sock.recv(RECV_BYTES)
        except self._would_block:
            return None
        except OSError as error:
            raise UpstreamLostError(f"the upstream broke off: {error_text(error)}") from error


class UpstreamResponse:
    """A response whose head has been read; `read` returns its body as it arrives."""

    decoder: Optional[ChunkedDecoder] = None
    body_bytes = 0
    complete = False
    has_whole_body = False  # it came together with the head

    def __init__(
        self, connection: UpstreamConnection, head: ResponseHead, framing: Framing, rest: bytes
    ) -> None:
        self.connection = connection
        self.head = head
        self.framing = framing
        self._buffered = rest
        kind, self._body_left = framing
        if self._body_left:
            self.has_whole_body = self._body_left <= len(rest)
        elif kind is BodyKind.CHUNKED:
            self.decoder = ChunkedDecoder(UpstreamProtocolError)
        else:
            self.complete = kind is not BodyKind.UNTIL_CLOSE

    def take_whole_body(self) -> bytes:
        """Return the body of a response that `has_whole_body`; nothing is left to read."""
        data, length = self._buffered, self._body_left
        self._body_left, self.complete, self.body_bytes = 0, True, length
        # What exceeds the announced length stays: such a connection is not used again.
        self._buffered = data[length:]
        return data[:length]  # itself if that is all of it

    @property
    def has_buffered(self) -> bool:
        """Whether body bytes, such as came with the head, can be read without the socket."""
        return bool(self._buffered) or self.connection.has_decrypted

    def take_buffered(self) -> bytes:
        """Return and forget body bytes that came with the head, or before; they are for `feed`."""
        data, self._buffered = self._buffered, b""
        return data

    def read(self, watch: ClientWatch, idle: float) -> list[Buffer]:
        """Return the payload that has arrived; wait up to `idle` seconds for some.

        Sets `complete` with the last piece.  Raises UpstreamLostError for a body that ends too early.
        """
        data = self._buffered or self.connection.receive(watch, idle, "data")
        self._buffered = b""
        return self.feed(data)

    def feed(self, data: bytes) -> list[Buffer]:
        """Return the payload in received bytes, as `read`; b"" is the end of the connection."""
        if self.decoder is not None:
            return self._read_chunked(self.decoder, data)
        if not data:
            if self.framing.kind is BodyKind.LENGTH:
                got, expected = self.body_bytes, self.framing.length
                raise UpstreamLostError(f"the upstream's answer ends after {got} bytes, expected {expected}")
            self.complete = True
            return []
        if self.framing.kind is BodyKind.LENGTH:
            if len(data) > self._body_left:
                # More than announced is not forwarded, and the connection is not used again.
                data, self._buffered = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(data)
            self.complete = not self._body_left
        self.body_bytes += len(data)
        return [data]

    def _read_chunked(self, decoder: ChunkedDecoder, data: bytes) -> list[Buffer]:
        if not data:
            got = self.body_bytes
            raise UpstreamLostError(f"the upstream's answer ends after {got} bytes, within its chunks")
        pieces = decoder.feed(data)
        self.body_bytes += sum(map(len, pieces))
        self.complete = decoder.finished
        self._buffered = decoder.leftover
        return pieces

    @property
    def reusable(self) -> bool:
        """Whether the connection is clean for another request."""
        return (
            self.complete
            and not self._buffered
            and not self.connection.partly_sent
            and self.framing.kind is not _UNTIL_CLOSE
            and self.head.form.keeps_open
        )


def parse_whole_head(connection: UpstreamConnection, method: str, first: bytes) -> Optional[UpstreamResponse]:
    """Return the final response if `first` holds all of its head; raises UpstreamLostError."""
    if not first:
        raise UpstreamLostError(_CLOSED_EARLY)
    whole = first.find(b"\r\n\r\n") + 4
    if whole == 3:
        return None
    head = parse_response_head(first[:whole])
    if head.status < 200:
        return None
    return UpstreamResponse(connection, head, response_framing(head, method), first[whole:])


def read_response(
    connection: UpstreamConnection,
    method: str,
    watch: ClientWatch,
    timeout: float,
    first: bytes = b"",
    switches: bool = False,
) -> UpstreamResponse:
    """Read the head of the final response, of which `first` was received before; skip 1xx.

    `timeout` is for the whole head, in seconds.  With `switches` a 101 is final, its body everything that
    follows.  Raises UpstreamLostError or ClientGoneError.
    """
    ends = time.monotonic() + timeout
    first = first or _receive_head(connection, watch, timeout)
    response = parse_whole_head(connection, method, first)  # nearly always: 3 us less
    if response is not None:
        return response
    buffer, seen = bytearray(first), 0
    while True:
        end = find_head_end(buffer, max(0, seen - 3))
        if end < 0:
            seen = len(buffer)
            if seen > MAX_HEAD_BYTES:
                raise UpstreamProtocolError(f"the upstream's head is longer than {MAX_HEAD_BYTES} bytes")
            buffer += _receive_head(connection, watch, max(0.0, ends - time.monotonic()))
            continue
        head = parse_response_head(buffer[:end])
        if head.status >= 200 or head.status == 101:
            switched = switches and head.status == 101
            framing = Framing(BodyKind.UNTIL_CLOSE) if switched else response_framing(head, method)
            return UpstreamResponse(connection, head, framing, bytes(buffer[end:]))
        del buffer[:end]
        seen = 0


def _receive_head(connection: UpstreamConnection, watch: ClientWatch, timeout: float) -> bytes:
    data = connection.receive(watch, timeout, "answer")
    if not data:
        raise UpstreamLostError(_CLOSED_EARLY)
    return data
