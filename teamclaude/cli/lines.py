"""Lines printed by a thread of their own: a terminal that stands still must not stop a request."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TextIO

from ..proxy.backlog import Backlog

__all__ = ["Lines"]

KEPT = 2000


class Lines(Backlog[str]):
    """Lines are printed whole; what a stuck terminal does not take beyond KEPT is dropped, oldest first."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        super().__init__("lines", self._print, KEPT)

    def _run(self) -> None:
        # A closed pipe or terminal ends the printing, not the server.
        with contextlib.suppress(OSError, ValueError):
            super()._run()

    def _print(self, waiting: deque[str]) -> None:
        while waiting:
            # All that waits at once: under load that is one write for many requests.
            print("\n".join([waiting.popleft() for _ in range(len(waiting))]), file=self._stream)
        self._stream.flush()
