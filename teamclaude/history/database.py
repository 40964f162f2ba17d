"""Open the history file: for its one writer, and for readers of any process.

Rules that hold in this file:

1. The file and what SQLite keeps beside it (-wal, -shm) are readable by their owner only: SQLite gives those
   the mode of the file, so that is set before the first connection.
2. A file that is corrupt or of another program is renamed, with what is beside it, and a new one begun.
3. A file of a newer version is never written, renamed or migrated; readers take what they know of it.
4. `sqlite3` is imported where it is used: not every Python has it, and no start should wait for it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from ..errors import HistoryError
from .schema import APPLICATION_ID, SCHEMA_VERSION, migrate, version_of

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "SUFFIXES",
    "NewerSchemaError",
    "file_bytes",
    "file_ids",
    "is_damage",
    "is_of_disk",
    "open_to_read",
    "open_to_write",
    "remove_rest",
    "rename_unused",
    "set_aside",
]

SUFFIXES = ("", "-wal", "-shm", "-journal")  # of the files that are one database
TIMEOUT_SEC = 5.0  # for another process's transaction
CACHE_KIB = 512  # of pages in memory, for each connection
CHECKPOINT_PAGES = 256  # of the write-ahead log
CHECK_SEC = 86400.0  # between two checks of the whole file
NO_MODULE = "this Python has no module sqlite3, in which the history is kept"


class NewerSchemaError(Exception):
    """The file was written by a newer version."""


def open_to_write(path: str, warn: Callable[[str], None], clock: Callable[[], float]) -> sqlite3.Connection:
    """Return a connection in autocommit mode to a file that has the current tables.

    A corrupt or foreign file is set aside with one line to `warn`.  Raise OSError or sqlite3.Error where the
    disk is at fault, NewerSchemaError for a newer file, ImportError without the module sqlite3.
    """
    import sqlite3

    for _ in range(2):
        why = ""
        if _make_private(path):
            database = sqlite3.connect(path, timeout=TIMEOUT_SEC, isolation_level=None)
            try:
                why = _foreign(database)
                if not why:
                    return _prepared(database, clock())
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    database.close()
                    raise
                why = f"is damaged ({error})"
            except BaseException:
                database.close()
                raise
            database.close()
        set_aside(path, why or "is no file", warn, clock())
    raise OSError(f"{path} is damaged as soon as it is made")


def is_damage(error: Exception) -> bool:
    """Return whether SQLite says that the file itself is no database or is corrupt."""
    import sqlite3

    # Full disks, missing rights and locks are OperationalError, wrong rows IntegrityError.
    return type(error) is sqlite3.DatabaseError


def is_of_disk(error: Exception) -> bool:
    """Return whether the file or its disk is at fault, and not what was to be written."""
    import sqlite3

    return isinstance(error, (OSError, sqlite3.OperationalError)) or is_damage(error)


def _make_private(path: str) -> bool:
    """Create the file, or take others' rights to it; return False if it is something else than a file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        return True
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
        return False
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_IMODE(os.stat(path + suffix).st_mode) & 0o077 and os.name != "nt":
                os.chmod(path + suffix, 0o600)
    return True


def _foreign(database: sqlite3.Connection) -> str:
    """Return why it is no history file, empty if it is one or new; raise NewerSchemaError, sqlite3.Error."""
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return "is another program's database"
    if version_of(database) > SCHEMA_VERSION:
        raise NewerSchemaError
    return ""


def _prepared(database: sqlite3.Connection, now: float) -> sqlite3.Connection:
    """Make or migrate the tables, set up the connection, check the file once a day; raise sqlite3.Error."""
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file: without it a file never shrinks
    database.execute("PRAGMA journal_mode = WAL").fetchone()
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    database.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_PAGES * 4096}")
    migrate(database)
    checked = database.execute("SELECT value FROM meta WHERE name = 'checked_at'").fetchone()
    if checked is None or not 0 <= now - float(checked[0]) < CHECK_SEC:
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            import sqlite3

            raise sqlite3.DatabaseError(found.splitlines()[0])
        database.execute("REPLACE INTO meta VALUES ('checked_at', ?)", (str(now),))
    return database


def set_aside(path: str, why: str, warn: Callable[[str], None], now: float) -> None:
    """Rename the file and what belongs to it to `<path>.corrupt-<time>`; raise OSError."""
    name = aside = f"{path}.corrupt-{time.strftime('%Y%m%d_%H%M%S', time.localtime(now))}"
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{name}-{number}"
    os.rename(path, aside)
    for suffix in SUFFIXES[1:]:
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + suffix, aside + suffix)
    warn(f"the history file {path} {why}; it is now {aside}; beginning a new one")


def rename_unused(path: str, rename: Callable[[], None]) -> bool:
    """Call `rename` while no process has the database at `path` open; return False if one has.

    Before it, what the write-ahead log holds is written into the file, and the log is gone: SQLite ends the
    mode WAL only for a connection that is alone.  A file that is no history, or is damaged, is not renamed.
    Raise OSError from `rename`.
    """
    try:
        import sqlite3
    except ImportError:
        return False
    try:
        database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
        with contextlib.closing(database):
            if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return False
            if database.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
                return False
            database.execute("BEGIN EXCLUSIVE")
            rename()
            return True
    except sqlite3.Error:
        return False


def open_to_read(path: str) -> sqlite3.Connection:
    """Return a read-only connection for one thread; raise HistoryError.

    A newer version's file is opened, too: it has what this version knows, unless it says otherwise later.
    """
    try:
        import sqlite3
    except ImportError:
        raise HistoryError(NO_MODULE) from None
    if not os.path.isfile(path):
        raise HistoryError(f"there is no history yet: {path} does not exist; a running server writes it")
    uri = Path(os.path.abspath(path)).as_uri()
    try:
        return _opened(f"{uri}?mode=ro", path)
    except sqlite3.OperationalError as error:
        # In a directory that can't be written the log's index can't be made; without a log none is needed.
        if os.path.exists(path + "-wal"):
            raise HistoryError(f"the history file {path} can't be read ({error})") from None
        try:
            return _opened(f"{uri}?mode=ro&immutable=1", path)
        except sqlite3.Error as again:
            raise HistoryError(f"the history file {path} can't be read ({again})") from None
    except sqlite3.DatabaseError as error:
        raise HistoryError(damage_text(path, error)) from None


def damage_text(path: str, error: Exception) -> str:
    """Return the line for a file that SQLite calls damaged."""
    return f"the history file {path} is damaged ({error}); a server that starts sets it aside"


def _opened(uri: str, path: str) -> sqlite3.Connection:
    import sqlite3

    database = sqlite3.connect(uri, uri=True, timeout=TIMEOUT_SEC, isolation_level=None)
    try:
        version = version_of(database)
        if not version and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise HistoryError(f"there is no history yet: {path} is empty; a running server writes it")
        if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise HistoryError(f"{path} is no history file but another program's database")
    except BaseException:
        database.close()
        raise
    return database


def file_ids(path: str) -> tuple[tuple[int, int], ...]:
    """Return what tells each of the files from another one of its name, the database first; (0, 0): none."""

    def id_of(file: str) -> tuple[int, int]:
        try:
            found = os.stat(file)
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    return tuple(id_of(path + suffix) for suffix in SUFFIXES)


def remove_rest(path: str, ours: tuple[tuple[int, int], ...]) -> None:
    """Remove what is left of a database whose file is gone: SQLite would apply its log to the file there now.

    `ours`: the `file_ids` of that database.  Raise OSError.
    """
    for suffix, one, there in zip(SUFFIXES[1:], ours[1:], file_ids(path)[1:]):
        if there == one != (0, 0):
            os.unlink(path + suffix)


def file_bytes(path: str) -> int:
    """Return the size of the file with what belongs to it; 0 if there is none."""
    total = 0
    for suffix in SUFFIXES:
        with contextlib.suppress(OSError):
            total += os.stat(path + suffix).st_size
    return total
