"""Tells of finished requests from a thread of its own, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from .background_queue import BackgroundQueue
from .exchange import Exchange

__all__ = ["ExchangeQueue"]

MAX_WAITING = 10_000


class ExchangeQueue(BackgroundQueue[Exchange]):
    """`tell` is called for each exchange that has ended, in order; they do not change any more."""

    def __init__(self, handle: Callable[[Exchange], None]) -> None:
        self._handle = handle
        super().__init__("herald", self._handle_all, MAX_WAITING)

    def _handle_all(self, waiting: deque[Exchange]) -> None:
        while waiting:
            with suppress(Exception):  # a defect in showing one request must not end the showing
                self._handle(waiting.popleft())
