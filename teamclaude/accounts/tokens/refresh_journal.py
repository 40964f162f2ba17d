"""The write-ahead record of spending one refresh token: a file beside the config, one per token.

Rules:
1. The file exists durably, with space reserved for the answer, before the token is sent.
2. The answer is written into it at once, in one write: a process killed afterwards loses nothing.
3. The file is removed when the new pair is stored, or when the token was certainly not spent.  A file
   without an answer means that the answer was lost, in a crash or on the network.
4. A refused token keeps its file and is never sent again.
The file's name is a hash of the token.  The account's lock must be held to change it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any, Optional

from ...lazy_modules import hashlib
from ..config.atomic_write import write_private
from ..config.json_file import json_object
from .token_pair import TokenPair

__all__ = ["RefreshJournal", "token_directory", "token_side_path"]

# The answer's offset, and the file's size: the space is reserved, so a full disk can't refuse the answer.
ANSWER_OFFSET = 512
FILE_BYTES = 8192
# The newest files that are kept: no copy of an older token exists any more.
MAX_FILES = 50
FIELDS = ("access_token", "refresh_token", "expires_at", "login_ends_at", "issued_at")


def token_directory(config: Path) -> str:
    """Return `X.tokens` for the config `X.json`; all symlinks to one file share it."""
    target = os.path.realpath(config)
    stem = target[: -len(".json")] if target.endswith(".json") else target
    return f"{stem}.tokens"


def token_side_path(config: Path, identity: str) -> str:
    """Return `X.tokens/<hash>` for the config `X.json`."""
    return os.path.join(token_directory(config), _hash(identity))


class RefreshJournal:
    """The record of `token` in `directory`, as read at construction; an unreadable file counts as none.

    `started_at`: since when the token may be spent; `refused_at`: when the server refused it (epoch
    seconds); `refused_elsewhere`: though nobody here had spent it; `answer`: the pair it was exchanged for.
    """

    def __init__(self, directory: str, token: str) -> None:
        self._directory, self._token = directory, token
        data = b""
        with contextlib.suppress(OSError):
            # Mostly it has only locks.  Then a start needs no hash, for which OpenSSL would be loaded.
            if any(name.endswith(".json") for name in os.listdir(directory)):
                with open(self.path, "rb") as file:
                    data = file.read()
        head = json_object(data[:ANSWER_OFFSET]) or {}
        self.started_at = _number(head.get("begun"))
        self.refused_at = _number(head.get("refused"))
        self.refused_elsewhere = head.get("elsewhere") is True
        self.answer = _pair(json_object(data[ANSWER_OFFSET:]) or {})

    @property
    def path(self) -> str:
        """The file's path."""
        return os.path.join(self._directory, f"{_hash(self._token)}.json")

    def write_start(self, now: float) -> None:
        """Record that the token is about to be sent.  Raise OSError if impossible: then don't send it."""
        # Keep the first time: since then the token may be spent.
        head = json.dumps({"begun": now if self.started_at is None else self.started_at})
        write_private(self.path, head.ljust(ANSWER_OFFSET).encode() + b" " * (FILE_BYTES - ANSWER_OFFSET))

    def write_answer(self, pair: TokenPair) -> None:
        """Write the answer into the reserved space.  Raise OSError when it can't be written."""
        data = json.dumps({name: getattr(pair, name) for name in FIELDS}).encode()
        handle = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            os.lseek(handle, ANSWER_OFFSET, os.SEEK_SET)
            if os.write(handle, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_refusal(self, now: float, elsewhere: bool = False) -> None:
        """Record that the server refused the token at `now`.  Raise OSError when it can't be written."""
        write_private(self.path, json.dumps({"refused": now, "elsewhere": elsewhere}).encode())
        _prune(os.path.dirname(self.path))

    def remove(self) -> None:
        """Remove the file: the new pair is stored, or the token was not spent."""
        with contextlib.suppress(OSError):  # the file of a token no longer in use does no harm
            os.unlink(self.path)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _number(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) else None


def _pair(raw: dict[str, Any]) -> Optional[TokenPair]:
    access, refresh = raw.get("access_token"), raw.get("refresh_token")
    if not isinstance(access, str) or not isinstance(refresh, str):
        return None
    ends, login_ends, issued = (_number(raw.get(name)) for name in FIELDS[2:])
    return TokenPair(access, refresh, ends, login_ends, issued)


def _prune(directory: str) -> None:
    with contextlib.suppress(OSError):
        paths = [entry.path for entry in os.scandir(directory) if entry.name.endswith(".json")]
        for path in sorted(paths, key=os.path.getmtime)[:-MAX_FILES]:
            os.unlink(path)
