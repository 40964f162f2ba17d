"""Read Claude Code's files in a background thread, with this machine's load.

Rule 1: read only the files of sessions that may be shown; of all other transcripts only stat the entry.
Rule 2: bound each pass (files, bytes), and the CPU share of full scans, however many files there are.
Rule 3: keep `sources` the same object while nothing changes: no frame has to be drawn again.
Rule 4: never raise: a file that cannot be read counts as missing.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Optional, Union

from ...threads import start_with_retry
from ...values import replace
from .machine import MachineLoadReader
from .registry import SessionRegistry
from .session_files import SessionFiles, TranscriptFinder
from .sources import (
    NO_SOURCES,
    SHOWN_SEC,
    TOOL_SEC,
    ClientProcess,
    IssuePin,
    MachineLoad,
    RegistryRow,
    Sources,
)

__all__ = ["SourceReader"]

BUSY_PAUSE_SEC, IDLE_PAUSE_SEC = 1.0, 4.0  # between two passes
IDLE_AFTER_SEC = 15.0  # without a change
MIN_PAUSE_SEC = 0.25  # between two passes, also when a new session is wanted
SCAN_SEC = 3.0  # between two scans for new transcripts and changed pins
FULL_SCAN_SEC = 20.0  # at least, between two scans of all transcripts
FULL_SCAN_CPU_SHARE = 0.0004  # of one core, at most, for full scans
MACHINE_SEC = 4.0
LOOK_SEC = 4.0  # for the directory of a session; then it has none, for now
ASK_AGAIN_SEC = 60.0  # after it was looked for in vain
MAX_SESSIONS = 500
PINNED_SEC = 7 * 86400.0  # since its last change a registered session's issue may still wait for its person
MAX_WHOLE_BYTES = 8 << 20  # of transcripts read as a whole in one pass


class _Timer:
    """Tell when a periodic action is due, also after the clock was set back."""

    def __init__(self, period: float) -> None:
        self.period = period
        self._last: Optional[float] = None

    def due(self, now: float) -> bool:
        last = self._last  # another thread may call `expire`
        if last is not None and last <= now < last + self.period:
            return False
        self._last = now
        return True

    def expire(self) -> None:
        self._last = None


class SourceReader:
    """Keep `sources` up to date; `home` is Claude Code's directory ($CLAUDE_CONFIG_DIR or ~/.claude).

    Any thread may call any method.  `start` runs passes in a thread until `close`.
    """

    def __init__(
        self,
        home: Union[str, os.PathLike[str]],
        clock: Callable[[], float] = time.time,
        machine_reader: Optional[MachineLoadReader] = None,
    ) -> None:
        path = os.fspath(home)
        self._clock = clock
        self._finder = TranscriptFinder(path)
        self._registry = SessionRegistry(path)
        self._machine_reader = machine_reader or MachineLoadReader()
        self._machine = MachineLoad()
        self._files: dict[str, SessionFiles] = {}
        self._wanted: frozenset[str] = frozenset()
        self._sources = NO_SOURCES
        self._asked: dict[str, float] = {}  # sessions whose directory is looked for, and since when
        self._scan_timer, self._full_scan_timer, self._machine_timer = (
            _Timer(SCAN_SEC),
            _Timer(FULL_SCAN_SEC),
            _Timer(MACHINE_SEC),
        )
        self._recent: dict[str, float] = {}  # session -> mtime of its transcript
        self._pins: dict[str, Optional[IssuePin]] = {}
        self._at_tool: set[str] = set()
        self._registered: frozenset[str] = frozenset()  # sessions whose pins are read after a long pause, too
        self._incomplete = False  # some transcripts are left for the next pass to read as a whole
        self._changed_at = clock()
        self._pass_lock = threading.Lock()  # one pass at a time; guards everything above but _wanted
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread: Optional[threading.Thread] = None

    # --- for the Deck -----------------------------------------------------------------------------

    @property
    def sources(self) -> Sources:
        """The result of the last pass."""
        return self._sources

    def set_wanted(self, sessions: Iterable[str]) -> None:
        """Set the sessions whose files matter (`conversations.sessions_of`); look for new ones at once."""
        wanted = frozenset(sessions)
        added = wanted - self._wanted
        self._wanted = wanted
        if added:
            self._scan_timer.expire()
            self._wake.set()

    def issue_of(self, session: str) -> Optional[str]:
        """Return the issue that a session is pinned to, as of the last pass; touch no file."""
        return self._sources.issue_of(session)

    def directory_of(self, session: str) -> Optional[str]:
        """Return the directory that a session works in, as of the last pass; touch no file.

        None: it is being looked for, at once and for LOOK_SEC; then it is empty, and looked for again later.
        """
        found = self._sources.directory_of(session)
        if found is not None:
            return found
        now, began = self._clock(), self._asked.get(session)
        if began is None or not 0 <= now - began < ASK_AGAIN_SEC:
            if len(self._asked) >= MAX_SESSIONS:
                self._asked = {}
            self._asked[session] = began = now
            self._scan_timer.expire()
            self._wake.set()
        return None if now - began < LOOK_SEC else ""

    def start(self) -> None:
        """Run passes in a background thread; do nothing when no thread can be started."""
        thread = threading.Thread(target=self._run, name="deck-sources", daemon=True)
        self._thread = thread if start_with_retry(thread) else None

    def close(self) -> None:
        """End the background passes; wait at most 2 s for the current one."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2.0)

    @property
    def pause_sec(self) -> float:
        """Seconds to the next pass; longer when nothing has changed for a while."""
        if self._incomplete:
            return MIN_PAUSE_SEC
        return BUSY_PAUSE_SEC if self._clock() - self._changed_at < IDLE_AFTER_SEC else IDLE_PAUSE_SEC

    def _run(self) -> None:
        while not self._closed.is_set():
            # Whatever the disk holds, the Deck continues with what is known.
            with contextlib.suppress(Exception):
                self.refresh()
            self._closed.wait(MIN_PAUSE_SEC)
            self._wake.wait(self.pause_sec - MIN_PAUSE_SEC)
            self._wake.clear()

    # --- one pass ---------------------------------------------------------------------------------

    def refresh(self) -> Sources:
        """Run one pass; return its result."""
        with self._pass_lock:
            now = self._clock()
            scanned, scanned_all = self._find_transcripts(now)
            rows, clients = self._registry.rows(), self._registry.clients()
            if scanned_all:
                self._registry.retain((*rows, *self._files))
                self._at_tool = self._sessions_at_a_tool(rows, now)
                self._registered = self._registered_lately(rows, now)
            sessions = self._candidates(now, rows, clients)
            self._update_files(sessions, now, scanned_all)
            if self._machine_timer.due(now):
                self._machine = self._machine_reader.read()
            found = self._collect(sessions, rows, clients, scanned, scanned_all)
            if found != self._sources:
                if replace(found, machine=self._sources.machine) != self._sources:
                    self._changed_at = now  # the machine's load alone changes all the time
                self._sources = found
            return self._sources

    def _find_transcripts(self, now: float) -> tuple[bool, bool]:
        """Scan for transcripts when it is due; return (scanned, scanned all files)."""
        scan, full_scan = self._scan_timer.due(now), self._full_scan_timer.due(now)
        if full_scan:
            began = time.thread_time()
            self._finder.scan_all()
            self._full_scan_timer.period = max(
                FULL_SCAN_SEC, (time.thread_time() - began) / FULL_SCAN_CPU_SHARE
            )
        elif scan:
            self._finder.scan_new()
        if scan or full_scan:
            self._recent = {
                session: found.modified
                for session, found in self._finder.transcripts.items()
                if found.modified >= now - SHOWN_SEC
            }
        return scan, full_scan

    def _sessions_at_a_tool(self, rows: Iterable[str], now: float) -> set[str]:
        """Return the registered sessions with a fresh tool marker, however old their transcripts are."""
        markers = {session: self._registry.tool(session) for session in rows}
        return {session for session, at in markers.items() if at is not None and now - at < TOOL_SEC}

    def _registered_lately(self, rows: Mapping[str, RegistryRow], now: float) -> frozenset[str]:
        """Return the registered sessions of the last days, the last changed ones, at most MAX_SESSIONS."""
        changed = {}
        for session, row in rows.items():
            found = self._finder.transcripts.get(session)
            at = row.started if found is None else found.modified
            if at is not None and at >= now - PINNED_SEC:
                changed[session] = at
        return frozenset(sorted(changed, key=lambda session: (-changed[session], session))[:MAX_SESSIONS])

    def _candidates(
        self, now: float, rows: Mapping[str, RegistryRow], clients: Mapping[str, ClientProcess]
    ) -> list[str]:
        """Return the sessions that may be shown: wanted ones first, then the last changed or started ones."""
        changed = dict(self._recent)
        for session, files in self._files.items():
            if files.value is not None and files.value.changed >= now - SHOWN_SEC:
                changed[session] = files.value.changed
        for session in (*rows, *clients):
            if session not in self._finder.transcripts:
                changed[session] = now  # it has just started, or its transcript is elsewhere
        waiting = (session for session, client in clients.items() if client.status == "waiting")
        asked = [session for session, at in self._asked.copy().items() if 0 <= now - at < LOOK_SEC]
        for session in (*self._wanted, *asked, *self._at_tool, *waiting):
            changed[session] = math.inf
        return sorted(changed, key=lambda session: (-changed[session], session))[:MAX_SESSIONS]

    def _update_files(self, sessions: Iterable[str], now: float, thoroughly: bool) -> None:
        updated: dict[str, SessionFiles] = {}
        for session in sessions:
            found = self._finder.transcripts.get(session)
            if found is not None:
                known = self._files.get(session)
                files = known if known is not None and known.path == found.path else SessionFiles(found.path)
                files.update(now, thoroughly)
                updated[session] = files
        self._files = updated
        left = MAX_WHOLE_BYTES
        for files in updated.values():
            if left > 0 and files.incomplete:
                left -= files.read_whole()
        self._incomplete = any(files.incomplete for files in updated.values())

    def _collect(
        self,
        sessions: Collection[str],
        rows: Mapping[str, RegistryRow],
        clients: Mapping[str, ClientProcess],
        scanned: bool,
        scanned_all: bool,
    ) -> Sources:
        known = {} if scanned_all else self._pins
        if scanned and not scanned_all:  # those of quiet sessions wait for a full scan
            known = {
                session: known[session]
                for session in self._registered.difference(sessions)
                if session in known
            }
        self._pins = {
            session: known[session] if session in known else self._registry.pin(session)
            for session in {*sessions, *self._registered}
        }
        tools = {session: self._registry.tool(session) for session in sessions}
        shown = set(sessions)
        return Sources(
            registry={session: row for session, row in rows.items() if session in shown},
            pins={session: pin for session, pin in self._pins.items() if pin is not None},
            tools={session: at for session, at in tools.items() if at is not None},
            clients={session: client for session, client in clients.items() if session in shown},
            transcripts={
                session: files.value for session, files in self._files.items() if files.value is not None
            },
            machine=self._machine,
        )
