"""Files of the service are told from those of others, from old and from edited ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.cli.service.unit_files import FileState, UnitFile, marked
from teamclaude.errors import TeamClaudeError

UNIT = "[Unit]\nDescription=x\n"
PLIST = '<?xml version="1.0"?>\n<plist>\n</plist>\n'


@pytest.fixture(params=[UNIT, PLIST])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> UnitFile:
    return UnitFile(tmp_path / "a" / "x.service", marked(request.param))


def test_its_life(file: UnitFile) -> None:
    assert file.state() is FileState.ABSENT
    file.write()
    assert (file.state(), file.differs()) == (FileState.CURRENT, False)
    assert file.path.stat().st_mode & 0o77 == 0
    newer = UnitFile(file.path, marked(UNIT + "After=y\n"))
    assert (newer.state(), newer.differs()) == (FileState.OUTDATED, True)
    newer.check(force=False)
    assert file.remove()
    assert not file.remove()


def test_an_edited_file_is_kept_unless_forced(file: UnitFile) -> None:
    file.write()
    file.path.write_text(file.path.read_text() + "\n")
    assert file.state() is FileState.EDITED
    with pytest.raises(TeamClaudeError, match="--force"):
        file.check(force=False)
    file.check(force=True)


@pytest.mark.parametrize("text", [UNIT, "", "# written by teamclaude\n", "\0\xff"])
def test_a_file_of_others_is_never_touched(file: UnitFile, text: str) -> None:
    file.path.parent.mkdir()
    file.path.write_text(text)
    assert file.state() is FileState.FOREIGN
    for force in (False, True):
        with pytest.raises(TeamClaudeError, match="not written by teamclaude"):
            file.check(force)


def test_what_is_no_file_is_one_line(file: UnitFile) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(TeamClaudeError, match="is no file"):
        file.state()
    file.path.rmdir()
    os.symlink("/nowhere/at/all", file.path)
    with pytest.raises(TeamClaudeError, match="is no file"):
        file.state()


def test_the_variables_of_a_shell_make_no_file_outdated(tmp_path: Path) -> None:
    with_proxy = UNIT + 'Environment=HTTPS_PROXY=http://p:1\nEnvironment="NO_PROXY=a b"\n'
    UnitFile(tmp_path / "x", marked(with_proxy)).write()
    now = UnitFile(tmp_path / "x", marked(UNIT))
    assert (now.state(), now.differs()) == (FileState.CURRENT, True)
    moved = UnitFile(tmp_path / "x", marked(UNIT + "Environment=TEAMCLAUDE_CONFIG=/y\n"))
    assert moved.state() is FileState.OUTDATED


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(TeamClaudeError, match="can't be"):
        UnitFile(tmp_path / "a" / "x", marked(UNIT)).write()
