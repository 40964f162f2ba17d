"""A client's connection aboard the ferry: its small requests, one after the other, while none needs a thread.

Rules that hold in this file:

1. A request is taken on when all of it has come.  Whatever else it needs but the upstream's answer is left,
   with its steps so far, to the thread that handed the connection over.
2. Readiness is told once (edge-triggered): who is told reads all there is, or remembers.
3. `ready` can be called for nothing: an old event of a descriptor that was another's.
4. The connection to the upstream that a request uses is known from its first write on (`Send`), not only once
   its answer is waited for: a request that lands in between takes it along, unregistered.
5. A client that sends its end while its request is under way may have left, or wait for its answer: its
   thread looks, which may take its time, and goes on.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any, Optional

from ...errors import UpstreamLostError
from .berths import LoopState
from .client import KEEP_ALIVE_SEC, ClientConnection
from .steps import Receive, Send, Soon, Step, Steps
from .upstream import Connection
from .watch import sends_no_more

__all__ = ["Ride"]

# Told once each time something comes.
WATCHED: int = (
    getattr(select, "EPOLLIN", 0) | getattr(select, "EPOLLRDHUP", 0x2000) | getattr(select, "EPOLLET", 0)
)
_LEFT: int = (
    getattr(select, "EPOLLRDHUP", 0x2000) | getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)
)

# The steps of the request in these bytes; None when it takes a thread, which finds them with the client.
# They return whether the connection can carry another.
Begin = Callable[[bytes], Optional[Steps[bool]]]


class Ride:
    """From one landing to the next; used by the ferry's thread, before and after by its owner's.

    `more` tells whether another request may be taken on, `answer_sec` how long one waits for its answer.
    """

    def __init__(self, client: ClientConnection, begin: Begin, more: Callable[[], bool], answer_sec: float) -> None:
        self.client_fd = client.sock.fileno()
        self.fds = (self.client_fd,)
        self.since = 0.0  # when something moved last; monotonic
        self.complete = False  # it lands
        self.error: Optional[BaseException] = None
        self.ended = threading.Lock()  # held while it is aboard
        self.ended.acquire()
        self.steps: Optional[Steps[bool]] = None  # of the request under way
        self.step: Optional[Step] = None  # the one to go on with
        self.over = False  # the connection can carry no other request
        self._client = client
        self._begin = begin
        self._more = more
        self._berths = LoopState(None)
        self._used: Optional[Connection] = None  # by the request under way
        self._awaited_fd = -1  # of its descriptor while an answer is waited for
        self._left = False  # the client has sent its end
        self._unread = False  # bytes came while a request was under way
        self.shortest_wait = min(KEEP_ALIVE_SEC, answer_sec)

    def board(self, berths: LoopState, now: float) -> None:
        """Wait for the next request; raises OSError."""
        self.since = now
        self.complete = self.over = self._left = self._unread = False
        self.error = self.steps = self.step = None
        self._berths = berths
        self._client.watch.epoll = berths.epoll
        berths.epoll.register(self.client_fd, WATCHED)

    def leave(self) -> None:
        """Wait for nothing any more."""
        self._client.watch.epoll = None
        connection = self._used
        self._stop_awaiting()
        if connection is not None:
            self._berths.unwatch(connection)
        self._berths.unregister(self.client_fd)

    @property
    def deadline(self) -> float:
        """When the side that is waited for has been silent for too long."""
        step = self.step
        return self.since + (step.timeout if isinstance(step, Receive) else KEEP_ALIVE_SEC)

    def late(self) -> None:
        """Nothing came in time."""
        step = self.step
        if self.steps is not None and isinstance(step, Receive):
            self._go(self.steps.throw, self.since, step.late())
        else:
            self.over = True

    def ready(self, fd: int, events: int, now: float) -> None:
        """This descriptor has something to tell."""
        if fd != self.client_fd:
            self._hear(now)
            return
        if events & _LEFT and sends_no_more(self._client.sock):
            self._left = True
        if self.steps is None:
            self._listen(now)
        elif self._left:
            self._depart(now)
        else:
            self._unread = True

    def _listen(self, now: float) -> None:
        data = self._client.receive_nowait()
        if data is None:
            return
        self.since = now
        self._unread = False
        self.over = not data
        self.steps = self._begin(data) if data else None
        if self.steps is None:
            self.complete = True
        else:
            self._go(self.steps.send, now, None)

    def _hear(self, now: float) -> None:
        """The upstream has something to tell."""
        steps, step = self.steps, self.step
        if steps is None or type(step) is not Receive:
            return
        try:
            data = step.connection.receive_now()
        except UpstreamLostError as error:
            self._go(steps.throw, now, error)
            return
        if data is not None:
            self._go(steps.send, now, data)

    def _depart(self, now: float) -> None:
        """The client has sent its end; bytes that have arrived are taken before that is looked at."""
        self._hear(now)
        if self.steps is not None and type(self.step) is Receive:
            self.complete = True

    def act(self, now: float) -> None:
        """Do now what was put off to the end of the turn."""
        steps, step = self.steps, self.step
        if steps is None or not isinstance(step, Soon):
            return
        try:
            came = step()
        except BaseException as error:
            self._go(steps.throw, now, error)
        else:
            self._go(steps.send, now, came)

    def _go(self, advance: Callable[[Any], Step], now: float, came: Any) -> None:
        """Take one step of the request under way, and see what it waits for next."""
        self.since = now
        try:
            step = self.step = advance(came)
        except StopIteration as end:
            self._finish(end.value, now)
            return
        if type(step) is Send:
            self._used = step.connection
        if type(step) is Soon or type(step) is Send:
            if self._berths.batching:  # 6 % less processor time at 16 connections
                self._berths.deferred.append(self)
            else:
                self.act(now)
            return
        if type(step) is not Receive:
            self.complete = True
            return
        self._await(step.connection)
        if self._left:
            self._depart(now)

    def _await(self, connection: Connection) -> None:
        berths, self._used = self._berths, connection
        berths.watch(connection, WATCHED)
        self._awaited_fd = connection.sock.fileno()
        berths.tasks[self._awaited_fd] = self

    def _stop_awaiting(self) -> None:
        self._berths.tasks.pop(self._awaited_fd, None)
        self._used, self._awaited_fd = None, -1

    def _finish(self, keep: bool, now: float) -> None:
        client = self._client
        self._stop_awaiting()
        self.steps = self.step = None
        client.idle = keep and not client.has_buffered  # before `more` is asked: a drain closes who is idle
        if not keep or client.has_buffered or not self._more():
            self.over = not keep
            self.complete = True
        elif self._unread or self._left:
            self._listen(now)
