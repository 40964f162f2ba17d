"""The one way this package replaces a file: whole, durable and readable by its owner only.

A reader sees the old bytes or the new ones, never a mixture, also when the process is killed or the
disk fills up in between.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from typing import Optional

__all__ = ["make_private_directory", "foreign_writer_warning", "write_private"]


def write_private(path: str, data: bytes) -> os.stat_result:
    """Replace the file at `path` (or the one a symlink there points to) by `data`, mode 0600.

    Creates missing parents (0700).  Two writers at once: the last rename wins whole; whoever must not
    lose the other's change holds a lock around read and write.  Raises OSError and leaves the old file.
    Returns what os.stat tells of the new one (a stat afterwards may be of the next writer's).
    """
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    make_private_directory(directory)
    # Same directory: a rename across file systems would be a copy.  mkstemp opens with 0600.
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)
    return written


def make_private_directory(path: str) -> None:
    """Create `path` and what is missing above it, each with mode 0700.

    Existing directories keep the mode their owner gave them.  os.makedirs would give its mode to the last
    one alone.  OSError when one can't be made, or something else has its name.
    """
    missing = []
    above = os.path.abspath(path)
    while not os.path.isdir(above):
        missing.append(above)
        above = os.path.dirname(above)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:  # another process was first, or it is no directory
            if not os.path.isdir(directory):
                raise


def foreign_writer_warning(directory: str) -> str:
    """Who besides us and root may replace files in `directory`, and the cure, as a line; else empty.

    Whoever may write to a directory may put another file in the place of ours, whatever the file's mode.
    A sticky directory (/tmp) lets only the owner of a file do that.  A group with the user's own name has
    that user alone (user private groups of most Linux systems).
    """
    if sys.platform == "win32":
        return ""
    try:
        found = os.stat(directory)
    except OSError:
        return ""
    user = os.geteuid()
    if found.st_uid not in (0, user, _sudo_user(user)):
        owner = _user_name(found.st_uid)
        return (
            f"{directory} belongs to another user ({owner}), who can replace the files in it: "
            "use a directory of your own"
        )
    loose = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_mode & stat.S_ISVTX or not loose:
        return ""
    if loose == stat.S_IWGRP and _is_own_group(found.st_gid, found.st_uid):
        return ""
    return f"other users can replace the files in {directory}; run: chmod go-w {directory}"


def _sudo_user(user: int) -> Optional[int]:
    """Who runs us as root by sudo: root works in that user's directories then."""
    invoker = os.environ.get("SUDO_UID", "")
    return int(invoker) if user == 0 and invoker.isascii() and invoker.isdigit() else None


def _user_name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _is_own_group(group: int, user: int) -> bool:
    import grp

    try:
        found = grp.getgrgid(group)
    except KeyError:
        return False
    name = _user_name(user)
    return found.gr_name == name and set(found.gr_mem) <= {name}


def _sync_directory(path: str) -> None:
    # Makes the rename itself durable.  Windows has no such thing, some file systems refuse it.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
