"""Edited files get their bytes back; modes, owners and links stay; what can't be edited is left."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.cli.settings_edit import edited_files
from teamclaude.cli.settings_edit.edit_record import decoded
from teamclaude.cli.settings_edit.edited_files import EditedFiles, undo_directory
from teamclaude.cli.settings_edit.json_edit import get_path
from teamclaude.errors import TeamClaudeError
from tests.cli.settings_edit.edited import CONTENTS, EDITS, URL, written


def tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    """All paths below with their mode and content; links are followed by their target only."""
    return {
        str(path.relative_to(directory)): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(directory.rglob("*"))
        if not path.name.endswith(".lock")
    }


@pytest.mark.parametrize("name", CONTENTS)
def test_undo_gives_the_same_bytes(files: EditedFiles, file: Path, tmp_path: Path, name: str) -> None:
    written(file, CONTENTS[name])
    before = tree(tmp_path)
    preview = files.preview(file, "setup", EDITS)
    assert tree(tmp_path) == before
    change = files.write(file, "setup", EDITS)
    assert change == preview
    assert change.after == file.read_bytes()
    assert get_path(decoded(file.read_bytes()), URL) == "http://127.0.0.1:1"
    assert files.files_of("setup") == [file]
    assert files.preview_undo(file, "setup").after == CONTENTS[name]
    assert files.undo(file, "setup").after == CONTENTS[name]
    assert tree(tmp_path) == before
    assert files.files_of("setup") == []


def test_a_missing_file_is_made_private_and_goes_again(
    files: EditedFiles, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    before = tree(tmp_path)
    assert files.preview(file, "setup", EDITS).before is None
    files.write(file, "setup", EDITS)
    assert json.loads(file.read_text()) == {"env": {"URL": "http://127.0.0.1:1", "KEY": "tc-1"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert files.undo(file, "setup").after is None
    assert tree(tmp_path) == before


def test_a_directory_with_something_else_stays(files: EditedFiles, file: Path) -> None:
    files.write(file, "setup", EDITS)
    written(file.with_name("history.jsonl"), b"x")
    files.undo(file, "setup")
    assert os.listdir(file.parent) == ["history.jsonl"]


def test_a_file_that_was_made_and_changed_stays_without_our_values(files: EditedFiles, file: Path) -> None:
    files.write(file, "setup", EDITS)
    file.write_text(json.dumps({**json.loads(file.read_text()), "model": "opus"}, indent=2))
    files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"model": "opus"}
    # And one in which nothing else is left goes.
    files.write(file, "setup", EDITS)
    file.write_text(json.dumps(json.loads(file.read_text())))
    files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"model": "opus"}
    file.unlink()
    files.write(file, "setup", EDITS)
    file.write_text(json.dumps(json.loads(file.read_text())))
    files.undo(file, "setup")
    assert not file.exists()


def test_undo_without_a_file_or_a_record_does_nothing(files: EditedFiles, file: Path) -> None:
    assert files.undo(file, "setup") == (str(file), None, None, ())
    files.write(file, "setup", EDITS)
    file.unlink()
    assert files.undo(file, "setup").after is None
    assert not file.exists()
    assert files.files_of("setup") == []
    written(file, b"{}")
    assert files.undo(file, "setup").after == b"{}"


# --- the file system ------------------------------------------------------------------------------------


def test_mode_and_link_stay(files: EditedFiles, file: Path, tmp_path: Path) -> None:
    target = written(tmp_path / "dotfiles" / "claude.json", b"{}")
    target.chmod(0o640)
    file.parent.mkdir(parents=True)
    file.symlink_to(target)
    before = tree(tmp_path)
    files.write(file, "setup", EDITS)
    assert file.is_symlink()
    assert b"tc-1" in target.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(target.parent) == ["claude.json"]
    files.undo(file, "setup")
    assert tree(tmp_path) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays(files: EditedFiles, file: Path) -> None:
    os.chown(written(file, b"{}"), 12345, 54321)
    files.write(file, "setup", EDITS)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_the_record_is_private(files: EditedFiles, file: Path, config: Path) -> None:
    written(file, b'{"env": {"KEY": "sk-secret"}}')
    files.write(file, "setup", EDITS)
    directory = undo_directory(config)
    assert directory == config.parent / "teamclaude.undo"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (record,) = directory.iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def refused(edit: Callable[[], object]) -> str:
    with pytest.raises(TeamClaudeError) as refusal:
        edit()
    text = str(refusal.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"env": ', "line 1, column 9: expected a value; mend it first (nothing was changed)"),
        (b'{"a": "\xff"}', "line 1: is not UTF-8 text; mend it first (nothing was changed)"),
        (b"\xff\xfe{\x00}", "line 1: is not UTF-8 text; mend it first (nothing was changed)"),
        (b'{"env": "x"}', "expected an object in env; mend it first (nothing was changed)"),
    ],
)
def test_a_file_that_can_not_be_read_is_left(
    files: EditedFiles, file: Path, tmp_path: Path, data: bytes, problem: str
) -> None:
    written(file, data)
    before = tree(tmp_path)
    assert refused(lambda: files.write(file, "setup", EDITS)) == f"{file}: {problem}"
    assert tree(tmp_path) == before


def test_a_file_that_was_broken_since_is_left(files: EditedFiles, file: Path, tmp_path: Path) -> None:
    written(file, b"{}")
    files.write(file, "setup", EDITS)
    file.write_bytes(b"{")
    before = tree(tmp_path)
    assert "mend it first" in refused(lambda: files.undo(file, "setup"))
    assert tree(tmp_path) == before


def test_a_read_only_file_is_left(files: EditedFiles, file: Path, tmp_path: Path) -> None:
    written(file, b"{}").chmod(0o444)
    before = tree(tmp_path)
    assert "it is read-only (chmod u+w)" in refused(lambda: files.write(file, "setup", EDITS))
    assert tree(tmp_path) == before


def test_a_directory_is_no_file(files: EditedFiles, file: Path) -> None:
    file.mkdir(parents=True)
    assert "it is not a regular file" in refused(lambda: files.write(file, "setup", EDITS))


@pytest.mark.parametrize("missing", [True, False])
def test_a_directory_that_can_not_be_written_to(
    files: EditedFiles, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    if not missing:
        written(file, b"{}")
    (tmp_path / "home").mkdir(exist_ok=True)
    before = tree(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    # The record itself is written as before.
    monkeypatch.setattr(
        edited_files, "write_private", lambda path, data: Path(path).parent.mkdir(exist_ok=True)
    )
    line = refused(lambda: files.write(file, "setup", EDITS))
    assert line == f"{file}: can't change it (its directory must be writable): Permission denied"
    assert tree(tmp_path) == before


def test_a_change_by_another_program_meanwhile_is_kept(
    files: EditedFiles, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(file, b'{"model": "opus"}')
    fsync, theirs = os.fsync, [b'{"model": "haiku"}']

    def change_meanwhile(handle: int) -> None:
        fsync(handle)
        if theirs and b"sync" not in file.read_bytes():
            file.write_bytes(theirs.pop())

    monkeypatch.setattr(os, "fsync", change_meanwhile)
    files.write(file, "setup", EDITS)
    assert json.loads(file.read_text())["model"] == "haiku"
    files.undo(file, "setup")
    assert file.read_bytes() == b'{"model": "haiku"}'


def test_a_file_that_keeps_changing_is_given_up(
    files: EditedFiles, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(file, b"{}")
    fsync, count = os.fsync, iter(range(100))

    def change_meanwhile(handle: int) -> None:
        fsync(handle)
        file.write_bytes(b'{"n": %d}' % next(count))

    monkeypatch.setattr(os, "fsync", change_meanwhile)
    assert "another program keeps changing it" in refused(lambda: files.write(file, "setup", EDITS))
    assert os.listdir(file.parent) == ["settings.json"]
    assert files.files_of("setup") == []


def test_a_record_that_can_not_be_read_is_named(files: EditedFiles, file: Path, config: Path) -> None:
    written(file, b"{}")
    files.write(file, "setup", EDITS)
    (record,) = undo_directory(config).iterdir()
    record.write_text("{}")
    assert f"{record}: can't read this record" in refused(lambda: files.undo(file, "setup"))
