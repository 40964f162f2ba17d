"""Programs are found on the PATH alone, and killed with all that they have started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

from teamclaude.programs import find_program, kill_program


def program(directory: Path, name: str = "claude") -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_the_first_on_the_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    first, _ = program(tmp_path / "a"), program(tmp_path / "b")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, [tmp_path / "none", tmp_path / "a", tmp_path / "b"])))
    assert find_program("claude", platform) == str(first)
    assert find_program("other", platform) is None


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_on_windows_the_working_directory_is_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    program(tmp_path)
    program(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([entry, str(tmp_path / "none")]))
    assert find_program("claude", "win32") is None


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_program_is_killed_with_its_group() -> None:
    child = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo started; wait"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    kill_program(child)
    assert child.returncode == -signal.SIGKILL
    # The end comes when nobody has the pipe any more.
    assert select.select([child.stdout], [], [], 10)[0]
    assert child.stdout.read() == ""
    child.stdout.close()
    kill_program(child)  # it has ended: nothing is done
