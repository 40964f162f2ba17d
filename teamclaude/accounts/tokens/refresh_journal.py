"""What is known on disk of the spending of one refresh token, in a file of its own beside the config.

Rules:
1. The file is there, durably and with room for the answer, before the token is sent anywhere.
2. The answer goes into it in one write, at once: a process that is killed from then on loses nothing.
3. It goes when the new pair is in its place, or when the token was certainly not spent.  One that is
   found without an answer means: the answer was lost, in a crash or on the wire.
4. A refused token keeps its file, and is never sent again.
The file's name is a hash of the token.  Whoever changes it holds the account's lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Optional

from ..config.atomic_write import write_private
from .token_pair import TokenPair

__all__ = ["RefreshJournal", "token_side_path"]

# Where the answer begins, and where the room that is reserved for it ends: a full disk can't refuse it.
ANSWER_OFFSET = 512
FILE_BYTES = 8192
# Files of that many tokens are kept: nobody has a copy of an older one.
MAX_FILES = 50
FIELDS = ("access_token", "refresh_token", "expires_at", "login_ends_at", "issued_at")


def token_side_path(config: Path, identity: str) -> str:
    """`X.json` -> `X.tokens/<hash>`, beside the file itself: all names of one file share it."""
    target = os.path.realpath(config)
    stem = target[: -len(".json")] if target.endswith(".json") else target
    return os.path.join(f"{stem}.tokens", _hash(identity))


class RefreshJournal:
    """The file of `token` in `directory`, as it was when this was made; one that is no good is none.

    `begun`: since when the token may be spent; `refused`: when the server refused it (epoch seconds);
    `answer`: the pair that it bought.
    """

    def __init__(self, directory: str, token: str) -> None:
        self.path = os.path.join(directory, f"{_hash(token)}.json")
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except OSError:
            data = b""
        head = _object(data[:ANSWER_OFFSET])
        self.started_at = _number(head.get("begun"))
        self.refused_at = _number(head.get("refused"))
        self.answer = _pair(_object(data[ANSWER_OFFSET:]))

    def write_start(self, now: float) -> None:
        """The token is about to be sent.  OSError when that can't be noted: then don't send it."""
        # The first time counts: since then the token may be spent.
        head = json.dumps({"begun": now if self.started_at is None else self.started_at})
        write_private(self.path, head.ljust(ANSWER_OFFSET).encode() + b" " * (FILE_BYTES - ANSWER_OFFSET))

    def write_answer(self, pair: TokenPair) -> None:
        """The answer is here.  OSError when it can't be written."""
        data = json.dumps({name: getattr(pair, name) for name in FIELDS}).encode()
        handle = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            os.lseek(handle, ANSWER_OFFSET, os.SEEK_SET)
            if os.write(handle, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_refusal(self, now: float) -> None:
        """The server does not take the token any more.  OSError when that can't be noted."""
        write_private(self.path, json.dumps({"refused": now}).encode())
        _prune(os.path.dirname(self.path))

    def remove(self) -> None:
        """The new pair is in its place, or the token was not spent."""
        with contextlib.suppress(OSError):  # of a token that is nobody's any more it does no harm
            os.unlink(self.path)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
