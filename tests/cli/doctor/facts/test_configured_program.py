"""Programs that the config file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamclaude.cli.doctor.facts.configured_program import why_unusable


def test_by_path_and_by_name(tmp_path: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tool"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert why_unusable(["tool", "SECRET"]) == "tool is not on the PATH"
    assert why_unusable([str(program), "SECRET"]) == f"{program} can't be run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o600)
    assert why_unusable([str(program)]) == f"{program} can't be run"
    program.chmod(0o700)
    assert why_unusable([str(program)]) == why_unusable(["tool"]) == ""
    (private_home / "mine").symlink_to(program)
    assert why_unusable(["~/mine"]) == ""
    assert why_unusable([str(tmp_path)]) == f"{tmp_path} can't be run"
