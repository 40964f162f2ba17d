"""The supervisor of Claude Code's background agents, which keeps the environment it was started with.

Measured with 2.1.332 (2026-11): `daemon.lock` in Claude Code's directory names the process that runs and its
start; `claude daemon stop` ends it (`--any`, when `claude --bg` or `claude agents` has started it).  Its
proxies and base URL are those of the agents, unless `--settings` or a settings file says else; provider
variables and API keys of its environment do not reach agents with settings of their own.  Of each session
`jobs/ID/state.json` has the options that it is started with again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ...accounts.config.json_file import json_object
from ...accounts.importing.claude_files import claude_directory
from ...values import NamedTuple

__all__ = ["BackgroundService", "find_service", "has_environment", "session_settings"]

# What leads an agent to the proxy.
DECISIVE = ("ANTHROPIC_BASE_URL", "HTTPS_PROXY", "https_proxy", "NODE_EXTRA_CA_CERTS")
START_FIELD = 22  # of /proc/PID/stat, proc_pid_stat(5); the name before it may have blanks


class BackgroundService(NamedTuple):
    """A supervisor that runs; `environment` is None where it can't be read."""

    pid: int
    version: str
    environment: Optional[Mapping[str, str]]


def find_service(
    env: Mapping[str, str], platform: str = sys.platform, proc: Path = Path("/proc")
) -> Optional[BackgroundService]:
    """Return the supervisor of this user, None if none runs or that can't be told (Windows)."""
    try:
        lock = json_object(Path(claude_directory(env), "daemon.lock").read_bytes()) or {}
    except OSError:
        return None
    pid = lock.get("pid")
    if type(pid) is not int or pid <= 0 or not _runs(pid, lock.get("procStart"), platform, proc):
        return None
    return BackgroundService(pid, str(lock.get("version", "")), _environment_of(pid, proc))


def has_environment(service: BackgroundService, variables: Mapping[str, str]) -> bool:
    """Return whether its agents are led as a client with `variables`; False where that can't be told."""
    seen = service.environment
    return seen is not None and all(seen.get(name) == variables.get(name) for name in DECISIVE)


def session_settings(env: Mapping[str, str], session: str) -> Optional[str]:
    """Return the `--settings` that a background session is started with again; empty if it has none.

    None if there is no such session; `session` is its short id.
    """
    if not session.isalnum():
        return None
    try:
        file = Path(claude_directory(env), "jobs", session, "state.json")
        flags = (json_object(file.read_bytes()) or {}).get("respawnFlags")
    except OSError:
        return None
    words = [str(word) for word in flags] if isinstance(flags, list) else []
    return next((words[n + 1] for n, word in enumerate(words[:-1]) if word == "--settings"), "")


def _runs(pid: int, start: Any, platform: str, proc: Path) -> bool:
    if platform == "win32":
        return False
    try:
        fields = (proc / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return start is None or fields[START_FIELD - 3] == str(start)
    except (OSError, IndexError):
        if platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _environment_of(pid: int, proc: Path) -> Optional[dict[str, str]]:
    try:
        data = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(entry).partition("=") for entry in data.split(b"\0"))
    return {name: text for name, equals, text in pairs if equals}
