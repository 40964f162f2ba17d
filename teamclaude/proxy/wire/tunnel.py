"""Bytes both ways between a client and the upstream, once they speak another protocol (RFC 9110 7.8).

Rules that hold in this file:

1. One thread serves both directions: a TLS object may not be read and written by two at once.
2. A side is read only while the other one takes what it sent: `MOST_HELD` bytes in each direction.
3. When either side ends, what was sent before is delivered; then it is over for both.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, Optional

__all__ = ["tunnel"]

MOST_HELD = 65536
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Side:
    """One of the two sockets; `held` is what it has not taken yet."""

    def __init__(self, sock: socket.socket, held: bytes) -> None:
        sock.settimeout(0.0)
        self.sock = sock
        self.held = held

    @property
    def has_more(self) -> bool:
        """TLS has decrypted bytes of which the socket has nothing to tell."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def read(self) -> Optional[bytes]:
        """What has come, b"" at the end, None when there is nothing; raises OSError."""
        try:
            return self.sock.recv(MOST_HELD)
        except _NOT_NOW:
            return None

    def write(self) -> bool:
        """Send what is held; True when some of it left.  Raises OSError."""
        try:
            sent = self.sock.send(self.held)
        except _NOT_NOW:
            return False
        self.held = self.held[sent:]
        return sent > 0


def tunnel(
    client: socket.socket, upstream: socket.socket, to_client: bytes, to_upstream: bytes, idle: float
) -> str:
    """Pass bytes on until either side ends or nothing has moved for `idle` seconds; returns which it was.

    `to_client` and `to_upstream` were received before.  The sockets are left open, in non-blocking mode.
    """
    sides = (_Side(client, to_client), _Side(upstream, to_upstream))
    try:
        return _pass_on(sides, idle)
    except OSError:
        return "the connection broke"


def _pass_on(sides: Sequence[_Side], idle: float) -> str:
    ended = ""
    moved_at = time.monotonic()
    while not ended or any(side.held for side in sides):
        left = moved_at + idle - time.monotonic()
        if left <= 0:
            return ended or f"nothing was sent for {idle:g} s"
        ready = _wait(sides, not ended, left)
        for side, other, name in (
            (sides[0], sides[1], "the client closed it"),
            (sides[1], sides[0], "the upstream closed it"),
        ):
            if side.held and side.write():
                moved_at = time.monotonic()
            if ended or other.held or not (side.has_more or side.sock in ready):
                continue
            data = side.read()
            if data is not None:
                moved_at = time.monotonic()
                other.held = data
                ended = "" if data else name
    return ended


def _wait(sides: Sequence[_Side], reading: bool, timeout: float) -> set[Any]:
    """The sockets that something can be read of, once something can be done or `timeout` is over."""
    with _Selector() as selector:
        for side, other in ((sides[0], sides[1]), (sides[1], sides[0])):
            may_read = reading and not other.held
            if may_read and side.has_more:
                timeout = 0.0
            wanted = selectors.EVENT_READ * may_read | selectors.EVENT_WRITE * bool(side.held)
            if wanted:
                selector.register(side.sock, wanted)
        return {key.fileobj for key, events in selector.select(timeout) if events & selectors.EVENT_READ}
