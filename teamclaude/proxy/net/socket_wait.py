"""Waiting while the client behind the request is watched: on a socket, for a time, or for a function.

A silent upstream must not hide a client that has disconnected, so every wait also watches the client's socket
for its closing.  A client may send its next request early (pipelining), so "readable" is not "gone": on Linux
`POLLRDHUP` tells them apart, elsewhere a peek does.

Rules that hold in this file:

1. A reset, or an end in both directions, is a disconnect.
2. The end of the client's sending (FIN) is what a close looks like, and also a client that only says that it
   sends no more and waits for its response (`shutdown(SHUT_WR)`: nc, some Java and Erlang clients).  Where
   the peer's socket can be looked up (Linux, same host) that decides: a socket that a process still has open
   is half-closed, one that no process has is a disconnect.  The look-up is repeated for as long as something
   is waited for: nothing else reports that a half-closed socket was closed.
3. Where it can't be looked up, the end of sending is a disconnect.  Node, Bun, curl and Python close when
   they give up, and going on for a client that is gone costs the user's quota.  nginx does the same.
4. A half-closed connection carries no other request: its reader finds the end.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
import time
from typing import Any, Callable, Generic, Optional, TypeVar

from ...dial.tls_sockets import is_tls
from ...errors import ClientGoneError
from .peer_user import Address, peer_uid

__all__ = [
    "READABLE",
    "WRITABLE",
    "ClientWatch",
    "ThreadJob",
    "has_disconnected",
    "has_stopped_sending",
    "is_peer_socket_open",
    "is_readable",
    "run_in_thread",
]

T = TypeVar("T")

# Not exported by every build of `select`; the value is Linux's ABI.
_RDHUP: int = getattr(select, "POLLRDHUP", 0x2000 if sys.platform.startswith("linux") else 0)
READABLE: int = getattr(select, "POLLIN", 1)
WRITABLE: int = getattr(select, "POLLOUT", 4)
_CLOSED: int = getattr(select, "POLLHUP", 16) | getattr(select, "POLLERR", 8)  # reported in any case
POLL_SEC = 0.4  # how often to look where a disconnect is no event
# The first look comes soon after the end of sending: on a close the kernel sends its FIN just before it takes
# the socket from its process.
FIRST_CHECK_SEC = 0.02
# Threads whose client has left.  Clients that leave could otherwise make any number of them: a look-up of a
# name takes many seconds, a connection attempt up to its own limit.
MAX_ABANDONED = 64
_abandoned = threading.BoundedSemaphore(MAX_ABANDONED)


def is_readable(sock: socket.socket) -> bool:
    """Return whether bytes, an end or an error wait to be read: an idle pooled connection is dead then."""
    return bool(_poll_once(sock, READABLE, 0.0))


def has_disconnected(sock: socket.socket) -> bool:
    """Return whether the peer has left; closing its sending side alone does not count (rules 1 to 3)."""
    if _RDHUP:
        poll = select.poll()
        poll.register(sock, _RDHUP)
        events = poll.poll(0)
        return bool(events) and (bool(events[0][1] & _CLOSED) or not is_peer_socket_open(sock))
    if is_tls(sock) or not _poll_once(sock, READABLE, 0.0):
        return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b"" and not is_peer_socket_open(sock)
    except BlockingIOError:
        return False
    except OSError:
        return True


def has_stopped_sending(sock: socket.socket) -> bool:
    """Return whether the peer has closed its sending side, or the whole connection."""
    poll = select.poll()
    poll.register(sock, _RDHUP)
    return bool(poll.poll(0))


def is_peer_socket_open(sock: socket.socket) -> bool:
    """Return whether a process of this host has the peer's socket open; False where that can't be known."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        local, peer = sock.getsockname(), sock.getpeername()
    except OSError:
        return False
    return peer_uid(Address(*local[:2]), Address(*peer[:2])) is not None


def _poll_once(sock: socket.socket, wanted: int, timeout: float) -> int:
    """Return the `wanted` poll events of `sock` within `timeout` seconds; an error counts as any of them."""
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
    """Wait for the upstream and notice that the client disconnects; without a client it only waits."""

    def __init__(self, client: Optional[socket.socket]) -> None:
        self._client = client
        self._client_fd = -1 if client is None else client.fileno()
        self._poll = select.poll() if _RDHUP else None
        if self._poll is not None and client is not None:
            self._poll.register(self._client_fd, _RDHUP)
        self.epoll: Any = None  # the event loop's, while that waits instead of this object
        self._upstream_fd = -1  # stays registered while one response is read: saves 1 us per event
        self.half_closed = False  # the client sends no more, but waits for its response
        self._check_interval = FIRST_CHECK_SEC  # seconds until a half-closed client is checked again

    def check(self) -> None:
        """Raise ClientGoneError if the client has left."""
        if self._client is not None and has_disconnected(self._client):
            raise ClientGoneError("the client closed its connection")

    def sleep(self, seconds: float) -> None:
        """Sleep; raises ClientGoneError as soon as the client leaves."""
        if self._poll is not None:
            self._register_upstream(self._poll, -1)
            self._wait_registered(self._poll, seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SEC))
            self.check()

    def wait(self, upstream: socket.socket, timeout: float) -> bool:
        """Return True once `upstream` is readable, False after `timeout` seconds; raises ClientGoneError."""
        if self._poll is None:
            return self._wait_by_polling(upstream, timeout)
        fd = upstream.fileno()
        if fd != self._upstream_fd:
            self._register_upstream(self._poll, fd)
        return self._wait_registered(self._poll, timeout)

    def _wait_registered(self, poll: Any, timeout: float) -> bool:
        """Wait for the registered sockets; True when the upstream is ready, False after `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            events = poll.poll((min(timeout, self._check_interval) if self.half_closed else timeout) * 1000.0)
            # Bytes that have arrived go first; if the client has left, the next write says so.
            if len(events) > 1 or (events and events[0][0] != self._client_fd):
                return True
            if events or self.half_closed:
                self._check_half_closed(poll)
            timeout = end - time.monotonic()
            if timeout <= 0:
                return False

    def _check_half_closed(self, poll: Any) -> None:
        """Check whether a client that has sent its end has left; raises ClientGoneError."""
        self.check()
        if self.half_closed:
            self._check_interval = min(2 * self._check_interval, POLL_SEC)
            return
        self.half_closed = True
        poll.modify(self._client_fd, 0)  # otherwise every poll would report its end

    def _register_upstream(self, poll: Any, fd: int) -> None:
        if self._upstream_fd >= 0:
            poll.unregister(self._upstream_fd)
        if fd >= 0:
            poll.register(fd, READABLE)
        self._upstream_fd = fd

    def wait_to_write(self, upstream: socket.socket, timeout: float, or_read: bool) -> int:
        """Return the poll events once `upstream` takes data (with `or_read`: or has some), 0 after `timeout`.

        Raises ClientGoneError.
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


def run_in_thread(
    work: Callable[[], T],
    on_tick: Callable[[], None],
    discard: Optional[Callable[[T], None]] = None,
    name: str = "blocking-work",
) -> T:
    """Return or raise what `work` does in a thread of its own; call `on_tick` every POLL_SEC meanwhile.

    If `on_tick` raises (the client has left) the work goes on alone, so it must be worth finishing; `discard`
    gets its result.  With MAX_ABANDONED of such threads it is waited for, and the connection keeps its place.
    Where no thread can be started the work is done in this one, without ticks.
    """
    try:
        job = ThreadJob(work, name)
    except RuntimeError:  # "can't start new thread"
        return work()
    try:
        while not job.done.wait(POLL_SEC):
            on_tick()
    except BaseException:
        if discard is not None:
            job.abandon(discard)
        if not job.leave():
            job.done.wait()
        raise
    return job.result()


class ThreadJob(threading.Thread, Generic[T]):
    """Work in a thread of its own; raises RuntimeError where none can be started.

    `on_done` is called at its end.
    """

    def __init__(self, work: Callable[[], T], name: str, on_done: Callable[[], None] = lambda: None) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._on_done = on_done
        self._lock = threading.Lock()  # guards _results, _discard, _is_alone and the change of `done`
        self._results: list[T] = []
        self._discard: Optional[Callable[[T], None]] = None
        self._error: Optional[BaseException] = None
        self._is_alone = False  # nothing waits for it
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        """Do the work; its result or error is kept."""
        try:
            result = self._work()
        except BaseException as error:  # raised again in the waiting thread
            self._error = error
        else:
            self._keep(result)
        with self._lock:
            self.done.set()
            if self._is_alone:
                _abandoned.release()
        self._on_done()

    def _keep(self, result: T) -> None:
        with self._lock:
            self._results.append(result)
            if self._discard is not None:
                self._discard(result)

    def leave(self) -> bool:
        """Let it go on alone; False when there are too many already."""
        with self._lock:
            if not self.done.is_set():
                self._is_alone = _abandoned.acquire(blocking=False)
                return self._is_alone
        return True

    def abandon(self, discard: Callable[[T], None]) -> None:
        """Hand the result to `discard`, now or when it comes: no thread waits for it any more."""
        with self._lock:
            self._discard = discard
            for result in self._results:
                discard(result)

    def result(self) -> T:
        """Return or raise what the work did."""
        if self._error is not None:
            raise self._error
        return self._results[0]
