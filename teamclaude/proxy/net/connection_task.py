"""A client's connection in the event loop: its small requests one after another, until one needs a thread.

Rules that hold in this file:

1. A request is started once all of it has arrived, or taken over from a thread once it only waits.  If it
   needs anything but the upstream's response and to sleep, the task ends, with its coroutine as far as it has
   come: a thread goes on with it.
2. Readiness is reported once (edge-triggered): on an event read everything there is, or remember it.  What
   a request reads after its first read may have arrived before it asks: that is tried first.
3. `on_ready` may be called for nothing: a stale event of a descriptor that was another's.
4. The connection to the upstream is known from when a request is to be sent on it, not only once its
   response is awaited: a task that ends in between unregisters that connection too.  A request that sleeps
   has given it back: it may be another's by then.
5. A client that shuts down its sending side during a request has left or waits for the response: a thread
   finds out, which may block, and goes on.  A sleeping request is resumed there at once.
6. Whoever ends a sleep may do so after the request has left the loop: `unregister` takes the task's name off
   the `WakeUp`, and `on_woken` looks again whether it is awaited.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import partial
from typing import Any, Optional

from ...errors import UpstreamLostError
from .client_connection import KEEP_ALIVE_SEC, ClientConnection
from .coroutine import Deferred, Effect, ReadUpstream, RequestCoroutine, Sleep
from .event_loop import NEVER, LoopState, Task
from .socket_wait import has_stopped_sending
from .upstream_connection import UpstreamConnection

__all__ = ["ConnectionTask"]

# Reported once each time something arrives.
_WRITABLE: int = getattr(select, "EPOLLOUT", 0)
EDGE_TRIGGERED: int = (
    getattr(select, "EPOLLIN", 0) | getattr(select, "EPOLLRDHUP", 0x2000) | getattr(select, "EPOLLET", 0)
)
_CLIENT_ENDED: int = (
    getattr(select, "EPOLLRDHUP", 0x2000) | getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)
)

# Makes the coroutine of the request in these bytes, or None if it needs a thread, which then finds the bytes
# with the client.  The coroutine returns whether the connection can carry another request.
StartRequest = Callable[[bytes], Optional[RequestCoroutine[bool]]]


class ConnectionTask(Task):
    """Serve requests from one `register` to the next; used by the loop's thread, otherwise by its owner's.

    `may_continue` tells whether another request may be started; `response_sec` is the time for a response.
    """

    done = False

    def __init__(
        self,
        client: ClientConnection,
        start_request: StartRequest,
        may_continue: Callable[[], bool],
        response_sec: float,
    ) -> None:
        self.client_fd = client.sock.fileno()
        super().__init__(self.client_fd)
        self.reads_tls = client.speaks_tls
        self.coroutine: Optional[RequestCoroutine[bool]] = None  # of the current request
        self.effect: Optional[Effect] = None  # what the coroutine waits for
        self.closing = False  # the connection can carry no other request
        self.client_ended = False  # the client has shut down its sending side
        self.has_unserved = False  # it ended with bytes of a request that needs a thread
        self.min_timeout = min(KEEP_ALIVE_SEC, response_sec)
        self._client = client
        self._start_request = start_request
        self._may_continue = may_continue
        self._upstream: Optional[UpstreamConnection] = None  # in use by the current request
        self._upstream_fd = -1  # while its response is awaited
        self._is_adopted = False  # a thread has brought the request as far as `effect`
        self._has_unread = False  # bytes arrived during a request
        self._sleeps_until = 0.0  # monotonic

    def register(self, loop_state: LoopState, now: float) -> None:
        """Wait for the next request; raises OSError."""
        self.last_progress = now
        self.done = self.closing = self.client_ended = self.has_unserved = self._has_unread = False
        self.error = None
        self.loop_state = loop_state
        self.alarm_at = NEVER  # of another loop
        # The client is writable: that wakes the loop, which begins to wait for what the request needs.
        events = EDGE_TRIGGERED | _WRITABLE if self._is_adopted else EDGE_TRIGGERED
        loop_state.epoll.register(self.client_fd, events)
        self._client.watch.epoll = loop_state.epoll

    def adopt(self, coroutine: RequestCoroutine[bool], effect: Effect) -> None:
        """Begin, when it is started, with a request that has come to this `ReadUpstream` or `Sleep`."""
        self.coroutine, self.effect, self._is_adopted = coroutine, effect, True

    def forget_request(self) -> None:
        """Forget the request that a thread goes on with."""
        self.coroutine = self.effect = None
        self._is_adopted = False

    def unregister(self) -> None:
        """Unregister the client, and the connection to the upstream if a request uses one."""
        self._client.watch.epoll = None
        self._forget_wake_up()
        self._stop_waiting()
        if self._upstream is not None:
            self.loop_state.unwatch(self._upstream)
            self._upstream = None
        self.loop_state.unregister(self.client_fd)

    @property
    def deadline(self) -> float:
        """When the response is late, or the idle connection is to be closed; monotonic."""
        effect = self.effect
        if type(effect) is Sleep:
            return NEVER  # `on_alarm` ends it
        return self.last_progress + (effect.timeout if isinstance(effect, ReadUpstream) else KEEP_ALIVE_SEC)

    def on_timeout(self) -> None:
        """Tell the request that its response is late; between requests, close."""
        effect = self.effect
        if self.coroutine is not None and isinstance(effect, ReadUpstream):
            self._stop_waiting()
            self._advance(self.coroutine.throw, self.last_progress, effect.timeout_error())
        else:
            self.closing = True

    def on_ready(self, fd: int, events: int, now: float) -> None:
        """Read from the side that has something; note bytes and an end that come during a request."""
        if fd != self.client_fd:
            self._read_upstream(now)
            return
        if events & _CLIENT_ENDED and has_stopped_sending(self._client.sock):
            self.client_ended = True
        if self._is_adopted:
            self._begin_adopted(now)
        elif self.coroutine is None:
            self._read_client(now)
        elif self.client_ended:
            self._on_client_end(now)
        else:
            self._has_unread = True

    def _read_client(self, now: float) -> None:
        data = self._client.receive_nowait()
        if data is None:
            return
        self._has_unread = self._client.has_more
        self.closing = not data
        self.coroutine = self._start_request(data) if data else None
        if self.coroutine is None:
            self.done, self.has_unserved = True, not self.closing
        else:
            self._advance(self.coroutine.send, now, None)

    def _read_upstream(self, now: float) -> None:
        coroutine, connection = self.coroutine, self._upstream
        if self._upstream_fd < 0 or coroutine is None or connection is None:
            return
        try:
            data = connection.receive_nowait()
        except UpstreamLostError as error:
            self._stop_waiting()
            self._advance(coroutine.throw, now, error)
            return
        if data is not None:
            self._stop_waiting()
            self._client.in_batch = self.loop_state.batching
            self._advance(coroutine.send, now, data)

    def _on_client_end(self, now: float) -> None:
        """Take the bytes that have arrived; hand over a response that is still awaited (rule 5)."""
        self._read_upstream(now)
        effect = self.effect
        if self.coroutine is None:
            return
        if type(effect) is Sleep:
            self._forget_wake_up()
            self.effect = _go_on
            self.done = True
        elif self._upstream_fd >= 0:
            self.done = True

    def _begin_adopted(self, now: float) -> None:
        self._is_adopted, self._has_unread = False, True
        effect = self.effect
        if type(effect) is Sleep:
            self._sleep(effect, now)
        elif type(effect) is ReadUpstream:
            self._upstream = effect.connection
            resume, result = self._read_at_once(effect)
            if resume is None:
                self._ask(effect, now)
            else:
                self._advance(resume, now, result)

    def _read_at_once(self, effect: ReadUpstream) -> tuple[Optional[Callable[[Any], Effect]], Any]:
        """Return how to resume the request with what has arrived, of which no event tells any more."""
        assert self.coroutine is not None
        try:
            data = effect.connection.receive_nowait()
        except UpstreamLostError as error:
            return self.coroutine.throw, error
        return (None if data is None else self.coroutine.send), data

    def on_woken(self, now: float) -> None:
        """Resume the request if what it waits for has come."""
        coroutine, effect = self.coroutine, self.effect
        if coroutine is not None and type(effect) is Sleep and effect.wake_up and effect.wake_up.is_called:
            self._advance(coroutine.send, now, None)

    def on_alarm(self, now: float) -> None:
        """Resume the request once it has slept, or waited for the upstream, for its time."""
        coroutine, effect = self.coroutine, self.effect
        if coroutine is None or self._is_adopted:
            return
        if type(effect) is ReadUpstream:
            if now >= self.deadline:
                self._stop_waiting()
                self._advance(coroutine.throw, now, effect.timeout_error())
            elif effect.timeout < self.min_timeout:
                self.loop_state.set_alarm(self, self.deadline)
        elif type(effect) is not Sleep:
            return
        elif now >= self._sleeps_until:
            self._forget_wake_up()
            self._advance(coroutine.send, now, None)
        else:
            self.loop_state.set_alarm(self, self._sleeps_until)

    def _sleep(self, effect: Sleep, now: float) -> None:
        self._upstream = None  # it was given back: another request may use it by now
        self._sleeps_until = now + effect.seconds
        try:
            self.loop_state.set_alarm(self, self._sleeps_until)
        except OSError:  # no free descriptor or watch: a thread sleeps
            self.done = True
            return
        wake_up = effect.wake_up
        if wake_up is not None:
            wake_up.on_call = partial(self.loop_state.wake, self)
            if wake_up.is_called:
                self.loop_state.wake(self)
        if self.client_ended:
            self._on_client_end(now)

    def _forget_wake_up(self) -> None:
        effect = self.effect
        if type(effect) is Sleep and effect.wake_up is not None:
            effect.wake_up.on_call = None

    def run_deferred(self, now: float) -> None:
        """Run the write that was put off to the end of the turn, and go on with the request."""
        coroutine, effect = self.coroutine, self.effect
        if coroutine is not None and type(effect) is ReadUpstream:
            self._ask(effect, now)
            return
        if coroutine is None or not isinstance(effect, Deferred):
            return
        try:
            result = effect()
        except BaseException as error:
            self._advance(coroutine.throw, now, error)
        else:
            self._advance(coroutine.send, now, result)

    def _advance(self, resume: Callable[[Any], Effect], now: float, result: Any) -> None:
        """Resume the current request and arrange for what it waits for next."""
        self.last_progress = now
        try:
            effect = self.effect = resume(result)
            while type(effect) is ReadUpstream and not effect.head:
                self._upstream = effect.connection
                again, result = self._read_at_once(effect)
                if again is None:
                    break
                effect = self.effect = again(result)
        except StopIteration as end:
            self._finish(end.value, now)
            return
        if type(effect) is ReadUpstream:
            self._upstream = effect.connection
            if effect.head and self.loop_state.batching:  # 6 % less processor time at 16 connections
                self.loop_state.deferred.append(self)
            else:
                self._ask(effect, now)
        elif type(effect) is Deferred:
            if self.loop_state.batching:
                self.loop_state.deferred.append(self)
            else:
                self.run_deferred(now)
        elif type(effect) is Sleep:
            self._sleep(effect, now)
        else:
            self.done = True

    def _ask(self, effect: ReadUpstream, now: float) -> None:
        """Send the request, if it was not sent, and wait for the upstream."""
        connection, loop_state, coroutine = effect.connection, self.loop_state, self.coroutine
        if effect.head and coroutine is not None:
            head, effect.head = effect.head, b""  # as `ReadUpstream.send_nowait`
            try:
                effect.rest = connection.send_nowait(head, effect.body)
            except BaseException as error:
                self._advance(coroutine.throw, now, error)
                return
            if effect.rest:  # a thread waits until the upstream takes it
                self.done = True
                return
        try:
            if effect.timeout < self.min_timeout:
                loop_state.set_alarm(self, now + effect.timeout)
            if connection.epoll is not loop_state.epoll:
                loop_state.watch(connection, EDGE_TRIGGERED)
        except OSError:  # no free descriptor or watch: a thread waits
            self.done = True
            return
        fd = self._upstream_fd = connection.sock.fileno()
        loop_state.tasks[fd] = self
        if self.client_ended:
            self._on_client_end(now)

    def _stop_waiting(self) -> None:
        if self._upstream_fd >= 0:
            del self.loop_state.tasks[self._upstream_fd]
            self._upstream_fd = -1

    def _finish(self, keep_open: bool, now: float) -> None:
        client, self._upstream = self._client, None
        self.coroutine = self.effect = None
        has_buffered = client.has_buffered
        # Set before `may_continue` is called: a drain closes connections that are idle.
        client.idle = keep_open and not has_buffered
        if not keep_open or has_buffered or not self._may_continue():
            self.closing = not keep_open
            self.done = True
        elif self._has_unread or self.client_ended:
            self._read_client(now)


def _go_on() -> None:
    """Resume at once a request that has slept."""
