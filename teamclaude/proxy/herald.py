"""Tells of finished requests from a thread of its own, several at a time.

A record and its line take 60 us to make, and the thread that prints them takes turns with those that
serve: told by these, one by one, a small request took twice as long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from .exchange import Exchange

__all__ = ["Herald"]

GATHER_SEC = 0.02  # nobody sees a line come later by that
KEPT = 10_000
CLOSE_SEC = 2.0


class Herald:
    """`put` never waits; `tell` is called for each exchange, in order.

    When telling can't keep up the oldest are not told.
    """

    def __init__(self, tell: Callable[[Exchange], None]) -> None:
        self._tell = tell
        self._waiting: deque[Exchange] = deque(maxlen=KEPT)
        self._something = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Any thread; the exchange has ended and does not change any more."""
        self._waiting.append(exchange)
        # Set already: it is cleared before what is waiting is taken, so this one is taken too.
        if not self._something.is_set():
            self._something.set()

    def close(self) -> None:
        """Tell what is left, but do not wait for ever."""
        self._closed.set()
        self._something.set()
        self._thread.join(CLOSE_SEC)

    def _run(self) -> None:
        while not (self._closed.is_set() and not self._waiting):
            self._something.wait()
            self._closed.wait(GATHER_SEC)
            self._something.clear()
            while self._waiting:
                with suppress(Exception):  # a defect in showing one request must not end the showing
                    self._tell(self._waiting.popleft())
