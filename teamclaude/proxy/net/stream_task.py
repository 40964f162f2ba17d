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
from .client_connection import ClientConnection
from .loop_state import LoopState
from .upstream_connection import Buffer, UpstreamResponse

__all__ = ["StreamTask", "FrameBody"]

EPOLL_READ: int = getattr(select, "EPOLLIN", 0)
EPOLL_WRITE: int = getattr(select, "EPOLLOUT", 0)
CLIENT_END: int = getattr(select, "EPOLLRDHUP", 0x2000)  # PyPy has no name for it
# Waited for nothing: a hang-up or an error is told all the same, but once and not again and again.
NO_EVENTS: int = getattr(select, "EPOLLET", 0)

_CLOSED: int = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)  # told without being asked for

# Makes of a payload what the client gets.
FrameBody = Callable[[list[Buffer]], Buffer]


class StreamTask:
    """Moves when one of its two descriptors is ready; raises UpstreamLost or ClientGone."""

    def __init__(
        self,
        response: UpstreamResponse,
        client: ClientConnection,
        frame_body: FrameBody,
        idle: float,
        now: float,
    ) -> None:
        self.upstream_fd = response.connection.sock.fileno()
        self.client_fd = client.sock.fileno()
        self.fds = (self.upstream_fd, self.client_fd)
        self.last_progress = now  # when something moved last; monotonic
        self.error: Optional[BaseException] = None
        self.finished = threading.Lock()  # held until then
        self.finished.acquire()
        self._response = response
        self._connection = response.connection
        self._client = client
        self._frame_body = frame_body
        self._idle = idle
        self._loop_state = LoopState(None)
        self._reading = False  # the upstream is waited for, else the client's room for what is unsent
        self._unsent: Buffer = b""
        self._handed_back = False  # the rest of it is for the thread that handed it over

    def register(self, loop_state: LoopState, now: float) -> None:
        """Wait for the client's room: there is some, which wakes the ferry; raises OSError."""
        self._loop_state = loop_state
        loop_state.epoll.register(self.upstream_fd, NO_EVENTS)
        try:
            loop_state.epoll.register(self.client_fd, EPOLL_WRITE)
        except OSError:
            loop_state.unregister(self.upstream_fd)
            raise

    def unregister(self) -> None:
        """Wait for nothing any more."""
        for fd in self.fds:
            self._loop_state.unregister(fd)

    @property
    def done(self) -> bool:
        return self._handed_back or self.fully_sent

    @property
    def fully_sent(self) -> bool:
        """All of the answer was sent."""
        return self._response.complete and not self._unsent

    @property
    def min_timeout(self) -> float:
        return min(self._idle, self._client.write_idle_sec)

    @property
    def deadline(self) -> float:
        """When the side that is waited for has been silent for too long."""
        return self.last_progress + (self._idle if self._reading else self._client.write_idle_sec)

    def on_timeout(self) -> BaseException:
        """Why it ends at its deadline."""
        if self._reading:
            return UpstreamLostError(f"the upstream sent no data for {self._idle:g} s")
        return ClientGoneError(f"the client read nothing for {self._client.write_idle_sec:g} s")

    def on_ready(self, fd: int, events: int, now: float) -> None:
        """This descriptor has something to tell."""
        if fd == self.upstream_fd:
            self._forward(now)
        elif not self._reading:
            self._send(self._unsent, now)
        elif not self._forward(now):
            # Bytes that have arrived are taken before a departure is looked at: the next write tells.
            if events & _CLOSED:
                raise ClientGoneError("the client closed its connection")
            self._handed_back = True

    def _forward(self, now: float) -> bool:
        """Pass on what has come; False when nothing has."""
        moved = False
        while self._reading and not self._response.complete:
            data = self._connection.receive_nowait()
            if data is None:
                break
            moved = True
            self._send(self._frame_body(self._response.feed(data)), now)
            if not self._connection.has_decrypted:
                break
        return moved

    def _send(self, data: Buffer, now: float) -> None:
        self.last_progress = now
        sent = self._client.send_nowait(data) if data else 0
        self._unsent = b"" if sent == len(data) else memoryview(data)[sent:]
        if self._reading != (not self._unsent):
            self._switch_direction()

    def _switch_direction(self) -> None:
        self._reading = not self._reading
        if self._reading:
            self._loop_state.epoll.modify(self.client_fd, CLIENT_END)
            self._loop_state.epoll.modify(self.upstream_fd, EPOLL_READ)
        else:
            # Not told of its departure: that would come again and again. The next write tells.
            self._loop_state.epoll.modify(self.client_fd, EPOLL_WRITE)
            self._loop_state.epoll.modify(self.upstream_fd, NO_EVENTS)
