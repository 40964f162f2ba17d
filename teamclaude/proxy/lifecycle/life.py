"""How far a server has come with its end, and what it can be asked for: to drain, to restart.

Changed by the thread that ends the server; any thread reads it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Optional

from ...errors import NotSupportedError
from ...snapshot import EndingView
from .ending import Ending

__all__ = ["Life"]


def _not_possible(*of: object) -> dict[str, Any]:
    raise NotSupportedError("This server is part of another program, which alone can end or restart it.")


class Life:
    """Of one server."""

    def __init__(self) -> None:
        self.ending = Ending()
        # Another process takes new connections: those here end with their next response.
        self.handed_over = False
        self.predecessors: tuple[EndingView, ...] = ()  # that finish what they have begun
        # Set by the server.  They return what has begun, or raise BusyError or RestartFailedError.
        self.drain: Callable[[Optional[float]], dict[str, Any]] = _not_possible
        self.restart: Callable[[], dict[str, Any]] = _not_possible

    def view(self, requests: int) -> Optional[EndingView]:
        """Return how far the end has come, with `requests` that run; None while there is none."""
        phase, until = self.ending
        left = None if until is None else max(0.0, until - time.monotonic())
        return EndingView(os.getpid(), phase, requests, left) if phase else None

    @property
    def revision(self) -> tuple[str, int]:
        """A value that changes with what is displayed of it."""
        return self.ending.phase, len(self.predecessors)
