"""The files that a server writes: state, history, logs; and what crashes have left beside them.

Rules:
1. Nothing is written: a history without a log is opened as one that can't change, since SQLite would make an
   index file otherwise.
2. A check of the whole history ends after CHECK_S.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ....accounts.config.atomic_write import foreign_writer_warning
from ....accounts.config.config import Config
from ....accounts.config.config_file import path_beside
from ....accounts.config.json_file import json_object
from ....accounts.config.state_place import state_path, state_place
from ....brief import brief_lines
from ....errors import HistoryError
from ....history.database import SUFFIXES, file_bytes, open_to_read
from ....history.schema import SCHEMA_VERSION, version_of
from ....proxy.reporting.live_history import history_path
from ....values import NamedTuple
from ...claude_code.settings_files import bytes_of
from ..subject import Subject
from .configured_program import why_unusable

if TYPE_CHECKING:
    import sqlite3

__all__ = ["HistoryFacts", "RecordFacts", "StateFacts", "record_facts"]

CHECK_S = 1.0
PROGRESS_STEPS = 20_000  # of SQLite's virtual machine: a millisecond
LEFT_OVER_SEC = 60.0  # a file that is being written is younger
MOST_FILES = 2000  # looked at in one directory
ASIDE = ("corrupt", "newer")  # why a state or a history was set aside, in its name
REMAINS = (*ASIDE, "replaced")
BESIDE = ("tokens", "tls", "undo", "run", "servers")  # directories beside the config file


class StateFacts(NamedTuple):
    """The state file; `saved_at` in epoch seconds."""

    path: str
    exists: bool = False
    problem: str = ""
    size: int = 0
    saved_at: Optional[float] = None


class HistoryFacts(NamedTuple):
    """The history file; `damage` is SQLite's line, `was_checked` False if the check took too long."""

    path: str
    exists: bool = False
    problem: str = ""
    damage: str = ""
    is_newer: bool = False
    size: int = 0
    was_checked: bool = True


class RecordFacts(NamedTuple):
    """`readable`: files and directories that others can read, with their modes.

    `corrupt`, `replaced` and `temporary` are files left behind; `held_lock`: a lock that another process
    keeps; `log_dangers`: about the directory of request logs; `alert_problems`: programs that can't be run.
    """

    state: StateFacts
    history: HistoryFacts
    readable: tuple[tuple[str, int], ...] = ()
    corrupt: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    held_lock: str = ""
    log_dangers: tuple[str, ...] = ()
    alert_problems: tuple[str, ...] = ()


def record_facts(subject: Subject, config: Optional[Config]) -> RecordFacts:
    """Return what is there."""
    path = subject.path
    state, history = str(state_path(path)), str(history_path(path))
    names = dict.fromkeys(os.path.dirname(os.path.realpath(each)) for each in (str(path), state, history))
    left = [file for directory in names for file in _files_in(directory)]
    stem = path.name[: -len(".json")] if path.name.endswith(".json") else path.name
    bases = (os.path.basename(state), os.path.basename(history))
    return RecordFacts(
        _state_facts(state),
        _history_facts(history),
        tuple(_readable(path, state, history)),
        tuple(f for f in left if _name(f).startswith(tuple(f"{b}.{why}-" for b in bases for why in ASIDE))),
        tuple(f for f in left if _name(f).startswith(f"{stem}.replaced-")),
        tuple(f for f in left if _is_temporary(f, (path.name, *bases), subject.now)),
        _held_lock(path),
        tuple(_log_dangers(config)),
        tuple(brief_lines(_alert_problems(config), lambda line: "alerts")),
    )


# --- state and history -----------------------------------------------------------------------------------


def _state_facts(path: str) -> StateFacts:
    try:
        found = os.stat(path)
        data = bytes_of(Path(path))
    except FileNotFoundError:
        return StateFacts(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return StateFacts(path, True, f"can't be read ({why})")
    problem = "" if json_object(data) is not None else "is no JSON object"
    return StateFacts(path, True, problem, len(data), found.st_mtime)


def _history_facts(path: str) -> HistoryFacts:
    if not os.path.lexists(path):
        return HistoryFacts(path)
    facts = HistoryFacts(path, True, size=file_bytes(path))
    try:
        import sqlite3
    except ImportError:
        return facts._replace(was_checked=False)
    try:
        database = _opened(path)
    except HistoryError as error:
        return facts._replace(problem=str(error))
    except sqlite3.Error as error:
        return facts._replace(damage=str(error))
    try:
        return _checked(facts, database)
    except sqlite3.OperationalError as error:
        if "interrupt" in str(error):
            return facts._replace(was_checked=False)
        return facts._replace(problem=str(error))
    except sqlite3.Error as error:
        return facts._replace(damage=str(error))
    finally:
        database.close()


def _opened(path: str) -> sqlite3.Connection:
    if os.path.exists(path + "-wal") or not os.path.isfile(path) or not os.path.getsize(path):
        return open_to_read(path)
    import sqlite3

    uri = Path(os.path.abspath(path)).as_uri()
    return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _checked(facts: HistoryFacts, database: sqlite3.Connection) -> HistoryFacts:
    deadline = time.monotonic() + CHECK_S
    database.set_progress_handler(lambda: int(time.monotonic() > deadline), PROGRESS_STEPS)
    if version_of(database) > SCHEMA_VERSION:
        return facts._replace(is_newer=True)
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    return facts if found == "ok" else facts._replace(damage=str(found).splitlines()[0])


# --- what lies about -------------------------------------------------------------------------------------


def _name(path: str) -> str:
    return os.path.basename(path)


def _files_in(directory: str) -> list[str]:
    found: list[str] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if len(found) == MOST_FILES:
                    break
                if entry.name.startswith(".") or any(f".{why}-" in entry.name for why in REMAINS):
                    found.append(entry.path)
    except OSError:
        pass
    return sorted(found)


def _is_temporary(path: str, names: Sequence[str], now: float) -> bool:
    name = _name(path)
    if not name.endswith(".tmp") or not any(name.startswith(f".{base}.") for base in names):
        return False
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and now - found.st_mtime > LEFT_OVER_SEC


def _readable(config: Path, state: str, history: str) -> Iterator[tuple[str, int]]:
    if os.name != "posix":
        return
    places = [state, *(history + suffix for suffix in SUFFIXES), str(state_place(config, "server.log"))]
    places += [str(state_place(config, "traffic")), *(str(path_beside(config, each)) for each in BESIDE)]
    for place in places:
        try:
            found = os.stat(place)
        except OSError:
            continue
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            yield place, stat.S_IMODE(found.st_mode)


def _held_lock(config: Path) -> str:
    """Return the config file's lock if another process holds it for a second; it is never made here."""
    path = f"{os.path.realpath(config)}.lock"
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (ImportError, OSError):
        return ""
    try:
        deadline = time.monotonic() + CHECK_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return ""
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return path
                time.sleep(0.05)
            except OSError:  # a file system without locks
                return ""
    finally:
        os.close(handle)


def _log_dangers(config: Optional[Config]) -> Iterator[str]:
    if config is None or not config.log_requests:
        return
    if not config.log_dir:
        yield "logRequests is on, and logDir names no directory"
        return
    place = os.path.expanduser(config.log_dir)
    if os.path.lexists(place) and not os.path.isdir(place):
        yield f"logDir: {place} is no directory"
    danger = foreign_writer_warning(place)
    if danger:
        yield danger


def _alert_problems(config: Optional[Config]) -> Iterator[str]:
    for alert in config.alerts if config else ():
        problem = why_unusable(alert.run) if alert.run else ""
        if problem:
            yield f"{problem} (alert: {alert.when})"
