"""Things that are seen to by a thread of their own, so that who hands them over never waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["BackgroundQueue"]

T = TypeVar("T")

CLOSE_TIMEOUT_SEC = 2.0
# After the first thing more are waited for.  Nobody sees a line come later by that, and the threads that
# serve take fewer turns with this one: told one by one, a small request took twice as long.
GATHER_SEC = 0.02


class BackgroundQueue(Generic[T]):
    """`put` never waits; beyond `kept` the oldest is dropped.

    `take` is called with all that waits, in order, and takes it out; what it raises ends the taking.
    """

    def __init__(self, name: str, consume: Callable[[deque[T]], None], max_items: int) -> None:
        self._consume = consume
        self._items: deque[T] = deque(maxlen=max_items)
        self._has_items = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, thing: T) -> None:
        """Any thread."""
        self._items.append(thing)
        # Set already: it is cleared before what is waiting is taken, so this one is taken too.
        if not self._has_items.is_set():
            self._has_items.set()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_SEC) -> None:
        """See to what is left, but do not wait for ever."""
        self._closed.set()
        self._has_items.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not (self._closed.is_set() and not self._items):
            self._has_items.wait()
            self._closed.wait(GATHER_SEC)
            self._has_items.clear()
            self._consume(self._items)
