"""The thread that writes the history file.

Rules that hold in this file:

1. Those who add something never wait for the disk: they take a lock for a few instructions.
2. What was added is in the file WRITE_SEC later, or when somebody wants to read it; a kill loses no more
   than that.  What can't be written waits, counted together by row, and gives way to newer things when there
   is too much of it.
3. A disk that is full, broken or hangs is one warning, until it works again.
4. A file that turns out to be damaged is set aside, and a new one begun.
5. A file that somebody has removed or replaced is not written any more: what is at the path is opened anew.
6. Without something to write the thread sleeps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..snapshot import HistoryView
from ..threads import Signal, start_with_retry
from .database import (
    NO_MODULE,
    NewerSchemaError,
    file_bytes,
    file_ids,
    is_damage,
    is_of_disk,
    open_to_write,
    remove_rest,
    set_aside,
)
from .issue_totals import IssueTotals, stored_totals
from .ledger_import import import_ledger
from .pending import Pending
from .reader import HistoryReader
from .retention import Limits
from .rows import Event, QuotaReading, RequestFacts
from .store import Store
from .upkeep import upkeep

if TYPE_CHECKING:
    import sqlite3

__all__ = ["HistoryWriter"]

WRITE_SEC = 5.0  # that more is waited for
RETRY_SEC = 30.0  # after an error
FIRST_UPKEEP_SEC = 60.0  # after the start, which is busy enough
UPKEEP_SEC = 3600.0
COUNT_SEC = 60.0  # between two counts of the rows, which take 10 ms when there are many
PIECE_PAUSE_SEC = 0.02  # between two pieces of upkeep: for requests, and for other processes that write
HANGS_SEC = 60.0  # a write takes milliseconds
CLOSE_TIMEOUT_SEC = 3.0


class HistoryWriter:
    """The history file at `path`.  Any thread may call any method.

    `retention_sec` is that of the usage by issue.  `clock` returns epoch seconds; `warn` gets lines for
    people.  `state` is the state file's content, for what older versions kept there; set it before `start`.
    """

    def __init__(
        self,
        path: str,
        limits: Limits,
        issues: IssueTotals,
        retention_sec: float,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.limits = limits
        self.state: Mapping[str, Any] = {}
        self._issues, self._retention_sec = issues, retention_sec
        self._warn, self._clock = warn, clock
        self._pending = Pending()
        self._lock = threading.Lock()  # guards _pending and _readers
        self._wake = Signal()
        self._closing = threading.Event()
        self._at_once = threading.Event()  # don't wait for more
        self._readers: list[threading.Event] = []  # set when what was added before is written
        self._busy_since: Optional[float] = None  # monotonic, while it writes
        self._problem = ""  # that was warned of
        self._over = False  # nothing will be written any more
        self._store: Optional[Store] = None
        self._files: tuple[tuple[int, int], ...] = ()  # that the store is in
        self._upkeep_due = time.monotonic() + FIRST_UPKEEP_SEC
        self._count_due = 0.0
        self._view = HistoryView(on=True)
        self.ledger_imported = False
        self._thread = threading.Thread(target=self._run, name="history-writer", daemon=True)

    def start(self) -> None:
        """Open the file and write in a background thread from now on."""
        self._wake.set()
        if not start_with_retry(self._thread):
            self._over = True
            self._fail("no thread could be started")

    def close(self) -> None:
        """Write the rest; give up after 3 s."""
        self._closing.set()
        self._at_once.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_TIMEOUT_SEC)

    def write_now(self, seconds: float) -> None:
        """Return once what was added before is in the file, or after so many seconds, or at a problem."""
        written = threading.Event()
        with self._lock:
            if self._over or self._problem or not self._thread.is_alive():
                return
            self._readers.append(written)
        self._at_once.set()
        self._wake.set()
        written.wait(seconds)

    def reader(self) -> HistoryReader:
        """Open the file for reading in the calling thread; raise HistoryError."""
        return HistoryReader(self.path)

    @property
    def view(self) -> HistoryView:
        """The state of the history, as of the last write."""
        return self._view

    def add_all(self, all_facts: Iterable[RequestFacts]) -> None:
        """Count requests."""
        with self._lock:
            if not self._over:
                self._pending.add_all(all_facts)
        if not self._wake.is_set:
            self._wake.set()

    def add_readings(self, readings: Iterable[QuotaReading]) -> None:
        """Keep quota readings."""
        with self._lock:
            if not self._over:
                self._pending.add_readings(readings)
        self._wake.set()

    def add_event(self, event: Event) -> None:
        """Keep an event."""
        with self._lock:
            if not self._over:
                self._pending.add_event(event)
        self._wake.set()

    def check(self) -> None:
        """Warn once of a write that hangs."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > HANGS_SEC and not self._problem:
            self._fail(f"the disk has not answered for {HANGS_SEC:.0f} s")

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.wait()
                pause = RETRY_SEC if self._problem else WRITE_SEC if self._store is not None else 0.0
                self._at_once.wait(pause)
                self._at_once.clear()
                self._wake.clear()
                if not self._attempt():
                    self._wake.set()  # try again after the pause
                if self._over:
                    return
            self._attempt()
        finally:
            self._leave_store()

    def _attempt(self) -> bool:
        """Write what waits; return False if it has to be tried again."""
        self._busy_since = time.monotonic()
        with self._lock:
            readers, self._readers = self._readers, []
        try:
            self._leave_if_gone()
            if self._store is None:
                self._store = self._open()
                self._files = file_ids(self.path)
                self._count(self._store.database)
            self._write(self._store)
            self._keep_up(self._store)
        except ImportError:
            self._end(NO_MODULE)
        except NewerSchemaError:
            self._end(f"{self.path} was written by a newer version of teamclaude, which alone may write it")
        except Exception as error:
            self._failed(error)
            return False
        else:
            if self._problem:
                self._problem = ""
                self._warn(f"the history is written to {self.path} again")
            self._look()
        finally:
            self._busy_since = None
            for written in readers:
                written.set()
        return True

    def _leave_if_gone(self) -> None:
        """Close a file that is not at the path any more: what is written to it could never be read."""
        if self._store is None or file_ids(self.path)[0] == self._files[0]:
            return
        self._leave_store()
        remove_rest(self.path, self._files)
        self._warn(f"the history file {self.path} was removed or replaced; going on with what is there now")

    def _leave_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(Exception):  # what could not be written is lost in any case, or tried again
                store.database.close()

    def _open(self) -> Store:
        store = Store(open_to_write(self.path, self._warn, self._clock))
        try:
            import_ledger(store, self.state)
            self.state, self.ledger_imported = {}, True
            if self._retention_sec:
                self._issues.load(stored_totals(store.database, self._clock() - self._retention_sec))
                self._retention_sec = 0.0  # once: what comes later is counted as it comes
        except BaseException:
            store.database.close()
            raise
        return store

    def _write(self, store: Store) -> None:
        with self._lock:
            batch, lost = self._pending.take(), self._pending.lost
            self._pending.lost = 0
        if not any(batch):
            return
        try:
            store.write(batch)
        except Exception as error:
            if is_of_disk(error):  # else the batch itself is at fault: it would be so every time
                with self._lock:
                    self._pending.put_back(batch)
                    self._pending.lost += lost
            raise
        if batch.usage and time.monotonic() >= self._count_due:
            self._count_due = time.monotonic() + COUNT_SEC
            self._count(store.database)
        if lost:
            self._warn(f"the history lacks {lost} rows: there was no room while it could not be written")

    def _keep_up(self, store: Store) -> None:
        now = time.monotonic()
        if now < self._upkeep_due or self._closing.is_set():
            return
        self._upkeep_due = now + UPKEEP_SEC

        def pause() -> bool:
            self._busy_since = time.monotonic()  # each piece is one write
            return self._closing.wait(PIECE_PAUSE_SEC)

        upkeep(store, self.limits, self._clock(), pause)
        self._count(store.database)

    def _count(self, database: sqlite3.Connection) -> None:
        rows, begin = database.execute("SELECT count(*), min(begin) FROM usage").fetchone()
        (first,) = database.execute("SELECT min(first_at) FROM days").fetchone()
        self._view = self._view._replace(rows=rows, since=begin if first is None else float(first))

    def _look(self) -> None:
        self._view = self._view._replace(bytes=file_bytes(self.path), problem=self._problem)

    def _failed(self, error: Exception) -> None:
        self._leave_store()
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if is_damage(error):
            try:
                set_aside(self.path, f"is damaged ({text})", self._warn, self._clock())
            except OSError as trouble:
                text = f"damaged, and not renamed: {trouble.strerror}"
            else:
                return
        self._fail(text)

    def _fail(self, why: str) -> None:
        if not self._problem:
            self._warn(f"the history is not written to {self.path} ({why}); trying again")
        self._problem = why
        self._view = self._view._replace(problem=why)

    def _end(self, why: str) -> None:
        """Say why nothing will be written any more, and forget what waits."""
        with self._lock:
            self._over = True
            self._pending = Pending()
        self._warn(f"no history is kept: {why}")
        self._view = HistoryView(on=False, problem=why)
