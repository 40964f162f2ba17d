"""The client connections: how many there may be, and that a shutdown can end them in order.

Rules that hold in this file:

1. A connection counts from the moment it is accepted until its socket is closed.
2. It is proven once a request on it has been admitted, or once its peer is seen to be our own user's.  The
   others are strangers: beyond their number the longest open one is closed for the newcomer, idle ones first.
   In its first second a stranger has a place in any case, as long as there are places at all: its request is
   on the way.
3. When all places are taken by proven ones the newcomer is refused: what has begun is not cut for it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Optional

from ...errors import Overloaded
from .client import Client
from .peer import PeerCheck

__all__ = ["MOST_STRANGERS", "Accepted", "Connections", "Places", "places"]

MOST_STRANGERS = 128
FIRST_SEC = 1.0
# Descriptors that connections leave to others: listening sockets, files, epoll, those who are refused.
RESERVED = 48
FEWEST = 8


class Places(NamedTuple):
    """How many connections there may be, and how many of them strangers'."""

    all: int
    strangers: int


def places(most: int, descriptors: Optional[int]) -> Places:
    """For this setting and this limit of descriptors, None for none: each connection may need two."""
    if descriptors is not None:
        most = min(most, max(FEWEST, (descriptors - RESERVED) // 2))
    return Places(most, min(MOST_STRANGERS, (most + 1) // 2))


class Accepted:
    """One connection; `client` once somebody reads from it."""

    __slots__ = ("client", "proven", "same_user", "since", "sock")

    def __init__(self, sock: socket.socket, since: float) -> None:
        self.sock = sock
        self.since = since  # monotonic
        self.same_user = PeerCheck(sock)
        self.client: Optional[Client] = None
        self.proven = False

    def wrapped(self, sock: socket.socket) -> None:
        """Its socket is this one from now on: TLS has taken over the accepted one."""
        self.sock = sock
        self.same_user = PeerCheck(sock)

    @property
    def idle(self) -> bool:
        """It has no request under way."""
        return self.client is None or self.client.idle


class Connections:
    """All connections there are; any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the three below
        # By the accepted socket, in order of age.
        self._open: dict[socket.socket, Accepted] = {}
        self._strangers: dict[socket.socket, Accepted] = {}
        self._leaving: set[socket.socket] = set()  # told to end; their threads will close them

    def accept(self, sock: socket.socket, places: Places) -> Optional[Accepted]:
        """A place for a new connection; None when there is none (rules 2 and 3)."""
        new = Accepted(sock, self._monotonic())
        while True:
            with self._changed:
                full = len(self._open) - len(self._leaving) >= places.all
                if not full and len(self._strangers) < places.strangers:
                    return self._take(sock, new)
                oldest = self._oldest_stranger(0.0 if full else FIRST_SEC)
                if oldest is None:
                    return None if full else self._take(sock, new)
            self._judge(*oldest)

    def _take(self, sock: socket.socket, new: Accepted) -> Accepted:
        self._open[sock] = self._strangers[sock] = new
        return new

    def _oldest_stranger(self, age: float) -> Optional[tuple[socket.socket, Accepted]]:
        before = self._monotonic() - age
        old = [each for each in self._strangers.items() if each[1].since <= before]
        return next((each for each in old if each[1].idle), old[0] if old else None)

    def _judge(self, sock: socket.socket, stranger: Accepted) -> None:
        """Prove it or end it: then there is a stranger less."""
        try:
            ours = stranger.same_user() is True
        except Overloaded:
            ours = False
        if ours:
            self.prove(sock)
            return
        with self._changed:
            if self._strangers.pop(sock, None) is None:
                return
            self._leaving.add(sock)
        _shut(stranger)

    def make_room(self) -> None:
        """End one stranger, if there is any: a descriptor is needed."""
        with self._changed:
            oldest = self._oldest_stranger(0.0)
        if oldest is not None:
            self._judge(*oldest)

    def prove(self, sock: socket.socket) -> None:
        """This one is no stranger."""
        with self._changed:
            found = self._strangers.pop(sock, None)
        if found is not None:
            found.proven = True

    def of(self, sock: socket.socket) -> Accepted:
        """The connection that was accepted as this socket."""
        return self._open[sock]

    def closed(self, sock: socket.socket) -> None:
        """There is one less."""
        with self._changed:
            self._open.pop(sock, None)
            self._strangers.pop(sock, None)
            self._leaving.discard(sock)
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._open)

    # --- the end ------------------------------------------------------------------------------------

    def close_idle(self) -> None:
        """End the connections that are between requests."""
        self._end(lambda each: each.idle)

    def close_all(self) -> None:
        self._end(lambda each: True)

    def wait_empty(self, timeout: float) -> bool:
        """True once nobody is connected, False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def _end(self, which: Callable[[Accepted], bool]) -> None:
        with self._changed:
            chosen = [each for each in self._open.values() if which(each)]
        for each in chosen:
            _shut(each)


def _shut(connection: Accepted) -> None:
    # Its thread sees the end and closes: a socket is closed only by the thread that uses it.
    # Not SSLSocket.shutdown: that takes the TLS object away from under the thread.
    with suppress(OSError):
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
