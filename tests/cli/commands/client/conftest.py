"""A home directory and a project for the commands on the client's side."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.support import Stub
from tests.proxy.connect.made_once import made_once as made_once


@pytest.fixture
def home(private_home: Path, stub: Stub, project: Path, made_once: None) -> Path:
    """A home directory with a config file for `stub`, and an editor that has been started; see `project`."""
    if sys.platform.startswith("linux"):
        (private_home / ".config" / "Code" / "User").mkdir(parents=True)
    return private_home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
