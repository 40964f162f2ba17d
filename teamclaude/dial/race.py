"""Connect to the first of several addresses that answers (RFC 8305, "Happy Eyeballs").

A host with IPv6 and IPv4 addresses is often reachable by one of them only, and the other one does not refuse:
it is silent.  The next address is tried ATTEMPT_DELAY_SEC after the last one began, at once when that failed;
the first connection that stands is taken, the others are closed.  What won is remembered for a host, so that
silent addresses cost the delay once in REMEMBERED_SEC and not with each connection.

The connects are non-blocking and one poll waits for all of them: no threads.  Looking up the name comes
before and takes what the system's resolver takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional

from ..values import NamedTuple

__all__ = ["Address", "Deadline", "Families", "SocketCalls", "connect_first", "resolve"]

ATTEMPT_DELAY_SEC = 0.25  # recommended by RFC 8305, 5
REMEMBERED_SEC = 600.0  # "on the order of 10 minutes" (RFC 6555, 4.2)
MAX_REMEMBERED = 256  # hosts; a tunnel may lead anywhere
_IN_PROGRESS = {errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, getattr(errno, "WSAEWOULDBLOCK", -1)}
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Address(NamedTuple):
    """One address of a host, with its port."""

    family: int
    sockaddr: tuple[Any, ...]


class Deadline:
    """The time by which a connection must stand; `seconds` from now."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raises socket.timeout once there are none."""
        left = self._end - self._monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def passed(self) -> OSError:
        """Return the error for a time that is over."""
        return socket.timeout(f"timed out after {self.seconds:g} s")


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host in the system's order (RFC 6724), families interleaved.

    Raises OSError or UnicodeError.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return interleave([Address(family, tuple(sockaddr)) for family, _, _, _, sockaddr in found])


def interleave(addresses: Iterable[Address], first: Optional[int] = None) -> list[Address]:
    """Return the addresses with families in turn (RFC 8305, 4), beginning with the family `first`."""
    queues: dict[int, list[Address]] = {} if first is None else {first: []}
    for address in addresses:
        queues.setdefault(address.family, []).append(address)
    in_turn: list[Address] = []
    while any(queues.values()):
        in_turn += [queue.pop(0) for queue in queues.values() if queue]
    return in_turn


class Families:
    """The address family that the last connection to each host used.

    Any thread: single operations of a dict only.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[str, tuple[int, float]] = {}

    def last(self, host: str) -> Optional[int]:
        """Return the family to begin with, None if nothing recent is known."""
        family, until = self._known.get(host, (None, 0.0))
        return family if self._monotonic() < until else None

    def remember(self, host: str, family: int) -> None:
        """Begin with this family next time, for REMEMBERED_SEC."""
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[host] = (family, self._monotonic() + REMEMBERED_SEC)


class SocketCalls:
    """The system calls of a race; tests have others, and their own time."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self._selector = _Selector()

    def start(self, address: Address) -> tuple[socket.socket, bool]:
        """Begin to connect; return the socket, and whether it is connected already.  Raises OSError."""
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address.sockaddr)
            if code and code not in _IN_PROGRESS:
                raise OSError(code, os.strerror(code))
            if code:
                self._selector.register(sock, selectors.EVENT_WRITE)
        except BaseException:
            sock.close()
            raise
        return sock, not code

    def wait(self, timeout: float) -> list[tuple[socket.socket, int]]:
        """Return the sockets whose connect has ended within `timeout` seconds, with its error number or 0."""
        ended = [key.fileobj for key, _ in self._selector.select(timeout)]
        for sock in ended:
            self._selector.unregister(sock)
        return [(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) for sock in ended]

    def close(self) -> None:
        """Forget what is waited for."""
        self._selector.close()


def connect_first(
    addresses: Sequence[Address], deadline: Deadline, calls: Optional[SocketCalls] = None
) -> tuple[socket.socket, Address]:
    """Return the first connection that stands, non-blocking, and its address.

    Raises OSError: the last failure, or socket.timeout.
    """
    with contextlib.closing(calls or SocketCalls()) as calls:
        race = _Race(addresses, deadline, calls)
        try:
            winner = race.run()
        except BaseException:
            race.close_pending()
            raise
        race.close_pending()
        return winner


class _Race:
    """Rules: at least one attempt is under way until there are no more addresses; the first to stand wins."""

    def __init__(self, addresses: Sequence[Address], deadline: Deadline, calls: SocketCalls) -> None:
        self._left = list(addresses)
        self._deadline = deadline
        self._calls = calls
        self._pending: dict[socket.socket, Address] = {}
        self._failure: OSError = OSError(errno.EADDRNOTAVAIL, "it has no address")
        self._next_at = 0.0  # when the next attempt may begin while others are under way

    def run(self) -> tuple[socket.socket, Address]:
        while self._left or self._pending:
            now = self._calls.monotonic()
            if self._left and (not self._pending or now >= self._next_at):
                winner = self._start(self._left.pop(0), now)
            else:
                timeout = self._deadline.left()
                winner = self._wait(min(timeout, self._next_at - now) if self._left else timeout)
            if winner is not None:
                return winner
        raise self._failure

    def _start(self, address: Address, now: float) -> Optional[tuple[socket.socket, Address]]:
        self._deadline.left()
        try:
            sock, connected = self._calls.start(address)
        except OSError as error:
            self._failure = error
            return None
        if connected:
            return sock, address
        self._pending[sock] = address
        self._next_at = now + ATTEMPT_DELAY_SEC
        return None

    def _wait(self, timeout: float) -> Optional[tuple[socket.socket, Address]]:
        winner = None
        for sock, code in self._calls.wait(timeout):
            if code == 0 and winner is None:
                winner = sock, self._pending.pop(sock)
            elif code:
                del self._pending[sock]
                sock.close()
                self._failure = OSError(code, os.strerror(code))
                self._next_at = 0.0
        return winner

    def close_pending(self) -> None:
        for sock in self._pending:
            sock.close()
