"""Tells of finished requests from a thread of its own, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from .backlog import Backlog
from .exchange import Exchange

__all__ = ["Herald"]

KEPT = 10_000


class Herald(Backlog[Exchange]):
    """`tell` is called for each exchange that has ended, in order; they do not change any more."""

    def __init__(self, tell: Callable[[Exchange], None]) -> None:
        self._tell = tell
        super().__init__("herald", self._tell_all, KEPT)

    def _tell_all(self, waiting: deque[Exchange]) -> None:
        while waiting:
            with suppress(Exception):  # a defect in showing one request must not end the showing
                self._tell(waiting.popleft())
