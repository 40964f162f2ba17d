"""The last answer for each session, for when the proxy gives none: one small file each, owner only.

The directory is the user's runtime directory, else one of our own in the directory for temporary files; it is
never in HOME.  One that another user could have made is not used.  Nothing here raises OSError.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Mapping

from .facts import is_session_id

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Optional

__all__ = ["directory", "recall", "remember"]

MAX_FILES = 64
MAX_BYTES = 65536
NAME = "teamclaude-statusline"
SUFFIX = ".json"


def directory(env: Mapping[str, str]) -> str:
    """Return the path of the directory for this user."""
    runtime = env.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime):
        return os.path.join(runtime, NAME)
    base = next((env[name] for name in ("TMPDIR", "TEMP", "TMP") if env.get(name)), "/tmp")
    owner = os.getuid() if hasattr(os, "getuid") else 0
    return os.path.join(base, f"{NAME}-{owner}")


def remember(where: str, session: str, data: bytes) -> None:
    """Keep the proxy's answer for the session, atomically; the oldest of too many sessions is forgotten."""
    if not is_session_id(session) or len(data) > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        if not _is_ours(where):
            os.mkdir(where, 0o700)
        path = os.path.join(where, session + SUFFIX)
        is_new = not os.path.exists(path)
        part = f"{path}.{os.getpid()}"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        os.replace(part, path)
        if is_new:
            _forget_oldest(where)


def recall(where: str, session: str, now: Optional[float] = None) -> tuple[bytes, float]:
    """Return the last answer for the session and its age in seconds; empty when there is none."""
    if is_session_id(session):
        with contextlib.suppress(OSError):
            if _is_ours(where):
                with open(os.path.join(where, session + SUFFIX), "rb") as file:
                    age = (time.time() if now is None else now) - os.fstat(file.fileno()).st_mtime
                    return file.read(MAX_BYTES), max(0.0, age)
    return b"", 0.0


def _is_ours(where: str) -> bool:
    """Return whether it is a directory of this user that nobody else can write to; raise OSError if not.

    False when it doesn't exist: /tmp is everybody's, and a link or another's directory may wait there.
    """
    try:
        found = os.lstat(where)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(where)
    if os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o077):
        raise PermissionError(where)
    return True


def _forget_oldest(where: str) -> None:
    """Remove all but the newest MAX_FILES files, also what a killed process has left."""
    found = []
    for entry in os.scandir(where):
        with contextlib.suppress(OSError):
            found.append((entry.stat().st_mtime, entry.path))
    for _, path in sorted(found)[:-MAX_FILES]:
        with contextlib.suppress(OSError):
            os.unlink(path)
