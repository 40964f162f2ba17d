"""The client connections: how many there may be, and that a shutdown can end them in order.

Rules that hold in this file:

1. A connection counts from the moment it is accepted until its socket is closed.
2. It is a stranger until a request on it was admitted, or its peer is seen to be our own user's.  Beyond
   their number the stranger that was accepted first is closed for the newcomer, silent ones before others.
   In its first second a stranger has a place in any case, as long as there are places at all: its request
   is on the way.
3. When all places are taken, one of our own user's that has never asked anything, and has nothing unread, is
   closed for the newcomer; where there is none the newcomer is refused: what has begun is not cut for it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Optional

from ...errors import OverloadedError
from .client_connection import ClientConnection
from .peer_user import PeerUserCheck
from .socket_wait import readable_probe

__all__ = ["MAX_UNADMITTED", "AcceptedConnection", "Connections", "ConnectionLimits", "connection_limits"]

MAX_UNADMITTED = 128
GRACE_SEC = 1.0
# Descriptors that connections leave to others: listening sockets, files, epoll, those who are refused.
RESERVED_DESCRIPTORS = 96
MIN_CONNECTIONS = 8


class ConnectionLimits(NamedTuple):
    """How many connections there may be, and how many of them strangers'."""

    total: int
    unadmitted: int


def connection_limits(configured: int, descriptors: Optional[int]) -> ConnectionLimits:
    """For this setting and this limit of descriptors, None for none: each connection may need two."""
    if descriptors is not None:
        configured = min(configured, max(MIN_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 2))
    return ConnectionLimits(configured, min(MAX_UNADMITTED, (configured + 1) // 2))


class AcceptedConnection:
    """One connection; `client` once somebody reads from it."""

    __slots__ = ("client", "same_user", "accepted_at", "sock")

    def __init__(self, sock: socket.socket, since: float) -> None:
        self.sock = sock
        self.accepted_at = since  # monotonic
        self.same_user = PeerUserCheck(sock)
        self.client: Optional[ClientConnection] = None

    def replace_socket(self, sock: socket.socket) -> None:
        """Its socket is this one from now on: TLS has taken over the accepted one."""
        self.sock = sock
        self.same_user = PeerUserCheck(sock)

    @property
    def idle(self) -> bool:
        """It has no request under way."""
        return self.client is None or self.client.idle

    @property
    def is_silent(self) -> bool:
        """It is idle, and no request is waiting to be read."""
        try:
            return self.idle and not readable_probe(self.sock)()
        except (OSError, ValueError):  # it is being closed
            return False


class Connections:
    """All connections there are; any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the four below
        # By the accepted socket, in order of age.
        self._open: dict[socket.socket, AcceptedConnection] = {}
        self._unadmitted: dict[socket.socket, AcceptedConnection] = {}
        self._own_user: dict[
            socket.socket, AcceptedConnection
        ] = {}  # our own user's that have not asked anything
        self._evicted: set[socket.socket] = set()  # told to end; their threads will close them

    def accept(self, sock: socket.socket, limits: ConnectionLimits) -> Optional[AcceptedConnection]:
        """A place for a new connection; None when there is none (rules 2 and 3)."""
        new = AcceptedConnection(sock, self._monotonic())
        while True:
            with self._changed:
                full = len(self._open) - len(self._evicted) >= limits.total
                if not full and len(self._unadmitted) < limits.unadmitted:
                    return self._register(sock, new)
                oldest = self._oldest_unadmitted(0.0 if full else GRACE_SEC)
                if oldest is None and not full:
                    return self._register(sock, new)
            if oldest is not None:
                self._keep_or_evict(*oldest)
            elif not self._evict_silent():
                return None

    def _register(self, sock: socket.socket, new: AcceptedConnection) -> AcceptedConnection:
        self._open[sock] = self._unadmitted[sock] = new
        return new

    def _oldest_unadmitted(self, age: float) -> Optional[tuple[socket.socket, AcceptedConnection]]:
        before = self._monotonic() - age
        old = [each for each in self._unadmitted.items() if each[1].accepted_at <= before]
        return next((each for each in old if each[1].is_silent), old[0] if old else None)

    def _keep_or_evict(self, sock: socket.socket, unadmitted: AcceptedConnection) -> bool:
        """See that it is our own user's, or end it: a stranger less.  True when it was ended."""
        try:
            ours = unadmitted.same_user() is True
        except OverloadedError:
            ours = False
        with self._changed:
            if self._unadmitted.pop(sock, None) is None:
                return False
            if ours:
                self._own_user[sock] = unadmitted
                return False
            self._evicted.add(sock)
        _shut_down(unadmitted)
        return True

    def _evict_silent(self) -> bool:
        with self._changed:
            found = next((each for each in self._own_user.items() if each[1].is_silent), None)
            if found is None:
                return False
            del self._own_user[found[0]]
            self._evicted.add(found[0])
        _shut_down(found[1])
        return True

    def free_descriptor(self) -> None:
        """End a connection that has not asked anything, if there is any: a descriptor is needed."""
        ended = False
        while not ended:
            with self._changed:
                oldest = self._oldest_unadmitted(0.0)
            if oldest is None:
                self._evict_silent()
                return
            ended = self._keep_or_evict(*oldest)

    def mark_admitted(self, sock: socket.socket) -> None:
        """A request on it was admitted."""
        with self._changed:
            self._unadmitted.pop(sock, None)
            self._own_user.pop(sock, None)

    def get(self, sock: socket.socket) -> AcceptedConnection:
        """The connection that was accepted as this socket."""
        return self._open[sock]

    def remove(self, sock: socket.socket) -> None:
        """There is one less."""
        with self._changed:
            self._open.pop(sock, None)
            self._unadmitted.pop(sock, None)
            self._own_user.pop(sock, None)
            self._evicted.discard(sock)
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._open)

    # --- the end ------------------------------------------------------------------------------------

    def close_idle(self) -> None:
        """End the connections that are between requests."""
        self._shut_down_matching(lambda each: each.idle)

    def close_all(self) -> None:
        self._shut_down_matching(lambda each: True)

    def wait_empty(self, timeout: float) -> bool:
        """True once nobody is connected, False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def _shut_down_matching(self, which: Callable[[AcceptedConnection], bool]) -> None:
        with self._changed:
            chosen = [each for each in self._open.values() if which(each)]
        for each in chosen:
            _shut_down(each)


def _shut_down(connection: AcceptedConnection) -> None:
    # Its thread sees the end and closes: a socket is closed only by the thread that uses it.
    # Not SSLSocket.shutdown: that takes the TLS object away from under the thread.
    with suppress(OSError):
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
