"""Repairs: only what was shown, only files of our own, and failures are one line."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from teamclaude.cli.doctor.finding import Action, Fix, Kind, Level
from teamclaude.cli.doctor.repair import fixes_of, repair
from teamclaude.errors import TeamClaudeError

KIND = Kind("x.y", Level.WARNING, "So.")


def never(words: Sequence[str]) -> int:
    raise AssertionError(words)


def chmod(path: Path, mode: int = 0o600) -> Fix:
    return Fix("chmod", Action("chmod", str(path), mode))


def test_the_same_fix_is_offered_once() -> None:
    fix = chmod(Path("/a"))
    assert fixes_of([KIND.found("1", fix=fix), KIND.found("2"), KIND.found("3", fix=fix)]) == [fix]


def test_others_lose_their_rights(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("x")
    file.chmod(0o644)
    repair(chmod(file), never)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_left_over_file_goes(tmp_path: Path) -> None:
    file = tmp_path / ".f.tmp"
    file.write_text("x")
    repair(Fix("rm", Action("remove", str(file))), never)
    assert not file.exists()


def test_a_pipe_in_the_files_place_stays_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "f"
    os.mkfifo(pipe, 0o644)
    for action in (Action("chmod", str(pipe), 0o600), Action("remove", str(pipe))):
        with pytest.raises(TeamClaudeError, match="not a file of yours"):
            repair(Fix("x", action), never)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o644


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TeamClaudeError, match="No such file"):
        repair(chmod(tmp_path / "gone"), never)


def test_a_command_of_ours_is_run(tmp_path: Path) -> None:
    ran: list[Sequence[str]] = []

    def run(words: Sequence[str]) -> int:
        ran.append(words)
        return len(ran) - 1

    fix = Fix("teamclaude restart", Action("run", words=("restart",)))
    repair(fix, run)
    with pytest.raises(TeamClaudeError, match="teamclaude restart did not succeed"):
        repair(fix, run)
    assert ran == [("restart",), ("restart",)]
