"""A home directory and a project for the commands on the client's side."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.commands.client import run as client_run
from tests.cli.commands.client.stand_in import CLAUDE, Run
from tests.cli.support import Ended, Stub
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


@pytest.fixture
def claude(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that tells what it was given."""
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Ended]) -> Run:
    """The same in this process, up to the point where claude would take its place."""

    def run(*words: str, cwd: Path, **more: str) -> tuple[Any, str, int]:
        found: list[Any] = []

        def given(program: str, words: list[str], env: dict[str, str]) -> int:
            assert Path(program).name == "claude"
            ours = {name: value for name, value in env.items() if name.startswith("ANTHROPIC_")}
            found.append({"words": words, "env": ours})
            return 0

        with monkeypatch.context() as patch:
            patch.setattr(client_run, "_exec", given)
            patch.setattr(tempfile, "tempdir", None)  # else TMPDIR is not looked at again
            patch.chdir(cwd)
            for name, value in more.items():
                patch.setenv(name, value)
            ended = cli("run", *words)
        assert ended.out == ""
        return (found[0] if found else None), ended.err, ended.status

    return run
