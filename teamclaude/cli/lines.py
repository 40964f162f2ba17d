"""Lines printed by a thread of their own: a terminal that stands still must not stop a request.

What is said of a request is put as the request itself, and becomes a line there: the thread that served
it has better things to do.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import TextIO, TypeVar

from ..proxy.backlog import Backlog

__all__ = ["Lines"]

T = TypeVar("T")

KEPT = 5000


class Lines(Backlog[T]):
    """Lines are printed whole; what a stuck terminal does not take beyond KEPT is dropped, oldest first.

    `line` makes a line of what was put; what it raises costs this line alone.
    """

    def __init__(self, stream: TextIO, line: Callable[[T], str]) -> None:
        self._stream = stream
        self._line = line
        super().__init__("lines", self._print, KEPT)

    def _run(self) -> None:
        # A closed pipe or terminal ends the printing, not the server.
        with contextlib.suppress(OSError, ValueError):
            super()._run()

    def _print(self, waiting: deque[T]) -> None:
        while waiting:
            lines = []
            for _ in range(len(waiting)):
                thing = waiting.popleft()
                try:
                    lines.append(self._line(thing))
                except Exception:  # a defect in showing one must not end the showing
                    continue
            # All that waits at once: under load that is one write for many requests.
            self._stream.write("\n".join([*lines, ""]))
        self._stream.flush()
