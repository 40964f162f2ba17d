"""The version of `claude`, asked with care."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.cli.doctor.facts import claude_program as module
from teamclaude.cli.doctor.facts.claude_program import ClaudeProgram, claude_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="scripts of sh")


@pytest.fixture
def script(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a `claude` onto the PATH: `script("echo 2.1.332")`."""
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")

    def write(body: str) -> Path:
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        return program

    return write


def test_the_version_is_what_it_prints(script: Callable[[str], Path], tmp_path: Path) -> None:
    path = script('[ "$1" = --version ] && [ -n "$DISABLE_AUTOUPDATER" ] && echo "2.1.332 (Claude Code)"')
    assert claude_program(os.environ, tmp_path) == ClaudeProgram(str(path), "2.1.332")


def test_it_runs_elsewhere_than_in_the_working_directory(
    script: Callable[[str], Path], tmp_path: Path
) -> None:
    script("touch trace; pwd >&2; echo 1.2.3")
    claude_program(os.environ, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("exit 3", "claude --version names no version"),
        ("echo hello; exit 0", "claude --version names no version"),
        ("printf 'v\\377\\000%s' 2.x", "claude --version names no version"),
    ],
)
def test_what_is_no_version(script: Callable[[str], Path], tmp_path: Path, body: str, problem: str) -> None:
    script(body)
    assert claude_program(os.environ, tmp_path).problem == problem


def test_one_that_prints_without_end_is_cut(script: Callable[[str], Path], tmp_path: Path) -> None:
    script("while :; do echo 9.9.9 and more; done")
    assert claude_program(os.environ, tmp_path).version == "9.9.9"


def test_one_that_hangs_is_ended_with_what_it_started(
    script: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VERSION_S", 0.3)
    pid_file = tmp_path / "pid"
    script(f"sleep 600 & echo $! > {pid_file}; wait")
    assert claude_program(os.environ, Path("/")).problem == "claude --version gave no answer in 0.3 s"
    if pid_file.exists() and pid_file.read_text().strip():  # on a slow machine it did not get so far
        _wait_for_the_end(int(pid_file.read_text()))


def _wait_for_the_end(pid: int) -> None:
    """Return when the process has ended: a killed one may take a moment."""
    deadline = time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < deadline, "it was not ended"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_nothing_of_the_working_directory_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {trace}\necho 1.2.3\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (str(program.parent), "bin"):
        monkeypatch.setenv("PATH", path)
        found = claude_program(os.environ, tmp_path)
        assert "working directory" in found.problem
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.mkdir()
    (link / "claude").symlink_to(program)
    monkeypatch.setenv("PATH", str(link))
    assert "working directory" in claude_program(os.environ, tmp_path).problem
    assert not trace.exists()


def test_in_the_home_directory_its_own_programs_are_fine(
    script: Callable[[str], Path], private_home: Path
) -> None:
    script("echo 1.2.3")
    assert claude_program(os.environ, private_home).version == "1.2.3"


def test_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert claude_program(os.environ, tmp_path) == ClaudeProgram()


def test_one_that_cannot_be_started(script: Callable[[str], Path], tmp_path: Path) -> None:
    program = script("")
    program.write_bytes(b"#!/nowhere/interpreter\n")
    assert claude_program(os.environ, tmp_path).problem.startswith("it can't be started (")


def test_without_home_the_users_own_counts(script: Callable[[str], Path], private_home: Path) -> None:
    script("echo 1.2.3")
    env = {name: text for name, text in os.environ.items() if name not in ("HOME", "USERPROFILE")}
    assert claude_program(env, private_home).version == "1.2.3"
    assert "working directory" in claude_program({**env, "HOME": "/nowhere"}, private_home).problem
