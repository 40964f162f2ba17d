"""Waiting on a socket without losing sight of the client behind the request.

A silent upstream must not hide a departed client: every wait on the upstream also watches the
client's socket for its closing.  The client may send its next request early (pipelining), so
"readable" is not "gone": on Linux `POLLRDHUP` tells them apart, elsewhere a peek does.

Rules that hold in this file:

1. A reset, or an end in both directions, is a departure.
2. The end of the client's sending (FIN) is what a close looks like, and a client that only says that it will
   ask no more and waits for its answer (`shutdown(SHUT_WR)`: nc, some Java and Erlang clients).  Where the
   peer's socket can be looked up (Linux, same host) it tells: one that a process still holds is half-closed,
   one that nobody holds is a departure.  The look is repeated as long as something is waited for: nothing
   else tells when a half-closed socket is closed.
3. Where it can't be looked up, the end of sending is a departure.  Node, Bun, curl and Python close when they
   give up; to go on for a client that is gone costs the user's quota.  nginx does the same.
4. A half-closed connection carries no other request: its reader finds the end.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
import time
from typing import Any, Callable, Optional

from ...errors import ClientGoneError
from .peer_user import Address, peer_uid

__all__ = [
    "POLL_SEC",
    "READABLE",
    "WRITABLE",
    "ClientWatch",
    "has_disconnected",
    "is_peer_socket_open",
    "readable_probe",
    "has_stopped_sending",
]

# Not exported by every build of `select`; the value is Linux's ABI.
_RDHUP: int = getattr(select, "POLLRDHUP", 0x2000 if sys.platform.startswith("linux") else 0)
READABLE: int = getattr(select, "POLLIN", 1)
WRITABLE: int = getattr(select, "POLLOUT", 4)
_CLOSED: int = getattr(select, "POLLHUP", 16) | getattr(select, "POLLERR", 8)  # told without being asked for
POLL_SEC = 0.4  # where a departure is no event: how often to look
# As soon after an end of sending: the kernel sends it just before it takes a closed socket from its process.
FIRST_CHECK_SEC = 0.02


def readable_probe(sock: socket.socket) -> Callable[[], bool]:
    """Asks whether bytes, an end or an error are waiting: an idle pooled connection that has is dead.

    To be asked by one thread at a time.  Prepared once: 1.5 us less each time.
    """
    if not hasattr(select, "poll"):
        return lambda: bool(_poll_once(sock, READABLE, 0.0))
    poll = select.poll()
    poll.register(sock, READABLE)
    return lambda: bool(poll.poll(0))


def has_disconnected(sock: socket.socket) -> bool:
    """The peer has left; one that has closed its sending side alone has not (rules 1 to 3)."""
    if _RDHUP:
        poll = select.poll()
        poll.register(sock, _RDHUP)
        events = poll.poll(0)
        return bool(events) and (bool(events[0][1] & _CLOSED) or not is_peer_socket_open(sock))
    if isinstance(sock, ssl.SSLSocket) or not _poll_once(sock, READABLE, 0.0):
        return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b"" and not is_peer_socket_open(sock)
    except BlockingIOError:
        return False
    except OSError:
        return True


def has_stopped_sending(sock: socket.socket) -> bool:
    """The peer has closed its sending side, or all of its connection."""
    poll = select.poll()
    poll.register(sock, _RDHUP)
    return bool(poll.poll(0))


def is_peer_socket_open(sock: socket.socket) -> bool:
    """Whether a process of this host holds the peer's socket; False where that can't be known."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        local, peer = sock.getsockname(), sock.getpeername()
    except OSError:
        return False
    return peer_uid(Address(*local[:2]), Address(*peer[:2])) is not None


def _poll_once(sock: socket.socket, wanted: int, timeout: float) -> int:
    """Which of the `wanted` poll events `sock` has within `timeout` seconds; errors count as any."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, wanted)
        events = poll.poll(timeout * 1000.0)
        return events[0][1] if events else 0
    # Windows has no poll.
    readers, writers = [sock] if wanted & READABLE else [], [sock] if wanted & WRITABLE else []
    can_read, can_write, broken = select.select(readers, writers, [sock], timeout)
    return (READABLE if can_read or broken else 0) | (WRITABLE if can_write else 0)


class ClientWatch:
    """One request's two sockets: waits for the upstream, notices the client's departure.

    Without a client it only waits.
    """

    def __init__(self, client: Optional[socket.socket]) -> None:
        self._client = client
        self._client_fd = -1 if client is None else client.fileno()
        self._poll = select.poll() if _RDHUP else None
        if self._poll is not None and client is not None:
            self._poll.register(self._client_fd, _RDHUP)
        self.epoll: Any = None  # the ferry's, while that waits in its place
        self._upstream_fd = -1  # registered beside it: for as long as one answer is read, 1 us per event
        self.half_closed = False  # the client sends no more, but waits for its answer
        self._check_interval = FIRST_CHECK_SEC  # how long until it is looked at again

    def check(self) -> None:
        """Raise ClientGone if the client has left."""
        if self._client is not None and has_disconnected(self._client):
            raise ClientGoneError("the client closed its connection")

    def sleep(self, seconds: float) -> None:
        """A pause that ends with ClientGone when the client leaves."""
        if self._poll is not None:
            self._register_upstream(self._poll, -1)
            self._wait_registered(self._poll, seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SEC))
            self.check()

    def wait(self, upstream: socket.socket, timeout: float) -> bool:
        """True when `upstream` is readable, False after `timeout` seconds; raises ClientGone."""
        if self._poll is None:
            return self._wait_by_polling(upstream, timeout)
        fd = upstream.fileno()
        if fd != self._upstream_fd:
            self._register_upstream(self._poll, fd)
        return self._wait_registered(self._poll, timeout)

    def _wait_registered(self, poll: Any, timeout: float) -> bool:
        """Wait for what is registered; True when that is the upstream."""
        end = time.monotonic() + timeout
        while True:
            events = poll.poll((min(timeout, self._check_interval) if self.half_closed else timeout) * 1000.0)
            # Bytes that have arrived are taken before a departure is looked at: the next write tells.
            if len(events) > 1 or (events and events[0][0] != self._client_fd):
                return True
            if events or self.half_closed:
                self._check_half_closed(poll)
            timeout = end - time.monotonic()
            if timeout <= 0:
                return False

    def _check_half_closed(self, poll: Any) -> None:
        """The client has sent its end: see whether it has left; raises ClientGone."""
        self.check()
        if self.half_closed:
            self._check_interval = min(2 * self._check_interval, POLL_SEC)
            return
        self.half_closed = True
        poll.modify(self._client_fd, 0)  # its end would be told again and again

    def _register_upstream(self, poll: Any, fd: int) -> None:
        if self._upstream_fd >= 0:
            poll.unregister(self._upstream_fd)
        if fd >= 0:
            poll.register(fd, READABLE)
        self._upstream_fd = fd

    def wait_to_write(self, upstream: socket.socket, timeout: float, or_read: bool) -> int:
        """Poll events once `upstream` takes data (with `or_read`: or has some), 0 after `timeout`.

        Raises ClientGone.
        """
        wanted = WRITABLE | READABLE if or_read else WRITABLE
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            ready = _poll_once(upstream, wanted, min(left, POLL_SEC))
            if ready:
                return ready
            self.check()
        return 0

    def _wait_by_polling(self, upstream: socket.socket, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            if _poll_once(upstream, READABLE, min(left, POLL_SEC)):
                return True
            self.check()
        return False
