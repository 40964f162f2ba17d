"""Move what earlier versions kept beside the config file into the directory for state, once.

Rules:
1. Each file or directory is renamed, never copied or deleted: after a crash at any step it is whole, at one
   of the two places, and `state_place` finds it.
2. Nothing is moved while a server may be using it: one that has its file in X.servers, has the history open,
   or answers at the port.  (Earlier versions have no such file.)
3. What can't be renamed stays and is used where it is: on another file system (a container's volume holds the
   config file, and would lose what leaves it), behind a symbolic link, or without the right to it.
4. What is at both places is not touched; one line says which one counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ...accounts.config.atomic_write import (
    foreign_writer_warning,
    make_private_directory,
    missing_directories,
)
from ...accounts.config.config import ProxyConfig
from ...accounts.config.config_file import path_beside
from ...accounts.config.file_lock import FileLock
from ...accounts.config.state_place import STATE_NAMES, state_directory
from ...dial.authority import reachable_host
from .server_presence import other_servers, presence_directory

__all__ = ["answers_at", "prepare_state_directory"]

LOCK_SEC = 2.0
ANSWER_SEC = 0.5


def prepare_state_directory(
    config: Path, env: Mapping[str, str], is_in_use: Callable[[], bool], warn: Callable[[str], None]
) -> None:
    """Make the directory for state, and move what is beside the config file; never raise.

    `is_in_use`: whether a server of this config file answers.  `warn` gets one line for each name that is at
    both places.
    """
    directory = state_directory(config, env)
    if directory is None:
        return
    old = {name: path_beside(config, name) for name in STATE_NAMES}
    try:
        _make(directory, config)
        danger = foreign_writer_warning(str(directory))
        if danger:
            warn(danger)
        for name, path in old.items():
            if os.path.lexists(path) and os.path.lexists(directory / name):
                warn(f"{path} is not used: {directory / name} is; delete one of them while no server runs")
        found = {name: path for name, path in old.items() if _can_move(path, directory / name)}
        if found and not other_servers(presence_directory(config)) and not is_in_use():
            with FileLock(f"{os.path.realpath(config)}.lock", LOCK_SEC):
                _move(found, directory)
    except OSError:  # also of the lock; all is used where it is
        return


def answers_at(proxy: ProxyConfig) -> bool:
    """Return whether a server answers at the configured address, of ours or of others."""
    from .who_answers import Presence, unverified_context, who_answers  # once in the life of a config file

    tls = None if proxy.tls is None else unverified_context()
    answer = who_answers(reachable_host(proxy.host), proxy.port, tls, ANSWER_SEC)
    # A service manager that holds the socket for us takes connections, and answers none.
    return answer.kind in (Presence.TEAMCLAUDE, Presence.OTHER)


def _make(directory: Path, config: Path) -> None:
    """Make the directory; one made by root belongs to the owner of the config file."""
    made = missing_directories(str(directory))
    make_private_directory(str(directory))
    if made and hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = os.stat(config)
        for path in made:
            os.chown(path, owner.st_uid, owner.st_gid)


def _can_move(old: Path, new: Path) -> bool:
    if old.is_symlink() or not old.exists() or os.path.lexists(new):
        return False
    return old.stat().st_dev == new.parent.stat().st_dev


def _move(found: Mapping[str, Path], directory: Path) -> None:
    """Rename what is there; raises OSError.  Needs the lock of the config file."""
    from ...history.database import rename_unused

    for name, old in found.items():
        new = directory / name
        if not _can_move(old, new):  # another server was first
            continue
        if name != "history.db":
            os.rename(old, new)
        elif not rename_unused(str(old), lambda old=old, new=new: os.rename(old, new)):  # type: ignore[misc]
            return  # a server runs, and uses the others as well
