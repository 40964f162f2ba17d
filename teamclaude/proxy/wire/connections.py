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
from .client import ClientConnection
from .peer import PeerCheck
from .watch import readable

__all__ = ["MOST_STRANGERS", "Accepted", "Connections", "Places", "places"]

MOST_STRANGERS = 128
FIRST_SEC = 1.0
# Descriptors that connections leave to others: listening sockets, files, epoll, those who are refused.
RESERVED = 96
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

    __slots__ = ("client", "same_user", "since", "sock")

    def __init__(self, sock: socket.socket, since: float) -> None:
        self.sock = sock
        self.since = since  # monotonic
        self.same_user = PeerCheck(sock)
        self.client: Optional[ClientConnection] = None

    def wrapped(self, sock: socket.socket) -> None:
        """Its socket is this one from now on: TLS has taken over the accepted one."""
        self.sock = sock
        self.same_user = PeerCheck(sock)

    @property
    def idle(self) -> bool:
        """It has no request under way."""
        return self.client is None or self.client.idle

    @property
    def is_silent(self) -> bool:
        """It is idle, and no request is waiting to be read."""
        try:
            return self.idle and not readable(self.sock)()
        except (OSError, ValueError):  # it is being closed
            return False


class Connections:
    """All connections there are; any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the four below
        # By the accepted socket, in order of age.
        self._open: dict[socket.socket, Accepted] = {}
        self._strangers: dict[socket.socket, Accepted] = {}
        self._own: dict[socket.socket, Accepted] = {}  # our own user's that have not asked anything
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
                if oldest is None and not full:
                    return self._take(sock, new)
            if oldest is not None:
                self._judge(*oldest)
            elif not self._end_a_silent_one():
                return None

    def _take(self, sock: socket.socket, new: Accepted) -> Accepted:
        self._open[sock] = self._strangers[sock] = new
        return new

    def _oldest_stranger(self, age: float) -> Optional[tuple[socket.socket, Accepted]]:
        before = self._monotonic() - age
        old = [each for each in self._strangers.items() if each[1].since <= before]
        return next((each for each in old if each[1].is_silent), old[0] if old else None)

    def _judge(self, sock: socket.socket, stranger: Accepted) -> bool:
        """See that it is our own user's, or end it: a stranger less.  True when it was ended."""
        try:
            ours = stranger.same_user() is True
        except OverloadedError:
            ours = False
        with self._changed:
            if self._strangers.pop(sock, None) is None:
                return False
            if ours:
                self._own[sock] = stranger
                return False
            self._leaving.add(sock)
        _shut(stranger)
        return True

    def _end_a_silent_one(self) -> bool:
        with self._changed:
            found = next((each for each in self._own.items() if each[1].is_silent), None)
            if found is None:
                return False
            del self._own[found[0]]
            self._leaving.add(found[0])
        _shut(found[1])
        return True

    def make_room(self) -> None:
        """End a connection that has not asked anything, if there is any: a descriptor is needed."""
        ended = False
        while not ended:
            with self._changed:
                oldest = self._oldest_stranger(0.0)
            if oldest is None:
                self._end_a_silent_one()
                return
            ended = self._judge(*oldest)

    def prove(self, sock: socket.socket) -> None:
        """A request on it was admitted."""
        with self._changed:
            self._strangers.pop(sock, None)
            self._own.pop(sock, None)

    def of(self, sock: socket.socket) -> Accepted:
        """The connection that was accepted as this socket."""
        return self._open[sock]

    def closed(self, sock: socket.socket) -> None:
        """There is one less."""
        with self._changed:
            self._open.pop(sock, None)
            self._strangers.pop(sock, None)
            self._own.pop(sock, None)
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
