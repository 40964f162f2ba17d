"""Replace a file atomically and durably, readable by its owner only.

A reader sees the old bytes or the new ones, never a mixture, even if the process is killed or the
disk fills up meanwhile.  Every file of this package that holds a credential is written here.  What is only
appended to is written elsewhere, and asks here whether its last line is whole.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import Optional

__all__ = [
    "ends_whole",
    "foreign_writer_of",
    "foreign_writer_warning",
    "make_private_directory",
    "missing_directories",
    "replace_keeping_owner",
    "write_private",
    "written_beside",
]


def write_private(path: str, data: bytes) -> os.stat_result:
    """Replace the file at `path` (or the target of a symlink there) by `data`, mode 0600.

    Create missing parents (0700).  Of two concurrent writers the last rename wins as a whole; a caller
    that must not lose the other's change holds a lock around read and write.  Raise OSError and leave
    the old file.  Return the new file's os.stat result (a later stat may be of the next writer's file).
    """
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    make_private_directory(directory)
    with written_beside(target, data) as temporary:
        written = os.stat(temporary)
        os.replace(temporary, target)
    _sync_directory(directory)
    return written


def ends_whole(path: str) -> bool:
    """Return whether a file is empty or ends with a line's end: a crash may have cut its last line off.

    Raise OSError, but for a file that its owner can't read.
    """
    try:
        with open(path, "rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except PermissionError:
        return True


def replace_keeping_owner(target: str, data: bytes) -> os.stat_result:
    """Do the same with a file that has one writer at a time (a lock is held), and keep its owner.

    Remove the temporary files of killed writers, too: they hold credentials.
    """
    _remove_leftovers(target)
    owner = _owner(target)
    written = write_private(target, data)
    if sys.platform != "win32" and owner and owner != _owner(target):
        # `sudo teamclaude ...` must not make the file root's: the user's server reads it.
        with contextlib.suppress(OSError):
            os.chown(target, *owner)
    return written


def _owner(path: str) -> Optional[tuple[int, int]]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_uid, found.st_gid)


def _remove_leftovers(target: str) -> None:
    directory, name = os.path.split(target)
    for left in os.listdir(directory):
        if left.startswith(f".{name}.") and left.endswith(".tmp"):
            os.unlink(os.path.join(directory, left))


@contextlib.contextmanager
def written_beside(target: str, data: bytes) -> Iterator[str]:
    """Write `data` durably to a temporary file beside `target`, mode 0600, and yield its path.

    The caller renames it; one that was not renamed is removed.  Raise OSError.
    """
    # Same directory: a rename across file systems would be a copy.
    # By hand: tempfile takes 0.7 MB and 6 ms.
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NOINHERIT", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    handle = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        if os.path.exists(temporary):  # it was not renamed
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def make_private_directory(path: str) -> None:
    """Create `path` and its missing parents, each with mode 0700.

    Existing directories keep their mode.  (os.makedirs applies its mode to the last directory only.)
    Raise OSError when one can't be made or something else has its name.
    """
    for directory in missing_directories(os.path.abspath(path)):
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:  # another process was first, or it is not a directory
            if not os.path.isdir(directory):
                raise


def missing_directories(path: str) -> list[str]:
    """Return `path` and its parents as far as they are no directories, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def foreign_writer_warning(directory: str) -> str:
    """Return a warning, with the remedy, if users other than us and root can replace files in `directory`.

    Write access to a directory is enough to replace a file in it, whatever the file's mode.  In a sticky
    directory (/tmp) only the owner of a file can.  A group with the user's own name has only that user
    (user private groups of most Linux systems).  Return an empty text when nobody else can.
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


def foreign_writer_of(path: object, found: os.stat_result) -> str:
    """Return who else than us and root could have written a file, with the remedy; an empty text: nobody."""
    if sys.platform == "win32":
        return ""
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to another user ({_user_name(found.st_uid)})"
    loose = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not loose or (loose == stat.S_IWGRP and _is_own_group(found.st_gid, found.st_uid)):
        return ""
    return f"other users could write it: look whether it is as you left it, then run: chmod 600 {path}"


def _sudo_user(user: int) -> Optional[int]:
    """Return the user who runs us as root by sudo: root then works in that user's directories."""
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
    # Make the rename itself durable.  Windows has no such call, and some file systems refuse it.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
