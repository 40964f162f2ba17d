"""Read one request body off a connection: into memory as it arrives, or onto the disk.

Rules that hold in this file:

1. Announced bytes take no memory: none is taken before the first bytes have arrived, and of a large body no
   page before its own bytes.
2. A body must keep arriving: no silence beyond the idle time, and MIN_BYTES_PER_SEC on average.  Time that it
   waits here (for memory) does not count.
3. What follows the body on the connection stays in the client's buffer.
4. A large upload is written to disk as it arrives and read as it is sent, never in memory as a whole.
"""

from __future__ import annotations

import mmap
import select
import socket
import time
from collections.abc import Callable
from typing import Optional, TypeVar

from ....dial.tls_sockets import is_tls
from ....errors import BadRequestError, BodyTooLargeError, ClientGoneError, RequestTimeoutError
from ...http.framing import Buffer, ChunkedDecoder
from .body_limit import BLOCK, BodyReservation
from .spool import Spool, SpoolFile

__all__ = ["AT_ONCE_SEC", "CAN_POLL", "MAX_PREALLOCATED", "RECV_BYTES", "BodyReader"]

T = TypeVar("T", int, bytes)

RECV_BYTES = 65536
# Up to this size a body gets its memory at once: growing by doubling took 4 ms of processor time
# more for 2 MB.  Beyond, it is mapped: no page is taken before its bytes have arrived, whatever size was
# announced, and no other thread waits while 50 MB are cleared (25 ms).
MAX_PREALLOCATED = 4 << 20
SPOOL_THRESHOLD = 8 << 20  # larger uploads go to disk
DISK_WRITE_BYTES = 1 << 18  # of one write to disk
MIN_BYTES_PER_SEC = 4096
AT_ONCE_SEC = 0.005  # in which a client of this machine sends 2 MB
CAN_POLL = hasattr(select, "poll") and hasattr(socket, "MSG_DONTWAIT")  # not on Windows
_BROKEN = "the client's connection broke"
_LEFT = "the client left in the middle of its request body"
REFUSAL_POLL_SEC = 0.5  # how soon a body that was refused for another is told


class BodyReader:
    """Read one body; `reservation` counts its memory, `spool` (None: memory) takes a large one."""

    def __init__(
        self,
        sock: socket.socket,
        buffer: bytearray,
        set_timeout: Callable[[Optional[float]], None],
        idle_sec: float,
        on_tick: Callable[[], None],
        reservation: BodyReservation | None,
        spool: Spool | None,
    ) -> None:
        self.sock = sock
        self._buffer = buffer
        self._set_timeout = set_timeout
        self._idle_sec = idle_sec
        self._on_tick = on_tick
        self._reservation = reservation
        self._spool = spool
        self._began_at = self._last_at = time.monotonic()
        self._received = 0
        self._at_once = False  # its memory was there, and what has arrived can be received without waiting
        self._taken = 0  # bytes of `whole` for which there is room
        self.whole = memoryview(b"")
        self.filled = 0  # bytes of `whole` that have arrived

    def read_length(self, length: int, send_continue: Callable[[], None]) -> Buffer:
        """Return a body of this many bytes; call `send_continue` once it is certain to be read."""
        if self._spool is not None and length > SPOOL_THRESHOLD:
            return self._read_to_disk(self._spool, length, send_continue)
        if not self._buffer:
            self._acquire(0)
            send_continue()
            self._buffer += self._receive(self._recv_some)
        if len(self._buffer) >= length:
            body: Buffer = bytes(self._buffer[:length])
            del self._buffer[:length]
        else:
            self.begin(length)
            body = self.whole if self.receives_within(length, AT_ONCE_SEC) else self.finish()
        return body

    def begin(self, length: int) -> None:
        """Begin a body of this many bytes, once some have arrived: `whole` is to become all of it."""
        if not self._buffer:
            self._acquire(0)
            self._buffer += self._receive(self._recv_some)
        room: bytearray | mmap.mmap | None = None
        if length > MAX_PREALLOCATED:
            room = mmap.mmap(-1, length)
        else:
            self._taken = length
            if self._reservation is not None:
                room = self._reservation.take_at_once(length)
            self._at_once = CAN_POLL and room is not None and not is_tls(self.sock)
            if room is None:
                self._acquire(length)
                room = bytearray(length)
        self.whole = memoryview(room)
        filled = self.filled = min(length, len(self._buffer))
        self.whole[:filled] = self._buffer[:filled]
        del self._buffer[:filled]

    def receives_within(self, size: int, seconds: float) -> bool:
        """Receive until `size` bytes of the body have arrived; return whether they do within `seconds`.

        Takes fewer calls than `finish`, and can't be refused for another body.  Raises ClientGoneError.
        """
        if not self._at_once:
            return False
        poll, ends = None, 0.0
        while self.filled < size:
            if not self.receive_nowait():
                now = time.monotonic()
                if poll is None:
                    poll, ends = select.poll(), now + seconds
                    poll.register(self.sock, select.POLLIN)
                if not poll.poll(max(0.0, ends - now) * 1000.0):
                    return False
        return True

    def receive_nowait(self) -> int:
        """Take the bytes that have arrived; return their number.  Raises ClientGoneError."""
        self._set_timeout(None)  # with one, Python would poll first
        try:
            got = self.sock.recv_into(self.whole[self.filled :], 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientGoneError(_BROKEN) from error
        if not got:
            raise ClientGoneError(_LEFT)
        self.filled += got
        self._last_at = time.monotonic()
        return got

    def finish(self) -> memoryview:
        """Wait for the rest of a body that was begun; return the whole."""
        whole, filled, length = self.whole, self.filled, len(self.whole)
        taken = max(filled, self._taken)
        if self._reservation is not None:
            self._reservation.mark_reading()
        self._received = filled
        block = filled + BLOCK
        while filled < length:
            if filled == taken:
                taken = min(filled + BLOCK, length)
                self._acquire(taken - filled)
            part = whole[filled:taken]
            filled += self._receive(lambda part=part: self.sock.recv_into(part))  # type: ignore[misc]
            if filled >= block and self._reservation is not None:
                block = filled + BLOCK
                self._reservation.mark_progress(self._last_at)
        self.filled = filled
        if self._reservation is not None:
            self._reservation.mark_read()
        return whole

    def _read_to_disk(self, spool: Spool, length: int, send_continue: Callable[[], None]) -> Buffer:
        file = spool.open(length)
        try:
            send_continue()
            file.write(self._buffer[:length])
            del self._buffer[:length]
            part = memoryview(bytearray(DISK_WRITE_BYTES))
            while file.size < length:
                some = part[: length - file.size]
                file.write(part[: self._receive(lambda some=some: self.sock.recv_into(some))])  # type: ignore
        except BaseException:
            file.close()
            raise
        return file.content()

    def read_chunked(
        self, limit: int, too_large: Callable[[], BodyTooLargeError], send_continue: Callable[[], None]
    ) -> Buffer:
        """Return the payload of a body in chunks; raises what `too_large` returns beyond `limit` bytes."""
        decoder = ChunkedDecoder(BadRequestError)
        body = _ChunkedBody(self)
        self._acquire(0)
        send_continue()
        data = bytes(self._buffer)
        self._buffer.clear()
        try:
            while True:
                for piece in decoder.feed(data):
                    body.add(piece)
                if body.size > limit:
                    raise too_large()
                if decoder.finished:
                    self._buffer += decoder.leftover
                    if self._reservation is not None:
                        self._reservation.mark_read()
                    return body.content()
                data = self._receive(self._recv_some)
        except BaseException:
            body.discard()
            raise

    def _recv_some(self) -> bytes:
        return self.sock.recv(RECV_BYTES)

    def _acquire(self, size: int) -> None:
        if self._reservation is None:
            return
        asked = time.monotonic()
        self._reservation.acquire(size, self._on_tick)
        self._last_at = time.monotonic()
        self._began_at += self._last_at - asked

    def _receive(self, receive: Callable[[], T]) -> T:
        """Return the bytes, or their number, that arrive next; raises RequestTimeoutError or ClientGoneError.

        Raises OverloadedError if the body was refused for another.
        """
        while True:
            self._set_timeout(min(self._idle_sec, REFUSAL_POLL_SEC))
            try:
                got = receive()
                break
            except socket.timeout:
                if time.monotonic() - self._last_at >= self._idle_sec:
                    words = f"no more of the body arrived for {self._idle_sec:g} s"
                    raise RequestTimeoutError(words) from None
                if self._reservation is not None:
                    self._reservation.check_refused()
            except OSError as error:
                raise ClientGoneError(_BROKEN) from error
        if not got:
            raise ClientGoneError(_LEFT)
        self._last_at = now = time.monotonic()
        self._received += got if isinstance(got, int) else len(got)
        if now - self._began_at > self._idle_sec + self._received / MIN_BYTES_PER_SEC:
            raise RequestTimeoutError(f"the body comes at less than {MIN_BYTES_PER_SEC} bytes per second")
        return got


class _ChunkedBody:
    """The payload of chunks: in memory, or on disk once it grows large, if it may go there."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._body = bytearray()
        self._acquired = RECV_BYTES  # so much may arrive with the head: rule 4 of `body_limit`
        self._file: SpoolFile | None = None
        self.size = 0

    def add(self, piece: Buffer) -> None:
        self.size += len(piece)
        spool = self._reader._spool
        if self._file is None and spool is not None and self.size > SPOOL_THRESHOLD:
            self._file = spool.open()
            self._file.write(bytes(self._body))
            self._body = bytearray()
            if self._reader._reservation is not None:
                self._reader._reservation.release()
        if self._file is not None:
            self._file.write(piece)
            return
        while self.size > self._acquired:
            self._reader._acquire(BLOCK)
            self._acquired += BLOCK
        self._body += piece

    def content(self) -> Buffer:
        return self._body if self._file is None else self._file.content()

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
