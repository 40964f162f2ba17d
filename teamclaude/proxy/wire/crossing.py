"""One event stream aboard the ferry: from what its upstream sends to what its client takes.

A piece is read only when the one before has left: a client that does not read stops its upstream.

Both descriptors are registered from the beginning to the end, and only what is waited for changes: a
registration may fail for want of memory or watches, which must not cut a stream that flows.

A client that sends its end while the upstream is silent may have left, or wait for the rest of its answer.
A look at its socket tells, and may take its time: the stream is left to the thread that handed it over.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Optional

from ...errors import ClientGoneError, UpstreamLostError
from .berths import LoopState
from .client import ClientConnection
from .upstream import Answer, Buffer

__all__ = ["Crossing", "Framed"]

READ: int = getattr(select, "EPOLLIN", 0)
WRITE: int = getattr(select, "EPOLLOUT", 0)
DEPARTURE: int = getattr(select, "EPOLLRDHUP", 0x2000)  # PyPy has no name for it
# Waited for nothing: a hang-up or an error is told all the same, but once and not again and again.
NOTHING: int = getattr(select, "EPOLLET", 0)

_GONE: int = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)  # told without being asked for

# Makes of a payload what the client gets.
Framed = Callable[[list[Buffer]], Buffer]


class Crossing:
    """Moves when one of its two descriptors is ready; raises UpstreamLost or ClientGone."""

    def __init__(self, answer: Answer, client: ClientConnection, framed: Framed, idle: float, now: float) -> None:
        self.upstream_fd = answer.connection.sock.fileno()
        self.client_fd = client.sock.fileno()
        self.fds = (self.upstream_fd, self.client_fd)
        self.since = now  # when something moved last; monotonic
        self.error: Optional[BaseException] = None
        self.ended = threading.Lock()  # held until then
        self.ended.acquire()
        self._answer = answer
        self._connection = answer.connection
        self._client = client
        self._framed = framed
        self._idle = idle
        self._berths = LoopState(None)
        self._reading = False  # the upstream is waited for, else the client's room for what is unsent
        self._unsent: Buffer = b""
        self._ashore = False  # the rest of it is for the thread that handed it over

    def board(self, berths: LoopState, now: float) -> None:
        """Wait for the client's room: there is some, which wakes the ferry; raises OSError."""
        self._berths = berths
        berths.epoll.register(self.upstream_fd, NOTHING)
        try:
            berths.epoll.register(self.client_fd, WRITE)
        except OSError:
            berths.unregister(self.upstream_fd)
            raise

    def leave(self) -> None:
        """Wait for nothing any more."""
        for fd in self.fds:
            self._berths.unregister(fd)

    @property
    def complete(self) -> bool:
        return self._ashore or self.whole

    @property
    def whole(self) -> bool:
        """All of the answer was sent."""
        return self._answer.complete and not self._unsent

    @property
    def shortest_wait(self) -> float:
        return min(self._idle, self._client.write_idle_sec)

    @property
    def deadline(self) -> float:
        """When the side that is waited for has been silent for too long."""
        return self.since + (self._idle if self._reading else self._client.write_idle_sec)

    def late(self) -> BaseException:
        """Why it ends at its deadline."""
        if self._reading:
            return UpstreamLostError(f"the upstream sent no data for {self._idle:g} s")
        return ClientGoneError(f"the client read nothing for {self._client.write_idle_sec:g} s")

    def ready(self, fd: int, events: int, now: float) -> None:
        """This descriptor has something to tell."""
        if fd == self.upstream_fd:
            self._forward(now)
        elif not self._reading:
            self._send(self._unsent, now)
        elif not self._forward(now):
            # Bytes that have arrived are taken before a departure is looked at: the next write tells.
            if events & _GONE:
                raise ClientGoneError("the client closed its connection")
            self._ashore = True

    def _forward(self, now: float) -> bool:
        """Pass on what has come; False when nothing has."""
        moved = False
        while self._reading and not self._answer.complete:
            data = self._connection.receive_now()
            if data is None:
                break
            moved = True
            self._send(self._framed(self._answer.take(data)), now)
            if not self._connection.has_more:
                break
        return moved

    def _send(self, data: Buffer, now: float) -> None:
        self.since = now
        sent = self._client.send_nowait(data) if data else 0
        self._unsent = b"" if sent == len(data) else memoryview(data)[sent:]
        if self._reading != (not self._unsent):
            self._turn_round()

    def _turn_round(self) -> None:
        self._reading = not self._reading
        if self._reading:
            self._berths.epoll.modify(self.client_fd, DEPARTURE)
            self._berths.epoll.modify(self.upstream_fd, READ)
        else:
            # Not told of its departure: that would come again and again. The next write tells.
            self._berths.epoll.modify(self.client_fd, WRITE)
            self._berths.epoll.modify(self.upstream_fd, NOTHING)
