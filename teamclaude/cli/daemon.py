"""A server that goes on after the command that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ..errors import TeamClaudeError
from .proxy_client import ProxyClient
from .terminal import note

__all__ = ["log_path", "start_background_server"]

START_S = 15.0
POLL_S = 0.05


def log_path(config: Path) -> Path:
    """Return the log file of a background server: `X.json` -> `X.server.log`, in the same directory."""
    return config.with_name(f"{config.stem}.server.log")


def start_background_server(
    proxy: ProxyClient, config: Path, port: Optional[int], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Start a detached server and wait until it answers; raise TeamClaudeError with its last message."""
    log = log_path(config)
    note(f"teamclaude: starting a server in the background (at most {START_S:.0f} s) ...")
    child = _spawn_detached(config, log, port)
    deadline = time.monotonic() + START_S
    while not proxy.is_up():
        # Another `run --auto` may have been faster: ours then ends, and theirs answers.
        ended = child.poll() is not None and not proxy.is_up()
        if ended or time.monotonic() > deadline:
            child.terminate()
            raise TeamClaudeError(f"the server did not start: {_last_message(log)} (log: {log})")
        sleep(POLL_S)
    note(f"teamclaude: a server answers at {proxy.url}; it stays until: kill {child.pid} (log: {log})")


def _spawn_detached(config: Path, log: Path, port: Optional[int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "teamclaude", "server", "--headless"]
    command += ["--port", str(port)] if port else []
    # A new session: the terminal's signals and hang-up must not reach the server.
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # The package's parent directory: `-m teamclaude` works there even if it was only copied, and
                # the server keeps no other directory from being unmounted or removed.
                cwd=Path(__file__).resolve().parents[2],
                env={**os.environ, "TEAMCLAUDE_CONFIG": str(config)},
                **apart,
            )
    except OSError as error:
        raise TeamClaudeError(f"can't start a server in the background: {error}") from error


def _last_message(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    said = [line for line in lines if line.startswith("teamclaude: ")]
    return said[-1][len("teamclaude: ") :] if said else "it said nothing"
