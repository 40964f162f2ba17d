"""Claude Code's credentials file as a place of tokens: followed, and written only when it may be.

When we renew a login that Claude Code uses as well, it must find the new pair in its own file, and
not renew at the same time.  Source of the lock directories: Claude Code 2.1.330 (a directory is the
lock; one that was not touched for 60 s is left over).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Callable, Optional

from ...errors import ConfigError, TeamClaudeError
from ..config.atomic_write import write_private
from ..config.json_file import decode, encode
from ..config.value_types import epoch_ms
from ..importing.claude_login import LOGIN_KEY, LoginSource, read_login
from .token_pair import TokenPair

__all__ = ["ClaudeCredentialsFile"]

STALE_SEC = 60.0
LOCK_TIMEOUT_SEC = 10.0
POLL_SEC = 0.1
CredentialsStamp = tuple[int, int, int]


class ClaudeCredentialsFile:
    """A TokenStore (see there) on the file at `path`."""

    def __init__(self, path: str) -> None:
        self.path = os.path.expanduser(path)
        self._stamp: Optional[CredentialsStamp] = None  # changes whenever the file does
        self._sleep: Callable[[float], None] = time.sleep

    def changed(self) -> bool:
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
        directory = os.path.dirname(os.path.realpath(self.path))
        with contextlib.ExitStack() as held:
            # The lock of today's client, and the one that older ones take.
            for lock in (os.path.join(directory, ".oauth_refresh.lock"), f"{directory}.lock"):
                self._acquire(lock)
                held.callback(_release, lock)
            yield

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        # Whether a token has expired is not asked here: it may be the one to renew.
        return TokenPair.from_account(read_login(LoginSource(self._bytes(), self.path, self.path), now=0.0))

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        there = self.read()
        if there.refresh_token != spent:
            return there
        raw = decode(self._bytes(), self.path)
        login = raw.get(LOGIN_KEY, raw)
        login["accessToken"], login["refreshToken"] = pair.access_token, pair.refresh_token
        for key, moment in (("expiresAt", pair.expires_at), ("refreshTokenExpiresAt", pair.login_ends_at)):
            if moment is not None:
                login[key] = epoch_ms(moment)
        write_private(self.path, encode(raw))
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
    except OSError:  # given back meanwhile
        return False


def _release(lock: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(lock)
