"""A running server and the signals it obeys."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Optional, Protocol

from ..errors import TeamClaudeError

__all__ = ["Stoppable", "serve_until_stopped"]

ENDED = 0  # no signal has this number: the service ended by itself
SIGHUP = getattr(signal, "SIGHUP", -1)


class Stoppable(Protocol):
    """What is needed of the service."""

    def wait(self) -> Any:
        """Return when it has ended."""

    def stop(self, drain_sec: Optional[float] = None) -> None:
        """End it; running answers may finish for `drain_sec` seconds (None: as configured)."""

    def reload(self) -> Any:
        """Read the config again; raises TeamClaudeError and keeps the old one when it is no good."""


def serve_until_stopped(service: Stoppable, say: Callable[[str], None]) -> None:
    """Return when the service has ended.

    SIGINT and SIGTERM drain it, a second one ends it at once, SIGHUP reloads.  Only for the main thread.
    """
    inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
    _listen(inbox)
    threading.Thread(target=_tell_end, args=(service, inbox), daemon=True).start()
    stopping = False
    while True:
        number = _next(inbox)
        if number == ENDED:
            return
        if number == SIGHUP:
            _reload(service, say)
        elif stopping:
            say("teamclaude: stopping now")
            threading.Thread(target=service.stop, args=(0.0,), daemon=True).start()
        else:
            stopping = True
            say("teamclaude: stopping; running answers may finish (once more: stop now)")
            threading.Thread(target=service.stop, daemon=True).start()


def _listen(inbox: queue.SimpleQueue[int]) -> None:
    def receive(number: int, frame: Optional[FrameType]) -> None:
        # SimpleQueue.put may interrupt get() in the same thread: the queue module says so.
        inbox.put(number)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), receive)


def _tell_end(service: Stoppable, inbox: queue.SimpleQueue[int]) -> None:
    service.wait()
    inbox.put(ENDED)


def _next(inbox: queue.SimpleQueue[int]) -> int:
    while True:
        try:
            # Windows does not interrupt a wait for Ctrl-C: there it looks up now and then.
            return inbox.get(timeout=0.5 if sys.platform == "win32" else None)
        except queue.Empty:
            continue


def _reload(service: Stoppable, say: Callable[[str], None]) -> None:
    try:
        changes = service.reload()
    except TeamClaudeError as error:
        say(f"teamclaude: {error}")
        return
    told = [
        f"{what} {', '.join(changes[what])}" for what in ("added", "removed", "updated") if changes.get(what)
    ]
    say(f"teamclaude: config read again: {'; '.join(told) or 'no account changed'}")
