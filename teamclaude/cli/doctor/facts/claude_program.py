"""The program `claude`: where it is and which version, without trusting it.

Rules:
1. Nothing of the working directory is started: a repository that somebody cloned may hold a `claude`.
2. It has VERSION_S seconds and MAX_BYTES of output, no stdin, and a directory that is not the user's.
3. Its process group is ended with it, so that nothing stays behind.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from ....accounts.config.state_place import home_directory
from ....programs import find_program, kill_program
from ....values import NamedTuple

__all__ = ["ClaudeProgram", "claude_program"]

VERSION_S = 2.0  # it takes 0.1 s
MAX_BYTES = 4096
_VERSION = re.compile(r"\b\d{1,4}\.\d{1,4}\.\d{1,6}(?:[-+][\w.]{1,40})?")


class ClaudeProgram(NamedTuple):
    """`path` is empty without one; `version` is empty if it did not say, and `problem` says why."""

    path: str = ""
    version: str = ""
    problem: str = ""


def claude_program(env: Mapping[str, str], project: Path) -> ClaudeProgram:
    """Return what is known of the `claude` on the PATH."""
    path = find_program("claude")
    if path is None:
        return ClaudeProgram()
    if _is_of_project(path, env, project):
        return ClaudeProgram(
            path, problem="it is in the working directory, from which nothing is started here"
        )
    try:
        output = _output([path, "--version"], env)
    except (OSError, ValueError) as error:
        return ClaudeProgram(
            path, problem=f"it can't be started ({getattr(error, 'strerror', None) or error})"
        )
    if output is None:
        return ClaudeProgram(path, problem=f"claude --version gave no answer in {VERSION_S:g} s")
    found = _VERSION.search(output.decode("utf-8", "replace"))
    if found is None:
        return ClaudeProgram(path, problem="claude --version names no version")
    return ClaudeProgram(path, found[0])


def _is_of_project(path: str, env: Mapping[str, str], project: Path) -> bool:
    """Return whether it is below the working directory, unless that is the home directory or above it."""
    if not os.path.isabs(path):
        return True
    here, home = os.path.realpath(project), os.path.realpath(home_directory(env))
    if home == here or home.startswith(here.rstrip(os.sep) + os.sep):
        return False
    return any(each.startswith(here + os.sep) for each in (path, os.path.realpath(path)))


def _output(command: list[str], env: Mapping[str, str]) -> Optional[bytes]:
    """Return what it prints; None if it takes too long.  Raise OSError if it can't be started."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=os.path.abspath(os.sep),
        env={**env, "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        start_new_session=os.name == "posix",
    )
    assert child.stdout is not None
    try:
        if os.name != "posix":  # select knows only sockets there
            return child.communicate(timeout=VERSION_S)[0][:MAX_BYTES]
        return _read(child.stdout.fileno())
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill_program(child, wait_sec=0.5)
        child.stdout.close()


def _read(number: int) -> Optional[bytes]:
    """Return the bytes until their end, or MAX_BYTES of them; None if neither comes in time."""
    data, deadline = b"", time.monotonic() + VERSION_S
    while len(data) < MAX_BYTES:
        if not select.select([number], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        piece = os.read(number, MAX_BYTES)
        if not piece:
            break
        data += piece
    return data
