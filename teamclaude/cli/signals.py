"""Run a server until it ends, and handle signals meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional, Protocol

from ..accounts.config.changes import NOTHING_NEW, changes_text
from ..errors import TeamClaudeError
from ..threads import start_with_retry

__all__ = ["Stoppable", "serve_until_stopped"]

ENDED = 0  # not a signal's number: the service ended by itself
RELOAD = [getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name)]
DRAIN, RESTART = getattr(signal, "SIGUSR1", None), getattr(signal, "SIGUSR2", None)
OTHER = [number for number in (DRAIN, RESTART) if number is not None]
SUSPEND = [getattr(signal, name) for name in ("SIGTSTP",) if hasattr(signal, name)]
STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Stoppable(Protocol):
    """The part of the service that signals act on."""

    def wait(self) -> Any:
        """Block until the service has ended."""

    def stop(self, drain_sec: Optional[float] = None) -> None:
        """Stop; responses in progress may finish for `drain_sec` seconds (None: as configured)."""

    def reload(self) -> Any:
        """Reload the config; raise TeamClaudeError and keep the old one if the new one is invalid."""

    def drain(self) -> Any:
        """Announce the end, and stop later."""

    def restart(self) -> Any:
        """Have another process serve in place of this one; raise TeamClaudeError if this one goes on."""


class Succession(Protocol):
    """The processes before and after this one, where it is restarted."""

    def on_signal(self, number: int) -> bool:
        """Return whether the signal was for the process that serves in place of this one."""

    def wait_for_terminal(self) -> None:
        """Wait until no later process uses the terminal, which all have to leave now."""

    def wait(self) -> None:
        """Wait for what comes after the service has ended."""


def serve_until_stopped(
    service: Stoppable,
    say: Callable[[str], None],
    begin: Callable[[], Optional[bool]] = lambda: None,
    succession: Optional[Succession] = None,
) -> None:
    """Start the service with `begin`, and return when it has ended, and what comes after it.

    SIGINT and SIGTERM drain it, a second one stops it at once; SIGHUP reloads, SIGUSR1 announces a drain,
    SIGUSR2 restarts.  Call from the main thread.
    `begin` is called once the handlers are installed, so that no signal can kill the process.  It may
    block and handle signals itself (the Deck does); if it returns True, that counts as a first SIGTERM.
    """
    with _signals() as (inbox, outbox):
        stopping = bool(begin())
        start_with_retry(
            threading.Thread(target=_notify_end, args=(service, succession, outbox), daemon=True)
        )
        if stopping:
            _stop(service, say, False)
        while True:
            number = inbox.recv(1)[0]
            if number == ENDED:
                return
            if number in SUSPEND:
                _suspend(number, succession)
                continue
            if succession is not None and succession.on_signal(number):
                say = _say_nothing
                if number not in STOP:
                    continue
            if number in RELOAD:
                _reload(service, say)
            elif number in OTHER:
                act = service.drain if number == DRAIN else service.restart
                threading.Thread(target=_try, args=(act, say), daemon=True).start()
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
        handlers = {
            number: signal.signal(number, lambda number, frame: None)
            for number in [*RELOAD, *OTHER, *STOP, *filter(_is_default, SUSPEND)]
        }
        try:
            yield inbox, outbox
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)


def _is_default(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_DFL


def _suspend(number: int, succession: Optional[Succession]) -> None:
    """Stop the process, as Ctrl-Z does in every program.

    The shell takes the terminal when the process stops that it has started: that one waits for a Deck that
    another process shows, which otherwise could leave the screen only after the next `fg`, and stop then.
    """
    if succession is not None:
        succession.wait_for_terminal()
    previous = signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # The process is stopped here until SIGCONT.
    signal.signal(number, previous)


def _notify_end(service: Stoppable, succession: Optional[Succession], outbox: socket.socket) -> None:
    service.wait()
    if succession is not None:
        succession.wait()
    with contextlib.suppress(OSError):
        outbox.send(bytes([ENDED]))


def _say_nothing(text: str) -> None:
    """Leave it to the process that serves."""


def _try(act: Callable[[], Any], say: Callable[[str], None]) -> None:
    try:
        act()
    except TeamClaudeError as error:
        say(f"teamclaude: {error}")


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
    say(f"teamclaude: config read again: {changes_text(changes) or NOTHING_NEW}")
