"""A worker thread with a bounded queue; `put` never blocks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ...threads import Signal

__all__ = ["BackgroundQueue"]

T = TypeVar("T")

CLOSE_TIMEOUT_SEC = 2.0
# After the first item others are waited for.  Nobody notices a line that comes so much later, and request
# threads switch less often with this one: with one wake-up for each item, a small request took twice as long.
GATHER_SEC = 0.02
BUSY_GATHER_SEC = 0.2  # while items were consumed less than that ago


class BackgroundQueue(Generic[T]):
    """A queue of at most `max_items`; beyond that the oldest is dropped.

    `consume` is called in the worker thread with all items that wait, in order, and takes them out; an
    exception of it ends the thread.
    """

    def __init__(self, name: str, consume: Callable[[deque[T]], None], max_items: int) -> None:
        self._consume = consume
        self._items: deque[T] = deque(maxlen=max_items)
        self._has_items = Signal()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Queue an item.  Any thread."""
        self._items.append(item)
        # If it is set already, it is cleared before the items are taken: this one is among them.
        if not self._has_items.is_set:
            self._has_items.set()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_SEC) -> None:
        """Consume the remaining items and end the thread; give up after `timeout_s` seconds."""
        self._closed.set()
        self._has_items.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        consumed_at = float("-inf")
        while self._has_items.is_set or not self._closed.is_set():
            self._has_items.wait()
            is_busy = time.monotonic() - consumed_at < BUSY_GATHER_SEC
            self._closed.wait(BUSY_GATHER_SEC if is_busy else GATHER_SEC)
            self._has_items.clear()
            self._consume(self._items)
            consumed_at = time.monotonic()
