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

MAX_UNSENT = 65536
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Endpoint:
    """One of the two sockets; `held` is what it has not taken yet."""

    def __init__(self, sock: socket.socket, unsent: bytes) -> None:
        sock.settimeout(0.0)
        self.sock = sock
        self.unsent = unsent

    @property
    def has_decrypted(self) -> bool:
        """TLS has decrypted bytes of which the socket has nothing to tell."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def read(self) -> Optional[bytes]:
        """What has come, b"" at the end, None when there is nothing; raises OSError."""
        try:
            return self.sock.recv(MAX_UNSENT)
        except _WOULD_BLOCK:
            return None

    def write(self) -> bool:
        """Send what is held; True when some of it left.  Raises OSError."""
        try:
            sent = self.sock.send(self.unsent)
        except _WOULD_BLOCK:
            return False
        self.unsent = self.unsent[sent:]
        return sent > 0


def tunnel(
    client: socket.socket, upstream: socket.socket, to_client: bytes, to_upstream: bytes, idle: float
) -> str:
    """Pass bytes on until either side ends or nothing has moved for `idle` seconds; returns which it was.

    `to_client` and `to_upstream` were received before.  The sockets are left open, in non-blocking mode.
    """
    sides = (_Endpoint(client, to_client), _Endpoint(upstream, to_upstream))
    try:
        return _copy_both_ways(sides, idle)
    except OSError:
        return "the connection broke"


def _copy_both_ways(endpoints: Sequence[_Endpoint], idle: float) -> str:
    ended = ""
    moved_at = time.monotonic()
    while not ended or any(side.unsent for side in endpoints):
        left = moved_at + idle - time.monotonic()
        if left <= 0:
            return ended or f"nothing was sent for {idle:g} s"
        ready = _wait_ready(endpoints, not ended, left)
        for side, other, name in (
            (endpoints[0], endpoints[1], "the client closed it"),
            (endpoints[1], endpoints[0], "the upstream closed it"),
        ):
            if side.unsent and side.write():
                moved_at = time.monotonic()
            if ended or other.unsent or not (side.has_decrypted or side.sock in ready):
                continue
            data = side.read()
            if data is not None:
                moved_at = time.monotonic()
                other.unsent = data
                ended = "" if data else name
    return ended


def _wait_ready(endpoints: Sequence[_Endpoint], reading: bool, timeout: float) -> set[Any]:
    """The sockets that something can be read of, once something can be done or `timeout` is over."""
    with _Selector() as selector:
        for side, other in ((endpoints[0], endpoints[1]), (endpoints[1], endpoints[0])):
            may_read = reading and not other.unsent
            if may_read and side.has_decrypted:
                timeout = 0.0
            wanted = selectors.EVENT_READ * may_read | selectors.EVENT_WRITE * bool(side.unsent)
            if wanted:
                selector.register(side.sock, wanted)
        return {key.fileobj for key, events in selector.select(timeout) if events & selectors.EVENT_READ}
