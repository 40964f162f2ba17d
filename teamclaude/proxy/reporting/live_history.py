"""The history of a running server: its writer, the usage by issue, and what an older state file holds.

Its parts are made when they are asked for first: they are 14 modules, 2 % of the time until a server answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from ...accounts.config.config import Config
from ...accounts.config.state_place import state_place
from ...snapshot import HistoryView

if TYPE_CHECKING:
    from ...history.issue_totals import IssueTotals
    from ...history.retention import Limits
    from ...history.writer import HistoryWriter

__all__ = ["LiveHistory", "history_path"]

READ_WITHIN_SEC = 2.5  # that a reading waits for what has just ended; a session's files take 2 s at most
PAUSE_SEC = 0.1
LEDGER = "ledger"  # of a state file: the usage by conversation, as versions before the history kept it


def history_path(config: Path) -> Path:
    """Return where the history file of a config file is."""
    return state_place(config, "history.db")


class LiveHistory:
    """The history by `config` in its file beside the config file `path`.  Any thread."""

    def __init__(
        self, path: Path, config: Config, warn: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._path, self._config, self._warn, self._clock = path, config, warn, clock
        self._lock = threading.Lock()  # guards _parts
        self._parts: Optional[tuple[IssueTotals, Optional[HistoryWriter]]] = None
        self._state: Mapping[str, Any] = {}
        # Counts what has ended; returns how many requests wait for their session's files.
        self.deliver: Callable[[], int] = lambda: 0
        self._old_ledger: Any = None

    @property
    def issues(self) -> IssueTotals:
        """The usage by issue."""
        return self._made()[0]

    @property
    def writer(self) -> Optional[HistoryWriter]:
        """The writer of the file; None when the config switches the history off."""
        return self._made()[1]

    def _made(self) -> tuple[IssueTotals, Optional[HistoryWriter]]:
        with self._lock:
            if self._parts is None:
                self._parts = self._make()
            return self._parts

    def _make(self) -> tuple[IssueTotals, Optional[HistoryWriter]]:
        from ...history.issue_totals import IssueTotals

        config, seconds = self._config, _issues_sec(self._config)
        issues = IssueTotals(seconds)
        if not config.history:
            return issues, None
        from ...history.writer import HistoryWriter

        path = str(history_path(self._path))
        writer = HistoryWriter(path, _limits(config), issues, seconds, self._warn, self._clock)
        writer.state = self._state
        return issues, writer

    def configure(self, config: Config) -> None:
        """Take over the limits of a reloaded config; it is switched on and off by a restart."""
        self.issues.configure(_issues_sec(config))
        if self.writer is not None:
            self.writer.limits = _limits(config)

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Take what an older version has left in the state file, before anything is asked."""
        self._old_ledger = state.get(LEDGER)
        self._state = state

    def start(self) -> None:
        """Write in the background from now on."""
        if self.writer is not None:
            self.writer.start()

    def write_now(self) -> None:
        """Have what has ended in the file, so that it can be read; give up after READ_WITHIN_SEC."""
        if self.writer is None:
            return
        left = READ_WITHIN_SEC
        while self.deliver() and left > 0:
            time.sleep(PAUSE_SEC)
            left -= PAUSE_SEC
        self.writer.write_now(max(left, PAUSE_SEC))

    def with_old_ledger(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state to save: until the history has the old ledger, it stays there."""
        if self._old_ledger and not (self.writer is not None and self.writer.ledger_imported):
            state[LEDGER] = self._old_ledger
        return state

    @property
    def view(self) -> HistoryView:
        """What `status --json` shows of it."""
        return HistoryView() if self.writer is None else self.writer.view


def _limits(config: Config) -> Limits:
    from ...history.retention import Limits

    return Limits(config.history_retention_days, int(config.history_max_mb * 1e6))


def _issues_sec(config: Config) -> float:
    return config.rules.ledger_retention_hours * 3600.0
