"""Claude Code's credentials file as a token store: read, and written only with refreshImported.

When we refresh a login that Claude Code uses too, it must find the new pair in its own file and must
not refresh at the same time.  Source of the lock directories: Claude Code 2.1.330 (the lock is a
directory; one that was not touched for 60 s is stale).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional

from ...errors import ConfigError, TeamClaudeError
from ..config.atomic_write import write_private
from ..config.json_file import encode
from ..config.value_types import epoch_ms
from ..importing.claude_login import LoginSource, parse_login, write_tokens
from .token_pair import TokenPair

__all__ = ["ClaudeCredentialsFile"]

STALE_SEC = 60.0
LOCK_TIMEOUT_SEC = 10.0
POLL_SEC = 0.1
CredentialsStamp = tuple[int, int, int]


class ClaudeCredentialsFile:
    """The TokenStore of the credentials file at `path`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.expanduser(path)
        self._stamp: Optional[CredentialsStamp] = None  # mtime, size and inode when last asked
        self._sleep: Callable[[float], None] = time.sleep

    def changed(self) -> bool:
        """Return whether mtime, size or inode have changed since the last call."""
        before, self._stamp = self._stamp, self._read_stamp()
        return before != self._stamp

    def _read_stamp(self) -> Optional[CredentialsStamp]:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    @contextlib.contextmanager
    def exclude_other_programs(self) -> Iterator[None]:
        """Hold Claude Code's lock directories; raise ConfigError after LOCK_TIMEOUT_SEC."""
        directory = os.path.dirname(os.path.realpath(self.path))
        with contextlib.ExitStack() as held:
            # The current client's lock, and the one that older versions take.
            for lock in (os.path.join(directory, ".oauth_refresh.lock"), f"{directory}.lock"):
                self._acquire(lock)
                held.callback(_release, lock)
            yield

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """Return the pair in the file; `held` is ignored, since the file is not ours alone."""
        return TokenPair.from_account(parse_login(LoginSource(self._bytes(), self.path, self.path)))

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Replace the pair if its refresh token is still `spent`, keeping all other keys of the file."""
        stored = self.read()
        if stored.refresh_token != spent:
            return stored
        values: dict[str, Any] = {"accessToken": pair.access_token, "refreshToken": pair.refresh_token}
        for key, moment in (("expiresAt", pair.expires_at), ("refreshTokenExpiresAt", pair.login_ends_at)):
            if moment is not None:
                values[key] = epoch_ms(moment)
        write_private(self.path, encode(write_tokens(self._bytes(), self.path, values)))
        return pair

    def _bytes(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError as error:
            raise TeamClaudeError(f"{self.path}: can't read it: {error.strerror or error}") from None

    def _acquire(self, lock: str) -> None:
        deadline = time.monotonic() + LOCK_TIMEOUT_SEC
        while True:
            try:
                os.mkdir(lock)
                return
            except FileExistsError:
                pass
            except OSError as error:
                raise ConfigError(f"{lock}: can't make it: {error.strerror or error}") from None
            if _is_stale(lock):
                _release(lock)
            elif time.monotonic() >= deadline:
                raise ConfigError(f"{lock}: Claude Code has held it for {LOCK_TIMEOUT_SEC:g} s")
            else:
                self._sleep(POLL_SEC)


def _is_stale(lock: str) -> bool:
    try:
        return time.time() - os.stat(lock).st_mtime > STALE_SEC
    except OSError:  # released meanwhile
        return False


def _release(lock: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(lock)
