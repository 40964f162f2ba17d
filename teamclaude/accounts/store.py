"""The config file on disk: where it is, how it is read, and the one way it is written.

Rules:
1. A file that can't be read, parsed or understood is never written: every change starts with reading.
2. A change is read, made, checked and written under one lock that all processes share, so none
   undoes another's, and nothing invalid gets into the file.
3. The file is replaced whole: a reader without the lock sees the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from ..errors import ConfigError
from .codec import decode, encode
from .config import Config, parse_config
from .files import write_private
from .identity import merge_duplicates
from .lock import FileLock

__all__ = ["ConfigFile", "Stamp", "config_path", "state_path"]

T = TypeVar("T")
Stamp = tuple[int, int, int]


def config_path(env: Mapping[str, str]) -> Path:
    """$TEAMCLAUDE_CONFIG, else $XDG_CONFIG_HOME/teamclaude.json, else ~/.config/teamclaude.json."""
    home = env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")
    named = env.get("TEAMCLAUDE_CONFIG")
    if named:
        if named == "~" or named.startswith(("~/", "~\\")):
            named = home + named[1:]
        # Absolute: a server started in the background may have another working directory.
        return Path(os.path.abspath(os.path.expanduser(named)))
    base = env.get("XDG_CONFIG_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return Path(base if os.path.isabs(base) else os.path.join(home, ".config")) / "teamclaude.json"


def state_path(config: Path) -> Path:
    """Where observed state is kept: `X.json` -> `X.state.json`, beside it."""
    stem = config.name[: -len(".json")] if config.name.endswith(".json") else config.name
    return config.with_name(f"{stem}.state.json")


class ConfigFile:
    """The config file at `path`; safe to use from several threads and processes.

    `warn` gets one line at a time about things that were put right or made.
    """

    def __init__(self, path: Path, warn: Callable[[str], None], lock_timeout_s: float = 10.0) -> None:
        self.path = path
        self._warn = warn
        self._lock_timeout_s = lock_timeout_s

    def load(self) -> Config:
        """The file's values, duplicates merged.  ConfigError when there is no file or it is no good."""
        config = parse_config(self._read(), str(self.path))
        accounts, notes = merge_duplicates(config.accounts)
        for note in notes:
            self._warn(f"{self.path}: {note}")
        return replace(config, accounts=accounts)

    def load_or_create(self) -> Config:
        """As load, but a missing file is made first, and so is a missing proxy key."""
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

        The file is locked meanwhile: `change` is quick and waits for nothing.  Nothing is written when
        `change` raises or changes nothing.  ConfigError, and the file as it was, when it can't be read
        or written or would become invalid.
        """
        self._mode()  # no lock file beside what is not ours
        with self._locked():
            raw = self._read()
            parse_config(raw, str(self.path))
            before = encode(raw)
            result = change(raw)
            after = encode(raw)
            if after != before:
                parse_config(raw, f"{self.path} (not changed)")
                self._write(after)
            return result

    def stamp(self) -> Optional[Stamp]:
        """Changes whenever the file does; None while there is none.  Take it before load, not after."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _create(self) -> None:
        with self._locked():
            if os.path.exists(self.path):  # another process was first
                return
            raw: dict[str, Any] = {"proxy": {"port": 3456}, "accounts": []}
            _add_key(raw)
            self._write(encode(raw))
        self._warn(f"created {self.path} with a new proxy key")

    def _read(self) -> dict[str, Any]:
        mode = self._mode()
        with self._translated("read it"):
            data = self.path.read_bytes()
        self._tighten(mode)
        return decode(data, str(self.path))

    def _mode(self) -> int:
        """The file's mode.  ConfigError unless it is a file: a device or a pipe must not be replaced."""
        with self._translated("read it"):
            try:
                mode = os.stat(self.path).st_mode
            except FileNotFoundError:
                raise ConfigError(f"{self.path}: there is no such file") from None
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{self.path}: is not a regular file")
        return mode

    def _tighten(self, mode: int) -> None:
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

    def _write(self, data: bytes) -> None:
        target = os.path.realpath(self.path)
        with self._translated("write it"):
            _sweep(target)
            owner = _owner(target)
            write_private(target, data)
            if sys.platform != "win32" and owner and owner != _owner(target):
                # `sudo teamclaude ...` must not take the file from the user whose server reads it.
                with contextlib.suppress(OSError):
                    os.chown(target, *owner)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Beside the file itself, not beside a link to it: all names of the file share one lock.
        lock = FileLock(f"{os.path.realpath(self.path)}.lock", self._lock_timeout_s)
        with contextlib.ExitStack() as held:
            with self._translated("change it (its directory must be writable)"):
                held.enter_context(lock)
            yield

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise ConfigError(f"{self.path}: {error.strerror or error}") from error
        except OSError as error:
            raise ConfigError(f"{self.path}: can't {what}: {error.strerror or error}") from error


def _owner(path: str) -> Optional[tuple[int, int]]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_uid, found.st_gid)


def _sweep(target: str) -> None:
    """Remove what a killed writer of this file left: it holds credentials.  Needs the lock."""
    directory, name = os.path.split(target)
    for left in os.listdir(directory):
        if left.startswith(f".{name}.") and left.endswith(".tmp"):
            os.unlink(os.path.join(directory, left))


def _add_key(raw: dict[str, Any]) -> bool:
    """Give the file a proxy key; False when another process was first."""
    import secrets  # its own imports cost 8 ms, and a key is made once

    proxy = raw.get("proxy") or {}
    raw["proxy"] = proxy
    if proxy.get("apiKey"):
        return False
    proxy["apiKey"] = "tc-" + secrets.token_urlsafe(24)
    return True
