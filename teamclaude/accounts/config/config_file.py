"""The config file on disk: its path, and how it is read and written.

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
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from ...errors import ConfigError
from .atomic_write import foreign_writer_warning, write_private
from .config import Config, parse_config
from .file_lock import FileLock
from .identity import merge_duplicates
from .json_file import decode, encode, fingerprint

__all__ = ["ConfigFile", "Stamp", "config_path", "path_beside", "state_path"]

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


def config_path(env: Mapping[str, str]) -> Path:
    """Return $TEAMCLAUDE_CONFIG, else $XDG_CONFIG_HOME/teamclaude.json, else ~/.config/teamclaude.json."""
    home = env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")
    named = env.get("TEAMCLAUDE_CONFIG")
    if named:
        if named == "~" or named.startswith(("~/", "~\\")):
            named = home + named[1:]
        # Absolute: a server started in the background may have another working directory.
        return Path(os.path.abspath(os.path.expanduser(named)))
    base = env.get("XDG_CONFIG_HOME", "")
    # XDG base directory specification: a relative path is invalid and must be ignored.
    return Path(base if os.path.isabs(base) else os.path.join(home, ".config")) / "teamclaude.json"


def path_beside(config: Path, ending: str) -> Path:
    """Return the path of something that belongs to a config file: `X.json` -> `X.ENDING`, beside it.

    Another name keeps its own ending, so that no two config files have one in common.
    """
    stem = config.name[: -len(".json")] if config.name.endswith(".json") else config.name
    return config.with_name(f"{stem}.{ending}")


def state_path(config: Path) -> Path:
    """Return the path of the observed state: `X.json` -> `X.state.json`, in the same directory."""
    return path_beside(config, "state.json")


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

    def load(self) -> Config:
        """Return the file's values, duplicates merged.  Raise ConfigError if it is missing or invalid."""
        return self.load_with_content()[0]

    def load_with_content(self) -> tuple[Config, bytes]:
        """Return what `load` does, and the bytes it was read from."""
        known, found = self._cached, self._stat()
        if known is not None and known.settled and known.stamp == _stamp(found):
            self._restrict_mode(found.st_mode)
            return known.config, known.data
        data, stamp, settled = self._read()
        config = self._merge_and_report(parse_config(decode(data, str(self.path)), str(self.path)))
        self._cached = _CachedContent(stamp, settled, data, config)
        return config, data

    @property
    def content(self) -> bytes:
        """The bytes that were loaded or written last; empty before that."""
        known = self._cached
        return b"" if known is None else known.data

    def _merge_and_report(self, config: Config) -> Config:
        accounts, notes = merge_duplicates(config.accounts)
        for note in notes:
            if note not in self._reported:
                self._reported.add(note)
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
            data = self._read()[0]
            raw = decode(data, str(self.path))
            known = self._cached
            if known is None or known.data != data:
                parse_config(raw, str(self.path))
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

    def _read(self) -> tuple[bytes, Stamp, bool]:
        """Return the content, its stamp, and whether no other content can have that stamp."""
        self._stat()
        with self._translate_errors("read it"), open(self.path, "rb") as file:
            found = os.fstat(file.fileno())  # before reading: a write meanwhile gets a later mtime
            data = file.read()
        self._restrict_mode(found.st_mode)
        return data, _stamp(found), time.time() - found.st_mtime > SETTLED_SEC

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
        target = os.path.realpath(self.path)
        with self._translate_errors("write it"):
            _remove_leftovers(target)
            owner = _owner(target)
            written = write_private(target, data)
            if sys.platform != "win32" and owner and owner != _owner(target):
                # `sudo teamclaude ...` must not make the file root's: the user's server reads it.
                with contextlib.suppress(OSError):
                    os.chown(target, *owner)
        return written

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


def _owner(path: str) -> Optional[tuple[int, int]]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_uid, found.st_gid)


def _remove_leftovers(target: str) -> None:
    """Remove the temporary files of killed writers: they hold credentials.  Needs the lock."""
    directory, name = os.path.split(target)
    for left in os.listdir(directory):
        if left.startswith(f".{name}.") and left.endswith(".tmp"):
            os.unlink(os.path.join(directory, left))


def _add_key(raw: dict[str, Any]) -> bool:
    """Add a random proxy key; return False if another process was first."""
    import secrets  # its own imports cost 8 ms, and a key is made once

    proxy = raw.get("proxy") or {}
    raw["proxy"] = proxy
    if proxy.get("apiKey"):
        return False
    proxy["apiKey"] = "tc-" + secrets.token_urlsafe(24)
    return True
