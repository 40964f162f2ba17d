"""The client's side of a connection: read requests, write responses.

Rules that hold in this file:

1. A failure of the client's socket is ClientGoneError, or a ClientError that is sent to it.
2. `response_started` is set with the first response byte: from then on nothing is retried or replaced.
3. Until a request was `admitted`, a whole head, with the silence before it, must arrive within the time for
   heads; for the first one that time starts when the connection is accepted.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Optional

from ...dial.tls_sockets import is_tls
from ...errors import (
    BodyTooLargeError,
    ClientGoneError,
    HeadTooLargeError,
    RequestTimeoutError,
    TeamClaudeError,
)
from ..http.framing import BodyKind, Buffer, Framing, request_framing
from ..http.head import MAX_HEAD_BYTES, RequestHead, find_head_end
from ..http.repeated_head import RequestHeadParser
from .bodies.body_limit import BodyReservation
from .bodies.body_reader import RECV_BYTES, BodyReader
from .bodies.spool import Spool
from .socket_wait import ClientWatch
from .tls_io import RECORD_BYTES, end_tls, read_tls, write_tls

__all__ = ["ClientConnection"]

# For an idle connection: longer than clients keep theirs, so that they close first.
KEEP_ALIVE_SEC = 600.0
# A client that is still sending reads its response late: seconds in all, and without a byte.
LINGER_SEC = 10.0
LINGER_SILENCE_SEC = 1.0
_CR = 13
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ClientConnection:
    """One accepted connection; used by one thread."""

    def __init__(
        self,
        sock: socket.socket,
        head_sec: float,
        body_idle_sec: float,
        write_idle_sec: float,
        since: Optional[float] = None,
    ) -> None:
        """Take over a socket that was accepted at `since` (monotonic; default now); times are in seconds."""
        self.sock = sock
        self.admitted = False  # a request was admitted: the connection may be idle for long
        self._first_head_deadline: Optional[float] = (time.monotonic() if since is None else since) + head_sec
        self.watch = ClientWatch(sock)
        self.response_started = False  # a byte of the current response was sent
        self.cut = False  # a response broke off: nothing may make it look complete
        self.idle = True  # between requests: a drain may close it
        self.in_batch = False  # the event loop handles other connections in this turn, too
        self.has_more = False  # the last `receive_nowait` did not return all that has arrived
        self._buffer = bytearray()
        self.whole_body: Optional[bytes] = None  # of the request that `take_whole_request` has returned
        self._head_parser = RequestHeadParser()
        self._head_sec = head_sec
        self._body_idle_sec = body_idle_sec
        self.write_idle_sec = write_idle_sec
        self._timeout: Optional[float] = -1.0  # the socket's, as last set
        self._tls = sock if is_tls(sock) else None
        # -1 unless a socket is a file descriptor whose bytes go out unchanged.
        self._plain_fd = sock.fileno() if os.name == "posix" and self._tls is None else -1
        # On a socket with a timeout Python polls before each `recv`.  Letting the kernel time out saves one
        # system call per request, and one point where another thread takes the interpreter lock.
        self._kernel_sec = 0.0
        if self._plain_fd >= 0 and sys.platform.startswith("linux"):
            self._kernel_sec = KEEP_ALIVE_SEC
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(KEEP_ALIVE_SEC), 0))

    # --- reading --------------------------------------------------------------------------------

    def next_head(self) -> Optional[RequestHead]:
        """Return the next request's head, or None when the client is done.

        Raises BadRequestError, HeadTooLargeError, RequestTimeoutError (a head that began but does not end).
        """
        self.response_started = False
        buffer = self._buffer
        deadline = None if self.admitted else self._unadmitted_deadline()
        if not buffer:
            data = self._receive(_seconds_until(deadline))
            if not data:
                return None
            buffer += data
        _skip_empty_lines(buffer)
        self.idle = self.idle and not buffer
        if buffer and deadline is None:
            deadline = time.monotonic() + self._head_sec
        seen = 0
        while (end := find_head_end(buffer, max(0, seen - 3))) < 0:
            seen = len(buffer)
            if seen > MAX_HEAD_BYTES:
                raise HeadTooLargeError(f"the request head is longer than {MAX_HEAD_BYTES} bytes")
            data = self._receive(_seconds_until(deadline))
            if not data:
                if data is None and buffer:
                    raise RequestTimeoutError(f"the request head did not arrive within {self._head_sec:g} s")
                return None
            buffer += data
            if not seen:
                _skip_empty_lines(buffer)
                if not buffer:
                    continue
                if deadline is None:
                    deadline = time.monotonic() + self._head_sec
            self.idle = False
        self.idle = False
        head = self._head_parser.parse(bytes(buffer[:end]))
        del buffer[:end]
        return head

    def _unadmitted_deadline(self) -> float:
        deadline, self._first_head_deadline = self._first_head_deadline, None
        return time.monotonic() + self._head_sec if deadline is None else deadline

    def read_body(
        self,
        framing: Framing,
        limit: int,
        expects_continue: bool = False,
        reservation: Optional[BodyReservation] = None,
        spool: Optional[Spool] = None,
    ) -> Buffer:
        """Return the whole body, at most `limit` bytes.

        A client that `expects_continue` sends its body only after 100 (Continue).  Raises BodyTooLargeError,
        RequestTimeoutError, BadRequestError, ClientGoneError; with `reservation` OverloadedError, with
        `spool` DiskFullError.
        """
        kind, length = framing
        if kind is BodyKind.NONE:
            return b""
        if kind is BodyKind.LENGTH and length > limit:
            raise _too_large(limit)
        body, self.whole_body = self.whole_body, None
        if body:  # of a small request, nearly always
            return body
        buffer = self._buffer
        if kind is BodyKind.LENGTH and len(buffer) >= length:
            if expects_continue and not buffer:
                self._send_continue()
            body = bytes(buffer[:length])
            del buffer[:length]
            return body
        send_continue = self._send_continue if expects_continue and not buffer else lambda: None
        reader = self._body_reader(reservation, spool)
        if kind is BodyKind.CHUNKED:
            return reader.read_chunked(limit, lambda: _too_large(limit), send_continue)
        return reader.read_length(length, send_continue)

    def begin_body(self, length: int, reservation: Optional[BodyReservation]) -> BodyReader:
        """Return the reader of a body that still arrives, once some of it is there; raises as `read_body`."""
        if self.whole_body is not None:
            self._buffer[:0], self.whole_body = self.whole_body, None
        reader = self._body_reader(reservation)
        reader.begin(length)
        return reader

    def _body_reader(
        self, reservation: Optional[BodyReservation], spool: Optional[Spool] = None
    ) -> BodyReader:
        idle_sec, check = self._body_idle_sec, self.watch.check
        return BodyReader(self.sock, self._buffer, self._set_timeout, idle_sec, check, reservation, spool)

    def _receive(self, timeout: float) -> Optional[bytes]:
        """Return bytes, b"" at the end of the connection, None after `timeout` seconds."""
        if timeout <= 0:
            return None
        self._set_timeout(None if timeout == self._kernel_sec else timeout)
        try:
            return self.sock.recv(RECV_BYTES)
        except (socket.timeout, BlockingIOError):
            return None
        except OSError:
            return b""

    def receive_nowait(self) -> Optional[bytes]:
        """Return the bytes that have arrived, b"" at the end of the connection, None if there are none."""
        if self._tls is not None:
            self._set_timeout(0.0)
            pieces, all_read = read_tls(self._tls, RECV_BYTES)
            self.has_more = not all_read
            return b"".join(pieces) if pieces else None
        if self._timeout is not None:
            self._set_timeout(None)
        try:
            data = self.sock.recv(RECV_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self.has_more = len(data) == RECV_BYTES
        return data

    def take_whole_request(self, data: bytes) -> Optional[RequestHead]:
        """Return the head if these bytes hold a whole request; otherwise keep them for `next_head`."""
        self.idle = self.response_started = False
        # As a known one, nearly always.
        found = self._head_parser.parse_repeated(data) or self._parse_whole_head(data)
        if found is not None:
            head, begin, length = found
            end = begin + length
            if end <= len(data):
                self.whole_body = data[begin:end]
                if end < len(data):
                    self._buffer += data[end:]
                return head
        self._buffer += data
        return None

    def _parse_whole_head(self, data: bytes) -> Optional[tuple[RequestHead, int, int]]:
        """Return the head, and where and how long its body is; None if that can't be said yet."""
        begin = data.find(b"\r\n\r\n") + 4
        if begin < 4 or data[0] == _CR:
            return None
        try:
            head = self._head_parser.parse(data[:begin])
            kind, length = request_framing(head)
        except TeamClaudeError:  # `next_head` raises it again
            return None
        return None if kind is BodyKind.CHUNKED else (head, begin, length)

    def unread(self, data: bytes) -> None:
        """Undo `take_whole_request`: the bytes are for `next_head` after all."""
        self._buffer[:], self.whole_body = data, None

    def take_buffered(self) -> bytes:
        """Return and forget what arrived behind the request: the protocol changes, it is no request."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    @property
    def speaks_tls(self) -> bool:
        """Whether its bytes are decrypted by us."""
        return self._tls is not None

    @property
    def has_buffered(self) -> bool:
        """Whether part of a next request has been read, or decrypted: a poll says nothing about it."""
        return bool(self._buffer) or (self._tls is not None and self._tls.pending() > 0)

    # --- writing --------------------------------------------------------------------------------

    def send(self, data: Buffer) -> None:
        """Send all of it; raises ClientGoneError when the client left or stopped reading."""
        self.response_started = True
        try:
            sent = self._write_nowait(data)
            if sent == len(data):
                return
            self._set_timeout(self.write_idle_sec)
            most = len(data) if self._tls is None else RECORD_BYTES
            with memoryview(data) as view:
                # Not sendall, whose timeout is for all of the data, however steadily the client reads.
                while sent < len(view):
                    sent += self.sock.send(view[sent : sent + most])
        except socket.timeout:
            raise ClientGoneError(f"the client read nothing for {self.write_idle_sec:g} s") from None
        except OSError as error:
            raise ClientGoneError("the client closed its connection") from error

    def send_nowait(self, data: Buffer) -> int:
        """Send as much as the socket takes without waiting; return the bytes.  Raises ClientGoneError."""
        try:
            return self._write_nowait(data)
        except OSError as error:
            raise ClientGoneError("the client closed its connection") from error

    def _write_nowait(self, data: Buffer) -> int:
        """Send what the socket takes without waiting; return the bytes.

        Writes to the descriptor: `send` on a socket with a timeout polls first, and the timeout would have to
        be set twice per request.  Saves three system calls, 25 us of a small request.
        """
        if self._tls is not None:
            self._set_timeout(0.0)
            return write_tls(self._tls, data)
        if self._plain_fd < 0:
            return 0
        try:
            if self._timeout is None:  # a plain write would block
                return self.sock.send(data, socket.MSG_DONTWAIT)
            return os.write(self._plain_fd, data)
        except BlockingIOError:
            return 0

    def _set_timeout(self, seconds: Optional[float]) -> None:
        if seconds != self._timeout:
            self.sock.settimeout(seconds)
            self._timeout = seconds

    def end(self) -> None:
        """Tell a client with TLS that nothing follows, unless a response was cut."""
        if self._tls is not None and not self.cut:
            end_tls(self._tls)

    def linger(self) -> None:
        """Half-close and read on before closing: with unread input a close would reset the response."""
        self.end()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            end = time.monotonic() + LINGER_SEC
            while self._receive(min(LINGER_SILENCE_SEC, end - time.monotonic())):
                pass

    def abort(self) -> None:
        """Close with a reset, which no client takes for the end of a body."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._plain_fd = -1  # another file may get the number
        self.sock.close()

    def _send_continue(self) -> None:
        self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.response_started = False  # an interim response does not count


def _seconds_until(deadline: Optional[float]) -> float:
    """Return the seconds until a deadline, or the time for idle connections without one."""
    return KEEP_ALIVE_SEC if deadline is None else deadline - time.monotonic()


def _skip_empty_lines(buffer: bytearray) -> None:
    """Drop empty lines before a request line (RFC 9112 2.2)."""
    while buffer[:2] == b"\r\n":
        del buffer[:2]


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the request body is larger than {limit >> 20} MiB (proxy.maxBodyMiB)")
