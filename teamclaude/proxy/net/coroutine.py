"""A request as a coroutine: the code that runs it chooses how to wait.

The generator yields an effect and is sent its result.  A thread of its own runs each effect where it stands
(`run_coroutine`).  The event loop knows the effects that nearly every request consists of, reading from the
upstream and sleeping until another request gives up its slot, and waits for many at once.  All other effects
are functions that may block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Optional, TypeVar, Union

from ...errors import UpstreamLostError, UpstreamTimeoutError
from ..http.framing import Buffer
from .event_loop import EventLoop, Task
from .socket_wait import POLL_SEC, ClientWatch, ThreadJob
from .upstream_connection import UpstreamConnection

__all__ = [
    "Deferred",
    "Effect",
    "ReadUpstream",
    "RequestCoroutine",
    "RunInLoop",
    "Sleep",
    "WakeUp",
    "perform",
    "run_coroutine",
    "run_in_background",
]

T = TypeVar("T")


class ReadUpstream:
    """The bytes that arrive next, b"" at the end; raises UpstreamLostError or ClientGoneError.

    With a `head` they are asked for first: one effect, as each takes 6 calls to be yielded and resumed.  From
    then on the connection is in use.
    """

    __slots__ = ("body", "connection", "head", "rest", "timeout", "watch", "what")

    def __init__(
        self,
        connection: UpstreamConnection,
        watch: ClientWatch,
        timeout: float,
        what: str,
        head: bytes = b"",
        body: Buffer = b"",
    ) -> None:
        self.connection = connection
        self.watch = watch
        self.timeout = timeout  # seconds
        self.what = what
        self.head = head  # b"": it was sent
        self.body = body
        self.rest: list[Buffer] = []  # what the upstream did not take at once

    def __call__(self) -> bytes:
        """Send what is left of the request, and block until bytes arrive."""
        self.send()
        return self.connection.receive(self.watch, self.timeout, self.what)

    @property
    def is_sent(self) -> bool:
        """Whether nothing of the request is left to be sent."""
        return not (self.head or self.rest)

    def send(self) -> None:
        """Send what is left of the request; raises UpstreamLostError or ClientGoneError."""
        if self.head:
            self.send_nowait()
        if self.rest:
            rest, self.rest = self.rest, []
            self.connection.send_rest(rest, self.watch)

    def send_nowait(self) -> None:
        """Send of the request what can be sent without waiting; raises UpstreamLostError."""
        head, self.head = self.head, b""
        self.rest = self.connection.send_nowait(head, self.body)

    def timeout_error(self) -> UpstreamLostError:
        """Return the error for a read that took longer than `timeout`."""
        return UpstreamTimeoutError(f"the upstream sent no {self.what} for {self.timeout:g} s")


class Deferred(partial[Any]):
    """A function, with its arguments, that does not block and may run a little later: a write."""


class WakeUp:
    """The end of one coroutine's sleep, called once, by any thread."""

    __slots__ = ("_event", "is_called", "on_call")

    def __init__(self) -> None:
        self.is_called = False
        self.on_call: Optional[Callable[[], None]] = None  # of the event loop, while that waits
        self._event: Optional[threading.Event] = None  # of a sleeping thread; takes 3 us to make

    def __call__(self) -> None:
        """End the sleep, also one that begins later."""
        self.is_called = True  # first: who goes to sleep sets what is called, and then reads this
        on_call = self.on_call
        if on_call is not None:
            on_call()
        event = self._event
        if event is not None:
            event.set()

    def wait(self, seconds: float) -> None:
        """Block until it is called, at most for `seconds`."""
        if self._event is None:
            self._event = threading.Event()
        if not self.is_called:
            self._event.wait(seconds)


class Sleep:
    """The time until `wake_up` is called, at most `seconds`; in the loop it ends early if the client leaves.

    Without a `wake_up` only the time ends it; a thread then uses `watch` and raises ClientGoneError when the
    client leaves.
    """

    __slots__ = ("seconds", "wake_up", "watch")

    def __init__(
        self, seconds: float, wake_up: Optional[WakeUp] = None, watch: Optional[ClientWatch] = None
    ) -> None:
        self.seconds = seconds
        self.wake_up = wake_up
        self.watch = watch

    def __call__(self) -> None:
        """Block until it is over."""
        if self.wake_up is not None:
            self.wake_up.wait(self.seconds)
        elif self.watch is not None:
            self.watch.sleep(self.seconds)


class RunInLoop:
    """A task of the event loop; True: it has finished, False: it could not be registered.

    Raises the error that ended it.
    """

    __slots__ = ("event_loop", "task")

    def __init__(self, event_loop: EventLoop, task: Task) -> None:
        self.event_loop = event_loop
        self.task = task

    def __call__(self) -> bool:
        """Block until it has finished."""
        return self.event_loop.run(self.task)


Effect = Union[ReadUpstream, Deferred, Sleep, RunInLoop, Callable[[], Any]]
RequestCoroutine = Generator[Effect, Any, T]


def run_coroutine(coroutine: RequestCoroutine[T], effect: Optional[Effect] = None) -> T:
    """Run a coroutine to its end in this thread; return or raise what it does.

    `effect` is pending if the event loop has run the coroutine up to it.
    """
    try:
        if effect is None:
            effect = next(coroutine)
        while True:
            effect = perform(effect, coroutine)
    except StopIteration as end:
        found: T = end.value
        return found


def perform(effect: Effect, coroutine: RequestCoroutine[Any]) -> Effect:
    """Run an effect in this thread, resume the coroutine with the result, and return the next effect."""
    try:
        result = effect()
    except BaseException as error:
        return coroutine.throw(error)
    return coroutine.send(result)


def run_in_background(
    work: Callable[[], T], on_tick: Callable[[], RequestCoroutine[None]]
) -> RequestCoroutine[T]:
    """Return or raise what `work` does in a thread of its own; run `on_tick` every POLL_SEC meanwhile.

    As `run_in_thread`, for work of which only the effects count if `on_tick` raises.
    """
    is_over = WakeUp()
    try:
        job = ThreadJob(work, "blocking-work", is_over)
    except RuntimeError:  # "can't start new thread"
        found: T = yield work
        return found
    try:
        while True:
            yield Sleep(POLL_SEC, is_over)
            if is_over.is_called:
                return job.result()
            yield from on_tick()
    except Exception:
        if not is_over.is_called and not job.leave():
            yield job.done.wait
        raise
