"""A request in steps: whoever carries it out chooses how to wait.

A generator yields what has to be waited for and gets what came of it.  A thread of its own does each step
where it stands (`carry_out`); the ferry knows the one that nearly all requests consist of, waiting for the
upstream, and does it for many at once.  All others are functions that may take their time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Optional, TypeVar, Union

from ...errors import UpstreamLostError, UpstreamTimeoutError
from .socket_wait import ClientWatch
from .upstream_connection import Buffer, UpstreamConnection

__all__ = [
    "ReadUpstream",
    "WriteUpstream",
    "Deferred",
    "Effect",
    "RequestCoroutine",
    "run_coroutine",
    "resume_coroutine",
]

T = TypeVar("T")


class ReadUpstream:
    """The bytes that the upstream sends next, b"" at its end; raises UpstreamLost or ClientGone."""

    __slots__ = ("connection", "timeout", "watch", "what")

    def __init__(self, connection: UpstreamConnection, watch: ClientWatch, timeout: float, what: str) -> None:
        self.connection = connection
        self.watch = watch
        self.timeout = timeout
        self.what = what

    def __call__(self) -> bytes:
        return self.connection.receive(self.watch, self.timeout, self.what)

    def timeout_error(self) -> UpstreamLostError:
        """Nothing has come in time."""
        return UpstreamTimeoutError(f"the upstream sent no {self.what} for {self.timeout:g} s")


class Deferred:
    """A function that does not wait, and that nobody misses if it comes a little later: a write."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._function = function
        self._arguments = arguments

    def __call__(self) -> Any:
        return self._function(*self._arguments)


class WriteUpstream(Deferred):
    """The first write of a request to the upstream: from here on its connection is in use."""

    __slots__ = ("connection",)

    def __init__(self, connection: UpstreamConnection, head: bytes, body: Buffer) -> None:
        super().__init__(connection.send_nowait, head, body)
        self.connection = connection


Effect = Union[ReadUpstream, Deferred, Callable[[], Any]]
RequestCoroutine = Generator[Effect, Any, T]


def run_coroutine(coroutine: RequestCoroutine[T]) -> T:
    """Take all steps in this thread; what the last one returns or raises."""
    return resume_coroutine(coroutine, None)


def resume_coroutine(coroutine: RequestCoroutine[T], effect: Optional[Effect]) -> T:
    """As `carry_out`, from `step` on, which was begun elsewhere and not taken."""
    try:
        if effect is None:
            effect = next(coroutine)
        while True:
            try:
                came = effect()
            except BaseException as error:
                effect = coroutine.throw(error)
            else:
                effect = coroutine.send(came)
    except StopIteration as end:
        found: T = end.value
        return found
