"""The history of a running server: its writer, the usage by issue, and what an older state file holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

from ...accounts.config.config import Config
from ...accounts.config.state_place import state_place
from ...history.issue_totals import IssueTotals
from ...history.retention import Limits
from ...history.writer import HistoryWriter
from ...snapshot import HistoryView

__all__ = ["LiveHistory", "history_path"]

READ_WITHIN_SEC = 2.5  # that a reading waits for what has just ended; a session's files take 2 s at most
PAUSE_SEC = 0.1
LEDGER = "ledger"  # of a state file: the usage by conversation, as versions before the history kept it


def history_path(config: Path) -> Path:
    """Return where the history file of a config file is."""
    return state_place(config, "history.db")


class LiveHistory:
    """`writer` is None when the config switches the history off; `issues` is there in any case."""

    def __init__(
        self, path: Path, config: Config, warn: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        seconds = _issues_sec(config)
        self.issues = IssueTotals(seconds)
        self.writer: Optional[HistoryWriter] = None
        if config.history:
            self.writer = HistoryWriter(
                str(history_path(path)), _limits(config), self.issues, seconds, warn, clock
            )
        # Counts what has ended; returns how many requests wait for their session's files.
        self.deliver: Callable[[], int] = lambda: 0
        self._old_ledger: Any = None

    def configure(self, config: Config) -> None:
        """Take over the limits of a reloaded config; it is switched on and off by a restart."""
        self.issues.configure(_issues_sec(config))
        if self.writer is not None:
            self.writer.limits = _limits(config)

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Take what an older version has left in the state file, before `start`."""
        self._old_ledger = state.get(LEDGER)
        if self.writer is not None:
            self.writer.state = state

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
    return Limits(config.history_retention_days, int(config.history_max_mb * 1e6))


def _issues_sec(config: Config) -> float:
    return config.rules.ledger_retention_hours * 3600.0
