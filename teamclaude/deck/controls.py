"""Execute the Deck's commands: on the proxy of this process, or read-only on a watched one.

Commands run in a worker thread: a locked config file or a slow network must not stop the screen.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..accounts.config.changes import NOTHING_NEW, changes_text
from ..accounts.config.edits import Placement, remove_account
from ..accounts.importing.enroll import check_api_key, enroll, enroll_key, followed, recognized
from ..accounts.importing.find_login import find_login
from ..accounts.oauth.login_flow import add_profile
from ..errors import TeamClaudeError
from ..proxy.server import ProxyServer
from ..values import replace
from .text.spans import line
from .ui import CommandResult
from .view.pages import JsonObject, explanation_lines
from .view.ui_state import Command, Page

__all__ = ["CommandWorker", "Controls", "LocalControls", "ReadOnlyControls"]


class Controls(Protocol):
    """Executor of the Deck's commands."""

    def execute(self, command: Command) -> CommandResult:
        """Execute one command, from any thread; report errors as the result."""


class ReadOnlyControls:
    """Execute `explain` only; `explain(request)` gets the decision record, or raises TeamClaudeError."""

    def __init__(self, explain: Callable[[str], JsonObject]) -> None:
        self._explain = explain

    def execute(self, command: Command) -> CommandResult:
        """Show a decision record; refuse every other command."""
        if command.action != "explain":
            return CommandResult("this Deck is read-only", "warn")
        try:
            return CommandResult(page=decision_page(self._explain(command.request)))
        except TeamClaudeError as error:
            return CommandResult(str(error), "bad")


class LocalControls:
    """Execute commands on the proxy of this process and on its config file."""

    def __init__(self, service: ProxyServer, env: Mapping[str, str] = os.environ) -> None:
        self._service, self._file, self._env = service, service.config_file, env
        self._handlers: Mapping[str, Callable[[Command], CommandResult]] = {
            "pin": self._pin,
            "unpin": self._unpin,
            "remove": self._remove,
            "enable": lambda command: self._set_enabled(command, True),
            "disable": lambda command: self._set_enabled(command, False),
            "reload": self._reload,
            "drain": self._drain,
            "restart": self._restart,
            "add key": self._add_key,
            "import": self._import,
            "explain": self._explain,
        }

    def execute(self, command: Command) -> CommandResult:
        """Execute one command; a TeamClaudeError becomes a notice."""
        try:
            return self._handlers[command.action](command)
        except TeamClaudeError as error:
            return CommandResult(str(error), "bad")

    def _pin(self, command: Command) -> CommandResult:
        self._service.runtime.controls.switch(command.account, command.session or None)
        what = "this session goes" if command.session else "all work goes"
        return CommandResult(f"{what} to {command.account} from now on", "good")

    def _unpin(self, command: Command) -> CommandResult:
        self._service.runtime.controls.switch(None, command.session or None)
        what = "this session" if command.session else "all work"
        return CommandResult(f"{what} is routed automatically again", "good")

    def _drain(self, command: Command) -> CommandResult:
        begun = self._service.drain()
        return CommandResult(f"not ready any more, stops in {begun['announceSec']:g} s", "warn")

    def _restart(self, command: Command) -> CommandResult:
        self._service.restart()
        return CommandResult("another process serves from now on", "good")

    def _remove(self, command: Command) -> CommandResult:
        self._file.update(lambda raw: remove_account(raw, command.account))
        self._service.reload()
        return CommandResult(f"{command.account} is removed", "good")

    def _set_enabled(self, command: Command, enabled: bool) -> CommandResult:
        done = self._service.runtime.controls.set_enabled(command.account, enabled)
        if "note" in done:
            return CommandResult(f"{command.account}: {done['note']}", "warn")
        return CommandResult(
            f"{command.account} {'serves again' if enabled else 'gets no more work'}", "good"
        )

    def _reload(self, command: Command) -> CommandResult:
        changes = self._service.reload()
        return CommandResult(f"config read again: {changes_text(changes) or NOTHING_NEW}", "good")

    def _add_key(self, command: Command) -> CommandResult:
        key = check_api_key(command.secret)
        return self._enrolled(self._file.update(lambda raw: enroll_key(raw, key, None)))

    def _import(self, command: Command) -> CommandResult:
        now = time.time()
        found = find_login(self._env, None, sys.platform, now)
        path, config = found.source.path, self._file.load()
        account = recognized(config.accounts, found.account, path)
        known = [(other.account_uuid, other.org_uuid) for other in config.accounts]
        if account.account_uuid is None or (account.account_uuid, account.org_uuid) not in known:
            account, _ = add_profile(config, account)
        # Claude Code keeps refreshing the login in its file, which would invalidate a second copy: follow it.
        entry = replace(account, source="import") if path is None else followed(account, path)
        fresh = path is not None
        placed = self._file.update(lambda raw: enroll(raw, entry, None, "imported", fresh))
        return self._enrolled(placed, found.note)

    def _enrolled(self, placement: Placement, note: str = "") -> CommandResult:
        self._service.reload()
        outcomes = {"added": "is added", "updated": "has its new login", "kept": "was there already"}
        words = f"{placement.name} {outcomes[placement.outcome]}"
        return CommandResult(f"{words}; {note}" if note else words, "good")

    def _explain(self, command: Command) -> CommandResult:
        record = self._service.runtime.journal.explain(command.request)
        if record is None:
            return CommandResult("that request is no longer recorded", "warn")
        return CommandResult(page=decision_page(record))


def decision_page(record: JsonObject) -> Page:
    """Return the page that explains a decision record."""
    first, *others = explanation_lines(record)
    return Page(first, tuple(line(text) for text in others))


class CommandWorker:
    """Execute commands one after the other in a thread; call `done` there after each."""

    def __init__(self, controls: Controls, done: Callable[[], None]) -> None:
        self._controls, self._on_done = controls, done
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[CommandResult] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="deck-commands", daemon=True).start()

    def submit(self, command: Command) -> None:
        """Queue a command; never block."""
        self._commands.put(command)

    def take_results(self) -> list[CommandResult]:
        """Return the results since the last call."""
        found = []
        while not self._results.empty():
            found.append(self._results.get())
        return found

    def _run(self) -> None:
        while True:
            command = self._commands.get()
            try:
                result = self._controls.execute(command)
            except Exception as error:  # a failing command must not end the worker
                result = CommandResult(f"internal error: {type(error).__name__}", "bad")
            self._results.put(result)
            self._on_done()
