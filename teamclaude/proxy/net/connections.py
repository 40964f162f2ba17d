"""The accepted client connections: how many there may be, who must make room, and how a shutdown ends them.

Rules that hold in this file:

1. A connection counts from the moment it is accepted until its socket is closed.
2. It is unadmitted until a request on it was admitted, or its peer proves to be a process of our own user.
   Beyond their limit, the unadmitted connection that was accepted first is closed for a new one, silent ones
   before others.  In its first second an unadmitted connection is safe as long as the total allows it: its
   request is on the way.
3. At the total limit an idle connection is closed for the new one: of our own user one that has never asked
   anything, else the oldest of somebody else's, also a silent tunnel: whoever has a key can't keep our user
   out.  Where there is none the new one is refused: a request in progress is never cut.
4. A shutdown answers every request that has arrived.  A connection whose first request was not admitted yet
   has NEW_SEC from its accept on, one with something to be read is left to who serves it, and of the others
   only the reading side is shut down: a request may have been received, which nobody has come to say so far.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Optional, Protocol

from ...errors import OverloadedError
from ...values import NamedTuple
from .peer_user import PeerUserCheck
from .socket_wait import is_readable

__all__ = [
    "MAX_UNADMITTED",
    "AcceptedConnection",
    "ConnectionLimits",
    "Connections",
    "connection_limits",
]

MAX_UNADMITTED = 128
GRACE_SEC = 1.0
# Descriptors that connections leave to others: listening sockets, files, epoll, connections being refused.
RESERVED_DESCRIPTORS = 96
MIN_CONNECTIONS = 8
NEW_SEC = 1.0  # within it a client sends the request for which it has connected
LOOK_SEC = 0.1  # between two looks for connections that have become idle in a shutdown
# On Windows it would not wake the thread that waits for a request.
_END_OF_INPUT = socket.SHUT_RDWR if sys.platform == "win32" else socket.SHUT_RD


class ConnectionLimits(NamedTuple):
    """How many connections there may be, and how many of them unadmitted."""

    total: int
    unadmitted: int


def connection_limits(configured: int, descriptors: Optional[int]) -> ConnectionLimits:
    """Return the limits for a setting and a limit of descriptors (None: none); a connection may need two."""
    if descriptors is not None:
        configured = min(configured, max(MIN_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 2))
    return ConnectionLimits(configured, min(MAX_UNADMITTED, (configured + 1) // 2))


class ServedConnection(Protocol):
    """What who serves a connection tells of it."""

    @property
    def idle(self) -> bool:
        """Whether a shutdown may close it now."""


class AcceptedConnection:
    """One connection; `client` is set by who serves it."""

    __slots__ = ("accepted_at", "by_proxy", "client", "may_go_on", "same_user", "sock")

    def __init__(self, sock: socket.socket, since: float) -> None:
        self.sock = sock
        self.accepted_at = since  # monotonic
        self.by_proxy = False  # the other end is one of trustedProxies
        self.same_user: Callable[[], Optional[bool]] = PeerUserCheck(sock)
        self.client: Optional[ServedConnection] = None
        # Whether a policy still allows it; of a tunnel that is passed on: others are asked with each request.
        self.may_go_on: Optional[Callable[[Any], bool]] = None

    def replace_socket(self, sock: socket.socket) -> None:
        """Go on with this socket: TLS has wrapped the accepted one."""
        self.sock = sock
        if not self.by_proxy:
            self.same_user = PeerUserCheck(sock)

    def mark_by_proxy(self) -> None:
        """Note that the other end forwards for others: whose process it is says nothing of the caller."""
        self.by_proxy = True
        self.same_user = bool

    def is_of_own_user(self) -> bool:
        """Return whether its peer is known to be a process of our own user."""
        try:
            return self.same_user() is True
        except OverloadedError:
            return False

    @property
    def idle(self) -> bool:
        """Whether it is between requests."""
        return self.client is None or self.client.idle

    @property
    def is_silent(self) -> bool:
        """Whether it is idle and has nothing to be read."""
        try:
            return self.idle and not is_readable(self.sock)
        except (OSError, ValueError):  # it is being closed
            return False


class Connections:
    """All open connections; any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the four below
        # By the accepted socket, in order of age.
        self._open: dict[socket.socket, AcceptedConnection] = {}
        self._unadmitted: dict[socket.socket, AcceptedConnection] = {}
        # Of our own user, without a request so far.
        self._own_user: dict[socket.socket, AcceptedConnection] = {}
        self._evicted: set[socket.socket] = set()  # shut down; who serves them closes them

    def accept(self, sock: socket.socket, limits: ConnectionLimits) -> Optional[AcceptedConnection]:
        """Count a new connection, if necessary in place of another; None when it must be refused."""
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
            elif not self._evict_silent() and not self._evict_idle_of_others():
                return None

    def _register(self, sock: socket.socket, new: AcceptedConnection) -> AcceptedConnection:
        self._open[sock] = self._unadmitted[sock] = new
        return new

    def _oldest_unadmitted(self, age: float) -> Optional[tuple[socket.socket, AcceptedConnection]]:
        before = self._monotonic() - age
        old = [each for each in self._unadmitted.items() if each[1].accepted_at <= before]
        return next((each for each in old if each[1].is_silent), old[0] if old else None)

    def _keep_or_evict(self, sock: socket.socket, unadmitted: AcceptedConnection) -> bool:
        """Make it one of our own user if it is, else evict it; True when it was evicted."""
        ours = unadmitted.is_of_own_user()
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

    def _evict_idle_of_others(self) -> bool:
        with self._changed:
            candidates = [each for each in self._open.items() if each[0] not in self._evicted]
        for sock, each in candidates:
            if not each.is_silent or each.is_of_own_user():
                continue
            with self._changed:
                if sock not in self._open or sock in self._evicted or not each.is_silent:
                    continue
                self._unadmitted.pop(sock, None)
                self._own_user.pop(sock, None)
                self._evicted.add(sock)
            _shut_down(each)
            return True
        return False

    def free_descriptor(self) -> None:
        """Evict a connection without a request, if there is one, because a descriptor is needed."""
        evicted = False
        while not evicted:
            with self._changed:
                oldest = self._oldest_unadmitted(0.0)
            if oldest is None:
                self._evict_silent()
                return
            evicted = self._keep_or_evict(*oldest)

    def mark_admitted(self, sock: socket.socket) -> None:
        """Note that a request was admitted: the connection can't be evicted any more."""
        with self._changed:
            self._unadmitted.pop(sock, None)
            self._own_user.pop(sock, None)

    def get(self, sock: socket.socket) -> AcceptedConnection:
        """Return the connection that was accepted as this socket."""
        return self._open[sock]

    def remove(self, sock: socket.socket) -> None:
        """Forget a connection whose socket was closed."""
        with self._changed:
            self._open.pop(sock, None)
            self._unadmitted.pop(sock, None)
            self._own_user.pop(sock, None)
            self._evicted.discard(sock)
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._open)

    def close_forbidden(self, policy: Any) -> None:
        """Shut down the tunnels that `policy` does not allow: their key was taken away, or its role."""
        with self._changed:
            asked = [(each, each.may_go_on) for each in self._open.values() if each.may_go_on is not None]
        self.close(each for each, may_go_on in asked if not may_go_on(policy))

    # --- shutdown -----------------------------------------------------------------------------------

    def close_idle(self) -> None:
        """End the connections that are between requests: who serves them finds an end of input (rule 4)."""
        with self._changed:
            on_the_way = {*self._unadmitted.values(), *self._own_user.values()}
            before = self._monotonic() - NEW_SEC
            chosen = [
                each
                for each in self._open.values()
                if each.is_silent and not (each in on_the_way and each.accepted_at > before)
            ]
        self.end(chosen)

    def drain(self, seconds: float) -> None:
        """Wait up to `seconds` until there is no connection, and end those that are between requests."""
        end = self._monotonic() + seconds
        while True:
            self.close_idle()
            left = end - self._monotonic()
            if left <= 0 or self.wait_empty(min(left, LOOK_SEC)):
                return

    def close_all(self) -> None:
        """Shut down all connections, also within a request."""
        with self._changed:
            chosen = list(self._open.values())
        self.close(chosen)

    def idle(self) -> list[AcceptedConnection]:
        """Return the connections that are between requests."""
        with self._changed:
            return [each for each in self._open.values() if each.idle]

    def close(self, connections: Iterable[AcceptedConnection]) -> None:
        """Shut these connections down."""
        for each in connections:
            _shut_down(each)

    def end(self, connections: Iterable[AcceptedConnection]) -> None:
        """Have these connections end, unless a request has just been read of them (rule 4)."""
        for each in connections:
            # Of a tunnel that is passed on both: it would wait for its other end.
            _shut_down(each, _END_OF_INPUT if each.may_go_on is None else socket.SHUT_RDWR)

    def wait_empty(self, timeout: float) -> bool:
        """Return True once there is no connection, False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)


def _shut_down(connection: AcceptedConnection, how: int = socket.SHUT_RDWR) -> None:
    # The thread or the loop that uses the socket sees the end and closes it; no other thread may.
    # Not SSLSocket.shutdown, which takes the TLS object away while that thread uses it.
    with suppress(OSError):
        socket.socket.shutdown(connection.sock, how)
