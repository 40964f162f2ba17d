"""The history file that each server would make at its start, made once: a third of the time of a stage."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from teamclaude.history.database import open_to_write
from teamclaude.proxy.reporting.live_history import history_path

__all__ = ["put_empty_history"]

NOW = 1_800_000_000.0  # of the clock of tests


def put_empty_history(config: Path) -> None:
    """Write the history file of the server with this config file."""
    file = Path(history_path(config))
    file.write_bytes(_empty_history())
    file.chmod(0o600)


@cache
def _empty_history() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.history.db")
        open_to_write(str(path), pytest.fail, lambda: NOW).close()
        return path.read_bytes()
