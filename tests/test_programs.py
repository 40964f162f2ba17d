"""Programs are found on the PATH alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.programs import find_program


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
