"""The user's config file, as commands open it."""

from __future__ import annotations

import os

from ..accounts.store import ConfigFile, config_path
from .terminal import note

__all__ = ["open_config"]


def open_config() -> ConfigFile:
    """The config file that the environment names; what it has to say goes to stderr."""
    return ConfigFile(config_path(os.environ), warn=lambda line: note(f"teamclaude: {line}"))
