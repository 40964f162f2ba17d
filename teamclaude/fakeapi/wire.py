"""One client connection of the fake API: reads requests, sends exact bytes."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable

from ..values import dataclass, replace
from .answer import Close, Send, Step, Wait

__all__ = ["ApiConnection", "NotHttpError", "PeerClosedError", "Request", "SendProgress"]

_MAX_HEAD = 1 << 20
_SEND_TIMEOUT = 60.0


class PeerClosedError(Exception):
    """The client closed the connection."""


class NotHttpError(Exception):
    """The bytes are not an HTTP request."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived: header order, case and duplicates kept."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass
class SendProgress:
    """How much of an answer was sent; `gone`: the client left, `closed`: how the fake API ended it."""

    sent: int = 0
    events: int = 0
    head: bool = False
    gone: bool = False
    closed: str = ""


class ApiConnection:
    """Read requests and carry out steps; `scale` turns seconds of the API's clock into real ones.

    During a wait it also reads the socket, so that a client that leaves is noticed at once.
    """

    def __init__(self, sock: socket.socket, scale: float = 1.0) -> None:
        self._sock = sock
        self._scale = scale
        self._buffer = b""

    # --- reading -------------------------------------------------------------------------

    def read_request(self) -> Request | None:
        """Return the next request; None when the client closed between requests.

        Raise PeerClosedError when it closed within one, NotHttpError when it is not HTTP.
        """
        try:
            head = self._head()
        except PeerClosedError:
            if not self._buffer:
                return None
            raise
        lines = head.decode("latin-1").split("\r\n")
        start = lines[0].split(" ")
        if len(start) != 3 or not start[2].startswith("HTTP/1."):
            raise NotHttpError(f"not a request line: {lines[0][:80]!r}")
        request = Request(start[0], start[1], start[2], tuple(_header(line) for line in lines[1:]), b"")
        if (request.header("expect") or "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return replace(request, body=self._body(request))

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_HEAD:
                raise NotHttpError("the request head does not end")
            self._read_some()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def _body(self, request: Request) -> bytes:
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            return self._chunked()
        length = request.header("content-length") or "0"
        if not length.isdigit():
            raise NotHttpError(f"content-length: {length!r}")
        return self._read_exactly(int(length))

    def _chunked(self) -> bytes:
        out: list[bytes] = []
        while True:
            size = int(self._line().split(b";")[0] or b"0", 16)
            if size == 0:
                while self._line():
                    pass
                return b"".join(out)
            out.append(self._read_exactly(size))
            self._line()

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._read_some()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _read_exactly(self, count: int) -> bytes:
        if len(self._buffer) >= count:
            out, self._buffer = self._buffer[:count], self._buffer[count:]
            return out
        parts = [self._buffer]
        missing = count - len(self._buffer)
        self._buffer = b""
        while missing:
            data = self._receive(min(missing, 1 << 18))
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _read_some(self) -> None:
        self._buffer += self._receive(1 << 16)

    def _receive(self, size: int) -> bytes:
        try:
            self._sock.settimeout(None)
            data = self._sock.recv(size)
        except OSError:
            raise PeerClosedError from None
        if not data:
            raise PeerClosedError
        return data

    # --- answering -----------------------------------------------------------------------

    def send_steps(self, steps: Iterable[Step], progress: SendProgress) -> None:
        """Carry out the steps in order; `progress` is up to date whatever happens."""
        try:
            for step in steps:
                if isinstance(step, Send):
                    self._send(step.data)
                    progress.sent += len(step.data)
                    progress.events = step.event or progress.events
                    progress.head = progress.head or step.head
                elif isinstance(step, Wait):
                    self.wait(step.seconds)
                else:
                    self._close_as(step, progress)
                    return
        except PeerClosedError:
            progress.gone = True

    def wait(self, seconds: float | None) -> None:
        """Wait (None: for ever); raise PeerClosedError as soon as the client has left."""
        if seconds is not None and seconds <= 0:
            return
        deadline = None if seconds is None else time.monotonic() + seconds * self._scale
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            try:
                self._sock.settimeout(left)
                data = self._sock.recv(1 << 16)
            except socket.timeout:
                return
            except OSError:
                raise PeerClosedError from None
            if not data:
                raise PeerClosedError
            self._buffer += data

    def _send(self, data: bytes) -> None:
        try:
            self._sock.settimeout(_SEND_TIMEOUT)
            self._sock.sendall(data)
        except OSError:
            raise PeerClosedError from None

    def _close_as(self, step: Close, progress: SendProgress) -> None:
        progress.closed = step.how
        if step.how == "hang":
            self.wait(None)
        self.close(reset=step.how == "rst")

    def close(self, *, reset: bool = False) -> None:
        """End the connection: FIN, or RST when `reset`."""
        try:
            if reset:
                # With a linger time of zero the kernel drops the connection with an RST.
                linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._sock.close()

    def shut_down(self) -> None:
        """Wake the thread that serves this connection; called by another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._sock.close()


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise NotHttpError(f"not a header line: {line[:80]!r}")
    return name, value.strip()
