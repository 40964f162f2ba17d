"""Run a server until it ends, and handle signals meanwhile."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional, Protocol

from ..errors import TeamClaudeError
from ..threads import start_with_retry

__all__ = ["Stoppable", "serve_until_stopped"]

ENDED = 0  # not a signal's number: the service ended by itself
RELOAD = [getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name)]
STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Stoppable(Protocol):
    """The part of the service that signals act on."""

    def wait(self) -> Any:
        """Block until the service has ended."""

    def stop(self, drain_sec: Optional[float] = None) -> None:
        """Stop; responses in progress may finish for `drain_sec` seconds (None: as configured)."""

    def reload(self) -> Any:
        """Reload the config; raise TeamClaudeError and keep the old one if the new one is invalid."""


def serve_until_stopped(
    service: Stoppable, say: Callable[[str], None], begin: Callable[[], Optional[bool]] = lambda: None
) -> None:
    """Start the service with `begin`, and return when it has ended.

    SIGINT and SIGTERM drain it, a second one stops it at once, SIGHUP reloads.  Call from the main thread.
    `begin` is called once the handlers are installed, so that no signal can kill the process.  It may
    block and handle signals itself (the Deck does); if it returns True, that counts as a first SIGTERM.
    """
    with _signals() as (inbox, outbox):
        stopping = bool(begin())
        start_with_retry(threading.Thread(target=_notify_end, args=(service, outbox), daemon=True))
        if stopping:
            _stop(service, say, False)
        while True:
            number = inbox.recv(1)[0]
            if number == ENDED:
                return
            if number in RELOAD:
                _reload(service, say)
            elif number in STOP:  # other signals with a handler come here too
                _stop(service, say, stopping)
                stopping = True


@contextlib.contextmanager
def _signals() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Receive signals as bytes on a socket pair; yield (reading end, writing end).

    The interpreter writes the bytes (signal.set_wakeup_fd).  A handler that filled a queue could run between
    the reader's check and its sleep, and the signal would be lost.
    """
    inbox, outbox = socket.socketpair()
    with inbox, outbox:
        outbox.setblocking(False)
        before = signal.set_wakeup_fd(outbox.fileno())
        handlers = {number: signal.signal(number, lambda number, frame: None) for number in RELOAD + STOP}
        try:
            yield inbox, outbox
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


def _notify_end(service: Stoppable, outbox: socket.socket) -> None:
    service.wait()
    with contextlib.suppress(OSError):
        outbox.send(bytes([ENDED]))


def _stop(service: Stoppable, say: Callable[[str], None], again: bool) -> None:
    if again:
        say("teamclaude: stopping now")
        threading.Thread(target=service.stop, args=(0.0,), daemon=True).start()
    else:
        say("teamclaude: stopping; running answers may finish (Ctrl-C again stops at once)")
        threading.Thread(target=service.stop, daemon=True).start()


def _reload(service: Stoppable, say: Callable[[str], None]) -> None:
    try:
        changes = service.reload()
    except TeamClaudeError as error:
        say(f"teamclaude: {error}")
        return
    parts = [
        f"{what} {', '.join(changes[what])}" for what in ("added", "removed", "updated") if changes.get(what)
    ]
    say(f"teamclaude: config read again: {'; '.join(parts) or 'no account changed'}")
