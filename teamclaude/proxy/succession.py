"""The end of a server that is planned: the announced drain, and the restart by which another process follows.

Rules that hold in this file:

1. A restart changes nothing until the new process serves: whatever fails before, this one goes on.
2. Of two that end the server one begins (`_switch_lock`): a stop during a restart makes it fail.
3. From the handover on this process refreshes no token ahead, saves no state, tells of no account, and
   forecasts nothing: the successor does.  What it learns it tells the successor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Optional

from .. import __version__
from ..errors import BusyError, TeamClaudeError
from ..routing.state_merge import LateChanges
from ..snapshot import EndingView
from ..typed_json import from_json
from ..values import NamedTuple
from .lifecycle.ending import ANNOUNCED, DRAINING, HANDED_OVER, Ending
from .lifecycle.server_presence import ServerPresence
from .lifecycle.service_manager import ServiceManager
from .lifecycle.state_file import StateFile
from .lifecycle.state_saver import StateSaver
from .observed_state import ObservedState
from .reporting.alerting import Alerting
from .reporting.forecaster import ForecastObserver
from .reporting.reporter import Reporter
from .restart.own_command import OwnCommand
from .restart.predecessor import Predecessor
from .runtime import Runtime

if TYPE_CHECKING:
    from .restart.handover import Accepting
    from .restart.successor import Successor

__all__ = ["ServerParts", "Succession"]


class ServerParts(NamedTuple):
    """What ends or goes on with a server."""

    runtime: Runtime
    reporter: Reporter
    saver: StateSaver
    state_file: StateFile
    alerting: Alerting
    forecasting: ForecastObserver
    manager: ServiceManager
    observed: ObservedState
    tell: Callable[[str], None]  # what happens to the server, in one line
    warn: Callable[[str], None]
    stop: Callable[..., None]  # within the seconds, or as configured
    presence: ServerPresence
    finish: Callable[[Callable[[], None]], None]  # end what is left, and call this to save


class Succession:
    """Of one server; any thread."""

    def __init__(
        self, parts: ServerParts, command: Optional[OwnCommand], predecessor: Optional[Predecessor]
    ) -> None:
        self._parts = parts
        self._command = command
        self._predecessor = predecessor
        self._has_predecessor = False  # one that finishes what it has begun
        self._switch_lock = threading.Lock()
        self._restarting = threading.Lock()
        self._announced = threading.Event()  # the announcement of a drain is over
        self.successor: Optional[Successor] = None
        self.guard_fd: Optional[int] = None  # by which the first process follows those that come after it
        self.on_successor: Callable[[], None] = lambda: None  # called once there is one
        self.let_go: Callable[[], None] = lambda: None  # then, of a port that the successor opens itself
        self.terminal_free = threading.Event()  # no predecessor uses it
        self.uses_terminal = False  # until `release_terminal` the successor may not show anything there
        life = parts.runtime.life
        life.drain, life.restart = self.drain, self.restart

    # --- the drain ------------------------------------------------------------------------------

    def begin_stop(self, limit: float) -> None:
        """Note that this process stops, within `limit` seconds."""
        runtime = self._parts.runtime
        with self._switch_lock:
            runtime.life.ending = Ending(DRAINING, time.monotonic() + limit)
            runtime.draining = True
        self._announced.set()
        if self._predecessor is not None:
            self._predecessor.tell({"type": "stopping", "sec": limit})

    def drain(self, announce_sec: Optional[float] = None) -> dict[str, Any]:
        """Say that this server will stop, take requests for `announce_sec` all the same, and stop it then.

        Asked again it stops at once, as `stop` does.  Returns what was begun; raises BusyError.
        """
        parts, life = self._parts, self._parts.runtime.life
        config = parts.runtime.context.config
        seconds = config.drain_announce_sec if announce_sec is None else announce_sec
        with self._switch_lock:
            if life.handed_over:
                raise BusyError("Another process serves in place of this one already.")
            again = bool(life.ending.phase)
            if not again:
                life.ending = Ending(ANNOUNCED, time.monotonic() + seconds)
        if again:
            seconds = 0.0
            threading.Thread(target=parts.stop, name="drain", daemon=True).start()
        else:
            parts.tell(f"a drain begins: it stops in {seconds:g} s")
            parts.warn(f"not ready from now on (/health/ready); stops in {seconds:g} s")
            parts.manager.status(f"stops in {seconds:g} s")
            threading.Thread(target=self._stop_after, args=(seconds,), name="drain", daemon=True).start()
        return {"draining": True, "announceSec": seconds, "requests": parts.runtime.journal.running}

    def _stop_after(self, seconds: float) -> None:
        if not self._announced.wait(seconds):
            self._parts.stop()

    # --- the next process -----------------------------------------------------------------------

    def restart(self) -> dict[str, Any]:
        """Start the program again, and return once the new process serves in place of this one.

        What runs or waits here goes on for up to restartDrainSec.  Raises BusyError, NotSupportedError or
        RestartFailedError; then this process serves as before.
        """
        from .restart.handover import hand_over  # 10 ms that most servers do without

        parts = self._parts
        if not self._restarting.acquire(blocking=False):
            raise BusyError("A restart is in progress already; wait for it.")
        try:
            parts.alerting.save()
            successor, state = hand_over(
                self._command,
                self.listeners,
                {**self._told, "guardFd": self.guard_fd},
                parts.manager.environment(),
                parts.observed.collect,
                parts.runtime.page.sessions.dump,
                self._switch_lock,
                self._switch,
            )
        except TeamClaudeError as error:
            parts.tell(f"not restarted: {error}")
            parts.warn(f"not restarted, this process goes on: {error}")
            raise
        finally:
            self._restarting.release()
        for line in successor.said().splitlines():
            parts.warn(line.removeprefix("teamclaude: "))
        parts.tell(f"process {successor.pid} (version {successor.version}) serves from now on")
        limit = parts.runtime.context.config.restart_drain_sec
        running = parts.runtime.journal.running
        parts.warn(
            f"restarted: process {successor.pid} (version {successor.version}) serves from now on; "
            f"what runs here ({running}) may finish for {limit:g} s"
        )
        threading.Thread(target=self._depart, args=(successor, state), name="departure", daemon=True).start()
        return {
            "restarted": True,
            "pid": successor.pid,
            "version": successor.version,
            "requests": running,
            "restartDrainSec": limit,
        }

    def listens(self, listeners: Sequence[Accepting], told: dict[str, Any]) -> None:
        """Note where this server listens; a successor is told `told` of it."""
        self.listeners, self._told = listeners, told

    def _switch(self, successor: Optional[Successor]) -> None:
        """Note that the successor serves; None: it is about to, and BusyError says that this server stops."""
        parts, life = self._parts, self._parts.runtime.life
        if successor is None:
            if life.ending.phase:
                raise BusyError("This server is stopping already.")
            return
        self.successor = successor
        if self._predecessor is not None:
            self._predecessor.tell({"type": "handed over"})
        until = time.monotonic() + parts.runtime.context.config.restart_drain_sec
        life.ending = Ending(HANDED_OVER, until)
        life.handed_over = parts.runtime.router.handed_over = True
        parts.runtime.token_manager.stop_ahead()
        parts.manager.main_pid(successor.pid)
        parts.manager.retire()
        self.on_successor()
        self.let_go()
        parts.presence.ending()
        parts.alerting.pause()
        parts.reporter.remove(parts.forecasting)
        parts.runtime.page.publisher.close()
        if not self.uses_terminal:
            self.release_terminal()

    def release_terminal(self) -> None:
        """Let the successor use the terminal."""
        self.uses_terminal = False
        if self.successor is not None:
            self.successor.tell({"type": "terminal"})

    def _depart(self, successor: Successor, state: dict[str, Any]) -> None:
        from .restart.departure import Departure

        parts, life = self._parts, self._parts.runtime.life
        parts.saver.end()
        departure = Departure(
            successor,
            parts.runtime.connections,
            state,
            parts.observed.collect,
            parts.saver.changed,
            lambda: life.ending,
            self._views,
            lambda: self._has_predecessor,
        )
        successor.follow(self._on_over)

        def save() -> None:
            left = departure.tell_changes()
            if left is not None:
                parts.state_file.leave(left)
            successor.let_go()

        for listener in self.listeners:
            listener.server_close()
        departure.run()
        parts.finish(save)

    def _on_over(self, seconds: Optional[float]) -> None:
        """End with the server that others serve for: nobody waits for what runs here any longer."""
        threading.Thread(target=self._parts.stop, args=(seconds,), name="stop", daemon=True).start()

    def _views(self) -> list[EndingView]:
        life = self._parts.runtime.life
        own = life.view(self._parts.runtime.journal.running)
        return [*([] if own is None else [own]), *life.predecessors]

    # --- the process before ---------------------------------------------------------------------

    def take_over(self) -> Optional[dict[str, Any]]:
        """Return the predecessor's state, None when it has ended; raises RestartFailedError."""
        assert self._predecessor is not None
        state = self._predecessor.take_over(__version__)
        self._parts.runtime.page.sessions.adopt(self._predecessor.pages)
        return state

    def serving(self) -> None:
        """Tell the predecessor that this server accepts connections, and listen to what it has to tell."""
        if self._predecessor is not None:
            self._predecessor.serving()
            self._has_predecessor = True
            self._predecessor.follow(self._on_message, self._on_predecessor_end)

    def adopt_left(self) -> None:
        """Take in what servers that have ended left for this one."""
        for changes in self._parts.state_file.take_left():
            self._parts.observed.adopt(changes)

    def _on_message(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "terminal":
            self.terminal_free.set()
        elif kind == "late":
            changes = LateChanges(dict(message["base"]), dict(message["late"]))
            self._parts.observed.adopt(changes)
        elif kind == "left":
            views = tuple(from_json(EndingView, each) for each in message["processes"])
            self._parts.runtime.life.predecessors = views

    def _on_predecessor_end(self) -> None:
        self._parts.runtime.life.predecessors = ()
        self._has_predecessor = False
        self.terminal_free.set()
        self._parts.tell("the process before this one has finished")
