"""A request as a coroutine: the code that runs it chooses how to wait.

The generator yields an effect and is sent its result.  A thread of its own runs each effect where it stands
(`run_coroutine`).  The event loop knows the effect that nearly every request consists of, reading from the
upstream, and waits for many at once.  All other effects are functions that may block.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Optional, TypeVar, Union

from ...errors import UpstreamLostError, UpstreamTimeoutError
from ...values import NamedTuple
from .socket_wait import ClientWatch
from .upstream_connection import UpstreamConnection

__all__ = ["Deferred", "Effect", "ReadUpstream", "RequestCoroutine", "WriteUpstream", "run_coroutine"]

T = TypeVar("T")


class ReadUpstream(NamedTuple):
    """The bytes that arrive next, b"" at the end; raises UpstreamLostError or ClientGoneError."""

    connection: UpstreamConnection
    watch: ClientWatch
    timeout: float  # seconds
    what: str

    def __call__(self) -> bytes:
        """Block until bytes arrive."""
        return self.connection.receive(self.watch, self.timeout, self.what)

    def timeout_error(self) -> UpstreamLostError:
        """Return the error for a read that took longer than `timeout`."""
        return UpstreamTimeoutError(f"the upstream sent no {self.what} for {self.timeout:g} s")


class Deferred(partial[Any]):
    """A function, with its arguments, that does not block and may run a little later: a write."""


class WriteUpstream(Deferred):
    """The first write of a request to the upstream; from here on its `connection` is in use."""

    connection: UpstreamConnection


Effect = Union[ReadUpstream, Deferred, Callable[[], Any]]
RequestCoroutine = Generator[Effect, Any, T]


def run_coroutine(coroutine: RequestCoroutine[T], effect: Optional[Effect] = None) -> T:
    """Run a coroutine to its end in this thread; return or raise what it does.

    `effect` is pending if the event loop has run the coroutine up to it.
    """
    try:
        if effect is None:
            effect = next(coroutine)
        while True:
            try:
                result = effect()
            except BaseException as error:
                effect = coroutine.throw(error)
            else:
                effect = coroutine.send(result)
    except StopIteration as end:
        found: T = end.value
        return found
