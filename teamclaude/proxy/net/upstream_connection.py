"""Connections to the upstream: pooling, one request and its answer at a time.

Rules that hold in this file:

1. A connection carries one request at a time and goes back to the pool only after a complete answer.
2. What breaks here is the upstream's business: ConnectFailed before a byte was sent, UpstreamLost after.
3. Connections belong to an origin, never to an account: credentials travel in requests only.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Optional, Union

from ...errors import UpstreamLostError, UpstreamProtocolError, UpstreamTimeoutError
from ..http.framing import BodyKind, ChunkedDecoder, Framing, keep_alive, response_framing
from ..http.head import MAX_HEAD_BYTES, ResponseHead, find_head_end, parse_response_head
from ..http.origin import Origin
from ..http.spool import DiskBody
from .dialer import Dialer, error_text
from .socket_wait import READABLE, WRITABLE, ClientWatch, readable_probe

__all__ = ["UpstreamResponse", "UpstreamConnection", "UpstreamPool", "parse_whole_head", "read_response"]

IDLE_SEC = 55.0  # common servers close idle connections after 60 s
RECV_BYTES = 65536
SEND_BYTES = 1 << 20
SEND_TIMEOUT_SEC = 60.0
MAX_JOINED_BODY = 32768  # as much of a body is sent together with its head: one segment, one syscall

_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1")
_CLOSED_EARLY = "the upstream closed the connection before it answered"

Buffer = Union[bytes, bytearray, memoryview]


class UpstreamConnection:
    """One open connection to an origin."""

    def __init__(self, sock: socket.socket, origin: Origin) -> None:
        sock.settimeout(0.0)  # every wait is a Watch's, which also sees the client
        self.sock = sock
        self.origin = origin
        self.reused = False
        self.partly_sent = False  # a request was not sent to its end: nothing may follow it
        self.idle_since = 0.0
        self.epoll: Any = None  # the ferry's, when it looks after this connection
        self.has_unexpected_data = False  # something came that nobody waits for, as far as that has seen
        self._tls_pending = sock.pending if isinstance(sock, ssl.SSLSocket) else None
        self.is_readable = readable_probe(sock)

    def close(self) -> None:
        self.sock.close()

    def send(self, head: bytes, body: Buffer, watch: ClientWatch) -> None:
        """Send a whole request; raises UpstreamLost or ClientGone."""
        rest = self.send_nowait(head, body)
        if rest:
            self.send_rest(rest, watch)

    def send_nowait(self, head: bytes, body: Buffer) -> list[Buffer]:
        """Begin to send a request; what the socket does not take at once is for `send_rest`.

        Raises UpstreamLost.  An upstream may answer and close before it has read all of a large body; a
        failed write is therefore no verdict: reading the answer decides.
        """
        self.partly_sent = True
        rest: list[Buffer] = []
        if len(body) <= MAX_JOINED_BODY:
            data = head + body if type(body) is bytes else head + bytes(body)
        else:
            # Not the head by itself: 30 us of a 200 kB upload.
            data, rest = head + bytes(body[:MAX_JOINED_BODY]), [memoryview(body)[MAX_JOINED_BODY:]]
        try:
            sent = self._write_nowait(data)
        except OSError as error:
            self._check_failure(error)
            return []
        if sent < len(data):
            rest.insert(0, memoryview(data)[sent:])
        self.partly_sent = bool(rest)
        return rest

    def send_rest(self, rest: list[Buffer], watch: ClientWatch) -> None:
        """Send what `send_now` left; raises UpstreamLost or ClientGone."""
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
        """Send it; False when the upstream began to answer before it took everything."""
        # Only without TLS: there a session ticket may be readable, which is no answer.
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
                except (BlockingIOError, ssl.SSLWantWriteError):
                    ready = watch.wait_to_write(self.sock, SEND_TIMEOUT_SEC, early)
                except ssl.SSLWantReadError:
                    ready = READABLE if watch.wait(self.sock, SEND_TIMEOUT_SEC) else 0
                if not ready:
                    raise UpstreamLostError(f"the upstream took no data for {SEND_TIMEOUT_SEC:g} s")
                if early and not ready & WRITABLE:
                    return False
        return True

    def _write_nowait(self, data: Buffer) -> int:
        try:
            return self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0

    @property
    def has_decrypted(self) -> bool:
        """TLS has decrypted bytes that were not taken: the socket itself may have nothing to tell."""
        return self._tls_pending is not None and self._tls_pending() > 0

    def wait_readable(self, watch: ClientWatch, timeout: float) -> bool:
        """True when something can be read; raises ClientGone."""
        return self.has_decrypted or watch.wait(self.sock, timeout)

    def receive(self, watch: ClientWatch, timeout: float, what: str) -> bytes:
        """The bytes that arrive next, b"" at the end; raises UpstreamLost or ClientGone."""
        while self.wait_readable(watch, timeout):
            data = self.receive_nowait()
            if data is not None:
                return data
        raise UpstreamTimeoutError(f"the upstream sent no {what} for {timeout:g} s")

    def receive_nowait(self) -> Optional[bytes]:
        """The bytes that have arrived, b"" at the end, None while there are none; raises UpstreamLost."""
        try:
            return self.sock.recv(RECV_BYTES)
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise UpstreamLostError(f"the upstream broke off: {error_text(error)}") from error


class UpstreamResponse:
    """An upstream answer whose head has been read; `read` hands out its body as it arrives."""

    def __init__(
        self, connection: UpstreamConnection, head: ResponseHead, framing: Framing, rest: bytes
    ) -> None:
        self.connection = connection
        self.head = head
        self.framing = framing
        self._buffered = rest
        self._body_left = framing.length
        self._decoder = ChunkedDecoder(UpstreamProtocolError) if framing.kind is BodyKind.CHUNKED else None
        self.complete = framing.kind is BodyKind.NONE or (
            framing.kind is BodyKind.LENGTH and not framing.length
        )
        self.body_bytes = 0

    @property
    def has_whole_body(self) -> bool:
        """All of the body came together with the head."""
        return 0 < self._body_left <= len(self._buffered)

    def take_whole_body(self) -> bytes:
        """The body of an answer that `is_whole`; nothing is left to read."""
        data, length = self._buffered, self._body_left
        # More than announced stays behind: the connection can't be trusted.
        self._buffered = data[length:]
        self._body_left, self.complete, self.body_bytes = 0, True, length
        return data if length == len(data) else data[:length]

    @property
    def has_buffered(self) -> bool:
        """Body bytes, such as came together with the head, can be read without waiting for the socket."""
        return bool(self._buffered) or self.connection.has_decrypted

    def wait_body(self, watch: ClientWatch, timeout: float) -> bool:
        """True when body bytes, or the end, can be read now or within `timeout` seconds."""
        if self._buffered or self.complete:
            return not self.complete
        return self.connection.wait_readable(watch, timeout)

    def read(self, watch: ClientWatch, idle: float) -> list[Buffer]:
        """The payload that has arrived; waits up to `idle` seconds for some.

        Sets `complete` with the last of it.  Raises UpstreamLost for a body that ends too early.
        """
        data = self._buffered or self.connection.receive(watch, idle, "data")
        self._buffered = b""
        return self.feed(data)

    def feed(self, data: bytes) -> list[Buffer]:
        """As `read`, of bytes that were received already; b"" is the connection's end."""
        if self._decoder is not None:
            return self._read_chunked(self._decoder, data)
        if not data:
            if self.framing.kind is BodyKind.LENGTH:
                got, expected = self.body_bytes, self.framing.length
                raise UpstreamLostError(f"the upstream's answer ends after {got} bytes, expected {expected}")
            self.complete = True
            return []
        if self.framing.kind is BodyKind.LENGTH:
            if len(data) > self._body_left:
                # More than announced: not ours to forward, and the connection can't be trusted.
                data, self._buffered = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(data)
            self.complete = not self._body_left
        self.body_bytes += len(data)
        return [data]

    def _read_chunked(self, decoder: ChunkedDecoder, data: bytes) -> list[Buffer]:
        if not data:
            raise UpstreamLostError(
                f"the upstream's answer ends after {self.body_bytes} bytes, within its chunks"
            )
        pieces = decoder.feed(data)
        self.body_bytes += sum(map(len, pieces))
        self.complete = decoder.finished
        self._buffered = decoder.leftover
        return pieces

    @property
    def reusable(self) -> bool:
        """The connection is clean for another request."""
        return (
            self.complete
            and not self._buffered
            and not self.connection.partly_sent
            and self.framing.kind is not BodyKind.UNTIL_CLOSE
            and keep_alive(self.head)
        )


class UpstreamPool:
    """Idle connections by origin, and how to open new ones."""

    def __init__(
        self,
        *,
        connect_timeout: float = 10.0,
        ca_file: Optional[str] = None,
        proxy: Optional[str] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dialer = Dialer(connect_timeout, ca_file, proxy)
        self._monotonic = monotonic
        # Apart are those that the ferry looks after: what comes on them wakes it.
        self._idle: dict[tuple[Origin, bool], list[UpstreamConnection]] = {}
        self._closed = False
        self._lock = threading.Lock()  # guards _idle and _closed

    def take_idle(self, origin: Origin, epoll: Any = None) -> Optional[UpstreamConnection]:
        """The idle connection used last that still looks alive; `epoll` is the ferry's, for itself."""
        while True:
            with self._lock:
                idle = self._idle.get((origin, epoll is not None)) or self._idle.get((origin, False))
                connection = idle.pop() if idle else None
            if connection is None:
                return None
            if self._monotonic() - connection.idle_since <= IDLE_SEC:
                # Looked after, it has told already: 5 us less than asking.
                watched = epoll is not None and connection.epoll is epoll
                if not (connection.has_unexpected_data if watched else connection.is_readable()):
                    connection.reused = True
                    return connection
            connection.close()

    def open(self, origin: Origin, watch: ClientWatch) -> UpstreamConnection:
        """A new connection; raises ConnectFailed, or ClientGone as soon as the client leaves."""
        return UpstreamConnection(self._dialer.dial(origin, watch), origin)

    def release(self, connection: UpstreamConnection) -> None:
        """Keep a clean connection for the next request; the ones idle too long are closed."""
        connection.idle_since = now = self._monotonic()
        stale: list[UpstreamConnection] = []
        with self._lock:
            idle = self._idle.setdefault((connection.origin, connection.epoll is not None), [])
            idle.append(connection)
            # The longest idle come first.
            while idle and (self._closed or now - idle[0].idle_since > IDLE_SEC):
                stale.append(idle.pop(0))
        for old in stale:
            old.close()

    def close_stale(self) -> None:
        """Close what was idle too long or was closed by the upstream, also when nobody asks for it."""
        with self._lock:
            oldest = self._monotonic() - IDLE_SEC
            idle = [c for connections in self._idle.values() for c in connections]
            dead = [c for c in idle if c.idle_since < oldest or c.is_readable()]
            for connection in dead:
                self._idle[connection.origin, connection.epoll is not None].remove(connection)
        for connection in dead:
            connection.close()

    def close(self) -> None:
        """Also what is given back from now on is closed."""
        with self._lock:
            self._closed = True
            idle = [c for connections in self._idle.values() for c in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()


def parse_whole_head(connection: UpstreamConnection, method: str, first: bytes) -> Optional[UpstreamResponse]:
    """The final answer, if the first bytes hold all of its head; raises UpstreamLost."""
    if not first:
        raise UpstreamLostError(_CLOSED_EARLY)
    whole = first.find(b"\r\n\r\n") + 4
    if whole == 3 or _INTERIM.match(first):
        return None
    head = parse_response_head(first[:whole])
    return UpstreamResponse(connection, head, response_framing(head, method), first[whole:])


def read_response(
    connection: UpstreamConnection,
    method: str,
    watch: ClientWatch,
    timeout: float,
    first: bytes = b"",
    switches: bool = False,
) -> UpstreamResponse:
    """Read the head of the final answer (1xx are skipped), of which `first` has come already.

    `timeout` is for all of it, in seconds.  The body of a 101 that was asked for (`switches`) is all that
    follows.  Raises UpstreamLost or ClientGone.
    """
    ends = time.monotonic() + timeout
    first = first or _receive_head(connection, watch, timeout)
    answer = parse_whole_head(connection, method, first)  # as nearly always: 3 us less
    if answer is not None:
        return answer
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
