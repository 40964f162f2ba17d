"""Copy bytes both ways between a client and the upstream after a protocol switch (RFC 9110 7.8).

Rules that hold in this file:

1. One thread serves both directions: two threads may not read and write one TLS object at once.
2. An end is read only while the other one has taken what was read before: `MAX_UNSENT` bytes per direction.
3. When either end closes, what it sent before is delivered; then the tunnel is over for both.
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
    """One of the two sockets; `unsent` are the bytes that it has not taken yet."""

    def __init__(self, sock: socket.socket, unsent: bytes) -> None:
        sock.settimeout(0.0)
        self.sock = sock
        self.unsent = unsent

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds decrypted bytes, of which a poll of the socket says nothing."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def read(self) -> Optional[bytes]:
        """Return what has arrived, b"" at the end, None if there is nothing; raises OSError."""
        try:
            return self.sock.recv(MAX_UNSENT)
        except _WOULD_BLOCK:
            return None

    def write(self) -> bool:
        """Send `unsent`; return whether the socket took some of it.  Raises OSError."""
        try:
            sent = self.sock.send(self.unsent)
        except _WOULD_BLOCK:
            return False
        self.unsent = self.unsent[sent:]
        return sent > 0


def tunnel(
    client: socket.socket, upstream: socket.socket, to_client: bytes, to_upstream: bytes, idle: float
) -> str:
    """Copy bytes until either end closes or nothing has moved for `idle` seconds; return which, as text.

    `to_client` and `to_upstream` were received before.  The sockets are left open, in non-blocking mode.
    """
    endpoints = (_Endpoint(client, to_client), _Endpoint(upstream, to_upstream))
    try:
        return _copy_both_ways(endpoints, idle)
    except OSError:
        return "the connection broke"


def _copy_both_ways(endpoints: Sequence[_Endpoint], idle: float) -> str:
    ended = ""
    moved_at = time.monotonic()
    while not ended or any(end.unsent for end in endpoints):
        left = moved_at + idle - time.monotonic()
        if left <= 0:
            return ended or f"nothing was sent for {idle:g} s"
        ready = _wait_ready(endpoints, not ended, left)
        for end, other, name in (
            (endpoints[0], endpoints[1], "the client closed it"),
            (endpoints[1], endpoints[0], "the upstream closed it"),
        ):
            if end.unsent and end.write():
                moved_at = time.monotonic()
            if ended or other.unsent or not (end.has_decrypted or end.sock in ready):
                continue
            data = end.read()
            if data is not None:
                moved_at = time.monotonic()
                other.unsent = data
                ended = "" if data else name
    return ended


def _wait_ready(endpoints: Sequence[_Endpoint], reading: bool, timeout: float) -> set[Any]:
    """Wait until something can be done, for `timeout` seconds at most; return the readable sockets."""
    with _Selector() as selector:
        for end, other in ((endpoints[0], endpoints[1]), (endpoints[1], endpoints[0])):
            may_read = reading and not other.unsent
            if may_read and end.has_decrypted:
                timeout = 0.0
            wanted = selectors.EVENT_READ * may_read | selectors.EVENT_WRITE * bool(end.unsent)
            if wanted:
                selector.register(end.sock, wanted)
        return {key.fileobj for key, events in selector.select(timeout) if events & selectors.EVENT_READ}
