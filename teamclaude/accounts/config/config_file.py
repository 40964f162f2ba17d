"""The config file on disk: how it is read and written.

Rules:
1. A file that can't be read, parsed or validated is never written: every change starts with reading.
2. A change is read, made, validated and written under one lock shared by all processes, so that no
   change undoes another's and nothing invalid gets into the file.
3. The file is replaced atomically: a reader without the lock sees the old one or the new one.
4. A change costs one read and one write; `load` reads only content that this process has not read or
   written itself.  Content is identified by the file's mtime, size and inode; content that was read so
   soon after it was written that the next write might get the same mtime is read again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from ...errors import ConfigError
from ...values import NamedTuple, replace
from .atomic_write import foreign_writer_of, foreign_writer_warning, replace_keeping_owner
from .config import Config, parse_config
from .file_lock import FileLock
from .identity import merge_duplicates
from .json_file import decode, encode, fingerprint
from .original_keys import adapt
from .rules.rule_notes import brief_notes, misplaced_rules, rule_notes
from .state_place import config_path, path_beside
from .value_types import one_line

__all__ = ["ConfigFile", "Stamp", "config_path", "path_beside"]

T = TypeVar("T")


class Stamp(NamedTuple):
    """The file's identity: it differs whenever the content does."""

    mtime_ns: int
    size: int
    inode: int


# The coarsest mtime resolution is two seconds (FAT); on Linux it is a few milliseconds.
SETTLED_SEC = 2.0
# The errno of a file system without locks (NFS without its lock service).
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, getattr(errno, "EOPNOTSUPP", errno.ENOSYS))


class _CachedContent(NamedTuple):
    """Cached content and its parsed config; `settled`: no other content can have this stamp."""

    stamp: Stamp
    settled: bool
    data: bytes
    config: Config


class ConfigFile:
    """The config file at `path`; safe to use from several threads and processes.

    `warn` gets one line at a time about what was repaired or created.
    """

    def __init__(self, path: Path, warn: Callable[[str], None], lock_timeout_s: float = 10.0) -> None:
        self.path = path
        self._warn = warn
        self._lock_timeout_s = lock_timeout_s
        self._cached: Optional[_CachedContent] = None  # replaced whole
        self._reported: set[str] = set()
        self._noted: set[str] = set()  # by the last `new_notes`

    def load(self) -> Config:
        """Return the file's values, duplicates merged.  Raise ConfigError if it is missing or invalid."""
        return self.load_with_content()[0]

    def load_with_content(self) -> tuple[Config, bytes]:
        """Return what `load` does, and the bytes it was read from."""
        known, found = self._cached, self._stat()
        if known is not None and known.settled and known.stamp == _stamp(found):
            self._restrict_mode(found.st_mode)
            return known.config, known.data
        data, stamp, settled, foreign = self._read()
        config = self._merge_and_report(self._parse(decode(data, str(self.path)), foreign))
        self._cached = _CachedContent(stamp, settled, data, config)
        return config, data

    @property
    def content(self) -> bytes:
        """The bytes that were loaded or written last; empty before that."""
        known = self._cached
        return b"" if known is None else known.data

    def _merge_and_report(self, config: Config) -> Config:
        accounts, notes = merge_duplicates(config.accounts)
        new = [note for note in notes if note not in self._reported]
        if new:
            from ...brief import brief_lines

            self._reported.update(new)
            for note in brief_lines(new, lambda note: "accounts"):
                self._warn(f"{self.path}: {note}")
        return replace(config, accounts=accounts)

    def load_or_create(self) -> Config:
        """Load the file after creating a missing file and adding a missing proxy key."""
        if not os.path.exists(self.path):
            self._create()
        config = self.load()
        if config.proxy.api_key is None:
            if self.update(_add_key):
                self._warn(f"{self.path}: had no proxy.apiKey; added a random one")
            config = self.load()
        return config

    def update(self, change: Callable[[dict[str, Any]], T]) -> T:
        """Let `change` edit the file's JSON in place, write it, and return what `change` returned.

        The file is locked meanwhile, so `change` must not block.  Nothing is written when `change` raises
        or changes nothing.  Raise ConfigError, and leave the file as it was, when it can't be read or
        written or would become invalid.
        """
        self._stat()  # raise before making a lock file beside something that is not our file
        with self._locked():
            data, _, _, foreign = self._read()
            raw = decode(data, str(self.path))
            known = self._cached
            if known is None or known.data != data:
                self._parse(raw, foreign)
            before = fingerprint(raw)
            result = change(raw)
            if fingerprint(raw) != before:
                self._replace(raw, f"{self.path} (not changed)")
            return result

    def restore(self, raw: dict[str, Any], is_lost: Callable[[Optional[bytes]], bool]) -> bool:
        """Write `raw` if `is_lost` says so of the current content (None: there is no file).

        Return False if it does not: `is_lost` is called under the lock, and another process may have been
        first.  Raise ConfigError as update does.
        """
        with self._locked():
            if not is_lost(self._read()[0] if os.path.exists(self.path) else None):
                return False
            self._replace(raw, f"{self.path} (not written)")
            return True

    def permission_warnings(self) -> list[str]:
        """Return a warning for each directory in which other users can replace the file or its siblings."""
        directories = {os.path.dirname(self.path): None, os.path.dirname(os.path.realpath(self.path)): None}
        return [line for line in map(foreign_writer_warning, directories) if line]

    def new_notes(self) -> list[str]:
        """Return what a person should know of the file as it was read, and the last call did not find.

        That is each key of another program that is read otherwise here, and each rule without its effect;
        of many that are alike a few.
        """
        known = self._cached
        if known is None:
            return []
        from .settings_table import unknown_key_notes  # most commands do without

        try:
            raw = decode(known.data, "")
            odd_keys = [*misplaced_rules(raw), *unknown_key_notes(raw)]
            found = [*adapt(raw).notes, *odd_keys, *rule_notes(known.config)]
        except ConfigError:  # it was said when the file was read
            return []
        new = [note for note in found if note not in self._noted]
        self._noted = set(found)
        return [f"{self.path}: {one_line(note)}" for note in brief_notes(new)]

    def stamp(self) -> Optional[Stamp]:
        """Return the file's stamp, None without a file.  Take it before load, not after."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return _stamp(found)

    def _create(self) -> None:
        with self._locked():
            if os.path.exists(self.path):  # another process was first
                return
            raw: dict[str, Any] = {"proxy": {"port": 3456}, "accounts": []}
            _add_key(raw)
            self._replace(raw, str(self.path))
        self._warn(f"created {self.path} with a new proxy key")

    def _parse(self, raw: dict[str, Any], foreign: str) -> Config:
        """Return the values; raise ConfigError, also for programs in a file that is not the user's alone."""
        config = parse_config(raw, str(self.path))
        if any(account.credential_command for account in config.accounts):
            others = [foreign, *self.permission_warnings()]
            why = next(filter(None, others), "")
            if why:
                raise ConfigError(f"{self.path}: it has a credentialCommand, which would be run, but {why}")
        return config

    def _read(self) -> tuple[bytes, Stamp, bool, str]:
        """Return the content, its stamp, whether no other content can have that stamp, and a problem.

        That is who else could have written it; mostly an empty text.
        """
        self._stat()
        with self._translate_errors("read it"), open(self.path, "rb") as file:
            found = os.fstat(file.fileno())  # before reading: a write meanwhile gets a later mtime
            data = file.read()
        foreign = foreign_writer_of(self.path, found)
        # Programs of a file that others could write are refused until its owner has looked and changed the
        # mode: if we did that, the next reload would run them.
        if not foreign or not _names_programs(data):
            self._restrict_mode(found.st_mode)
        return data, _stamp(found), time.time() - found.st_mtime > SETTLED_SEC, foreign

    def _stat(self) -> os.stat_result:
        """Raise ConfigError unless it is a regular file: a device or pipe must not be replaced."""
        with self._translate_errors("read it"):
            try:
                found = os.stat(self.path)
            except FileNotFoundError:
                raise ConfigError(f"{self.path}: there is no such file") from None
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self.path}: is not a regular file")
        return found

    def _restrict_mode(self, mode: int) -> None:
        if os.name == "nt" or not mode & 0o077:
            return
        try:
            os.chmod(self.path, 0o600)
        except OSError:
            self._warn(
                f"{self.path}: others can read it and it holds credentials; run: chmod 600 {self.path}"
            )
        else:
            self._warn(f"{self.path}: others could read it; it is now readable by you alone (mode 600)")

    def _replace(self, raw: dict[str, Any], source: str) -> None:
        """Validate and write; raise ConfigError and leave the file if `raw` is invalid.  Needs the lock."""
        config, data = parse_config(raw, source), encode(raw)
        stamp = _stamp(self._write(data))
        self._cached = _CachedContent(stamp, True, data, self._merge_and_report(config))

    def _write(self, data: bytes) -> os.stat_result:
        with self._translate_errors("write it"):
            return replace_keeping_owner(os.path.realpath(self.path), data)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Beside the file itself, not beside a symlink to it: all names of the file share one lock.
        lock = FileLock(f"{os.path.realpath(self.path)}.lock", self._lock_timeout_s)
        with contextlib.ExitStack() as held:
            with self._translate_errors("change it (its directory must be writable)"):
                held.enter_context(lock)
            yield

    @contextlib.contextmanager
    def _translate_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise ConfigError(f"{self.path}: {error.strerror or error}") from error
        except OSError as error:
            why = error.strerror or error
            if error.errno in NO_LOCKS:
                why = f"{why}: its file system knows no locks; keep it on another one (TEAMCLAUDE_CONFIG)"
            raise ConfigError(f"{self.path}: can't {what}: {why}") from error


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _names_programs(data: bytes) -> bool:
    """Return whether a readable file has a credentialCommand."""
    try:
        accounts = decode(data, "").get("accounts")
    except ConfigError:
        return False
    entries = accounts if isinstance(accounts, list) else []
    return any(isinstance(entry, dict) and entry.get("credentialCommand") for entry in entries)


def _add_key(raw: dict[str, Any]) -> bool:
    """Add a random proxy key; return False if another process was first."""
    import secrets  # its own imports cost 8 ms, and a key is made once

    proxy = raw.get("proxy") or {}
    raw["proxy"] = proxy
    if proxy.get("apiKey"):
        return False
    proxy["apiKey"] = "tc-" + secrets.token_urlsafe(24)
    return True
