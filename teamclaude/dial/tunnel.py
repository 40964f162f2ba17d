"""Copy bytes both ways between a client and a server: after a protocol switch (RFC 9110 7.8) or a CONNECT.

Rules that hold in this file:

1. One thread serves both directions: two threads may not read and write one TLS object at once.
2. An end is read only while the other one has taken what was read before: `MAX_UNSENT` bytes per direction.
3. When an end closes, what it sent before is delivered.  Then the tunnel is over for both; with `half_close`
   only this direction is, as far as the other end can be told so: TLS has no half-closed connection.
4. Silence is no end: who waits at one end for news of the other says nothing for long.  That a machine at an
   end is gone is found out by TCP's own probes.
"""

from __future__ import annotations

import select
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Optional

from .tls_sockets import is_tls, would_block

__all__ = ["TUNNEL_IDLE_SEC", "Tunnel"]

MAX_UNSENT = 65536
# Without a byte.  Long-polling connections are often silent for minutes; what is older was forgotten.
TUNNEL_IDLE_SEC = 3600.0
HALF_CLOSED_SEC = 60.0  # the same for the rest, once one end has closed
QUIET_SEC = 2.0  # afterwards a shutdown does not wait for it
_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


class _Endpoint:
    """One of the two sockets; `unsent` are the bytes that it has not taken yet."""

    def __init__(self, sock: socket.socket, unsent: bytes) -> None:
        self.sock = sock
        self.unsent = unsent
        self.taken = 0  # bytes
        self.ended = False  # it sends no more

    def begin(self) -> None:
        """Make the socket ready for the copying; raises OSError."""
        self.sock.settimeout(0.0)
        _probe_peer(self.sock)

    @property
    def has_decrypted(self) -> bool:
        """Whether TLS holds decrypted bytes, of which a poll of the socket says nothing."""
        return is_tls(self.sock) and self.sock.pending() > 0

    @property
    def is_closed_both_ways(self) -> bool:
        """Whether nothing can be sent to it either: it was reset, or a shutdown of ours has closed it."""
        if not hasattr(select, "poll"):  # Windows
            return False
        poll = select.poll()
        poll.register(self.sock, 0)  # a hang-up and an error are reported in any case
        return bool(poll.poll(0))

    def read(self) -> Optional[bytes]:
        """Return what has arrived, b"" at the end, None if there is nothing; raises OSError."""
        try:
            return self.sock.recv(MAX_UNSENT)
        except would_block():
            return None

    def write(self) -> bool:
        """Send `unsent`; return whether the socket took some of it.  Raises OSError."""
        try:
            sent = self.sock.send(self.unsent)
        except would_block():
            return False
        self.unsent = self.unsent[sent:]
        self.taken += sent
        return sent > 0

    def tell_end(self) -> bool:
        """Close our sending side; False where that can't be done alone.  Raises OSError."""
        if is_tls(self.sock):
            return False
        self.sock.shutdown(socket.SHUT_WR)
        return True


class Tunnel:
    """Two sockets; `to_client` and `to_upstream` were received before.

    `run` is for one thread; the others may read the rest.
    """

    def __init__(
        self,
        client: socket.socket,
        upstream: socket.socket,
        to_client: bytes = b"",
        to_upstream: bytes = b"",
        half_close: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._half_close = half_close
        self._client, self._upstream = _Endpoint(client, to_client), _Endpoint(upstream, to_upstream)
        self._moved_at = monotonic()
        self._over = False  # nothing more is read
        self._reason = ""

    @property
    def idle(self) -> bool:
        """Whether a shutdown may end it: nothing has moved for a while."""
        return self._monotonic() - self._moved_at >= QUIET_SEC

    @property
    def bytes_up(self) -> int:
        """Bytes that the upstream has taken."""
        return self._upstream.taken

    @property
    def bytes_down(self) -> int:
        """Bytes that the client has taken."""
        return self._client.taken

    def run(self, idle: float) -> str:
        """Copy until it is over, or nothing has moved for `idle` seconds; return how it ended, as text.

        The sockets are left open, in non-blocking mode.
        """
        both = (self._client, self._upstream)
        try:
            for end in both:
                end.begin()
            while not (self._over or all(end.ended for end in both)) or any(end.unsent for end in both):
                limit = min(idle, HALF_CLOSED_SEC) if self._reason else idle
                left = self._moved_at + limit - self._monotonic()
                if left <= 0:
                    return self._reason or f"nothing was sent for {limit:g} s"
                ready = _wait_ready(both, self._over, left)
                self._copy(self._client, self._upstream, ready, "the client closed it")
                self._copy(self._upstream, self._client, ready, "the upstream closed it")
        except OSError:
            return "the connection broke"
        return self._reason

    def _copy(self, end: _Endpoint, other: _Endpoint, ready: set[Any], name: str) -> None:
        """Send to `end` what waits for it; read from it what `other` can take."""
        if end.unsent and end.write():
            self._moved_at = self._monotonic()
        if self._over or end.ended or other.unsent or not (end.has_decrypted or end.sock in ready):
            return
        data = end.read()
        if data is None:
            return
        self._moved_at = self._monotonic()
        other.unsent = data
        if not data:
            end.ended = True
            self._reason = self._reason or name
            goes_on = self._half_close and not end.is_closed_both_ways
            self._over = not (goes_on and other.tell_end())


def _probe_peer(sock: socket.socket) -> None:
    with suppress(OSError):  # not TCP, or already closed
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _wait_ready(endpoints: Sequence[_Endpoint], over: bool, timeout: float) -> set[Any]:
    """Wait until something can be done, for `timeout` seconds at most; return the readable sockets."""
    with _Selector() as selector:
        for end, other in ((endpoints[0], endpoints[1]), (endpoints[1], endpoints[0])):
            may_read = not (over or end.ended or other.unsent)
            if may_read and end.has_decrypted:
                timeout = 0.0
            wanted = selectors.EVENT_READ * may_read | selectors.EVENT_WRITE * bool(end.unsent)
            if wanted:
                selector.register(end.sock, wanted)
        return {key.fileobj for key, events in selector.select(timeout) if events & selectors.EVENT_READ}
