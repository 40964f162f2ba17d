"""Where Claude Code keeps its files."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..config.state_place import home_directory

__all__ = ["FILE_NAME", "claude_directory", "credentials_file"]

FILE_NAME = ".credentials.json"


def claude_directory(env: Mapping[str, str]) -> str:
    """Return the directory of Claude Code's files: $CLAUDE_CONFIG_DIR or ~/.claude."""
    return env.get("CLAUDE_CONFIG_DIR") or os.path.join(home_directory(env), ".claude")


def credentials_file(env: Mapping[str, str]) -> str:
    """Return the path of Claude Code's credentials file."""
    directory = env.get("CLAUDE_SECURESTORAGE_CONFIG_DIR")
    if directory is None:
        return os.path.join(claude_directory(env), FILE_NAME)
    return os.path.join(directory or os.path.join(home_directory(env), ".claude"), FILE_NAME)
