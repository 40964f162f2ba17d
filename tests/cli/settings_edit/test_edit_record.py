"""Several edits in one file, and changes by others in between: each takes back exactly its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.cli.settings_edit.edit_record import Edit
from teamclaude.cli.settings_edit.edited_files import EditedFiles
from tests.cli.settings_edit.edited import CONTENTS, EDITS, KEY, URL, written


def test_two_writes_keep_the_first_original(files: EditedFiles, file: Path) -> None:
    original = CONTENTS["our keys with other values"]
    written(file, original)
    files.write(file, "setup", EDITS)
    files.write(file, "setup", [Edit(URL, "http://127.0.0.1:2"), EDITS[1]])
    assert json.loads(file.read_text())["env"]["URL"] == "http://127.0.0.1:2"
    files.undo(file, "setup")
    assert file.read_bytes() == original


def test_a_second_write_takes_back_what_it_does_not_set(files: EditedFiles, file: Path) -> None:
    original = CONTENTS["our keys with other values"]
    written(file, original)
    files.write(file, "setup", EDITS)
    files.write(file, "setup", [Edit(("env", "PROXY"), "p"), Edit(URL, "u")])
    assert json.loads(file.read_text()) == {"env": {"URL": "u", "KEY": "sk", "PROXY": "p"}, "a": 1}
    # The same when somebody has changed the file meanwhile.
    file.write_bytes(file.read_bytes().replace(b'"a": 1', b'"a": 2'))
    files.write(file, "setup", [Edit(("env", "OTHER"), "o")])
    assert json.loads(file.read_text()) == {
        "env": {"KEY": "sk", "URL": "https://gateway.example", "OTHER": "o"},
        "a": 2,
    }
    files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"env": {"KEY": "sk", "URL": "https://gateway.example"}, "a": 2}


def test_writing_the_same_again_changes_nothing(files: EditedFiles, file: Path) -> None:
    written(file, CONTENTS["two blanks"])
    files.write(file, "setup", EDITS)
    inode = file.stat().st_ino
    change = files.write(file, "setup", EDITS)
    assert change.before == change.after
    assert file.stat().st_ino == inode
    files.undo(file, "setup")
    assert file.read_bytes() == CONTENTS["two blanks"]


def test_values_that_were_there_already_are_not_ours(files: EditedFiles, file: Path) -> None:
    written(file, b'{"env": {"URL": "http://127.0.0.1:1", "KEY": "tc-1"}}')
    files.write(file, "setup", EDITS)
    assert files.files_of("setup") == []


@pytest.mark.parametrize(
    "name", ["two blanks", "our keys with other values", "tabs and CRLF", "an empty env", "an empty object"]
)
def test_what_others_changed_since_stays(files: EditedFiles, file: Path, name: str) -> None:
    written(file, CONTENTS[name])
    original = json.loads(CONTENTS[name])
    files.write(file, "setup", EDITS)
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({"new": [1], **raw, "last": True}, indent=4))
    change = files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"new": [1], **original, "last": True}
    assert change.kept == []
    assert files.files_of("setup") == []


def test_an_empty_object_that_others_have_written_anew_stays(files: EditedFiles, file: Path) -> None:
    written(file, b"{}")
    files.write(file, "setup", EDITS)
    file.write_text(json.dumps(json.loads(file.read_text())))
    files.undo(file, "setup")
    assert file.read_bytes() == b"{}"


def test_a_value_of_ours_that_others_changed_stays_and_is_named(files: EditedFiles, file: Path) -> None:
    written(file, CONTENTS["our keys with other values"])
    files.write(file, "setup", EDITS)
    file.write_bytes(file.read_bytes().replace(b"tc-1", b"mine"))
    change = files.undo(file, "setup")
    assert change.kept == [KEY]
    assert json.loads(file.read_text()) == {"env": {"URL": "https://gateway.example", "KEY": "mine"}, "a": 1}


@pytest.mark.parametrize(
    ("original", "theirs", "left"),
    [
        (None, "X-New: 1\nkey: tc", "X-New: 1"),
        ("X-Two: 2", "X-Two: 3\nkey: tc\nX-New: 1", "X-Two: 3\nX-New: 1"),
        ("X-Two: 2", "X-Two: 3", "X-Two: 3"),
    ],
)
def test_a_header_of_ours_goes_from_a_value_that_others_changed(
    files: EditedFiles, file: Path, original: Optional[str], theirs: str, left: str
) -> None:
    env = {} if original is None else {"HEADERS": original}
    written(file, json.dumps({"env": env}).encode())
    ours = "key: tc" if original is None else f"{original}\nkey: tc"
    files.write(file, "setup", [Edit(("env", "HEADERS"), ours)])
    file.write_text(json.dumps({"env": {"HEADERS": theirs}}))
    change = files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"env": {"HEADERS": left}}
    assert bool(change.kept) == ("tc" not in theirs)


def test_a_write_after_others_changed_the_file_keeps_their_changes(files: EditedFiles, file: Path) -> None:
    written(file, CONTENTS["two blanks"])
    files.write(file, "setup", EDITS)
    theirs = file.read_bytes().replace(b'"opus"', b'"haiku"')
    file.write_bytes(theirs)
    files.write(file, "setup", [Edit(URL, "http://127.0.0.1:2"), EDITS[1]])
    assert file.read_bytes() == theirs.replace(b":1", b":2")
    files.undo(file, "setup")
    assert file.read_bytes() == CONTENTS["two blanks"].replace(b'"opus"', b'"haiku"')


def test_two_owners_in_one_file(files: EditedFiles, file: Path) -> None:
    line = [Edit(("statusLine",), {"type": "command", "command": "x"})]
    for first, second in (("setup", "line"), ("line", "setup")):
        edits: dict[str, Sequence[Edit]] = {"setup": EDITS, "line": line}
        written(file, CONTENTS["two blanks"])
        files.write(file, second, edits[second])
        alone = file.read_bytes()
        files.undo(file, second)
        files.write(file, first, edits[first])
        files.write(file, second, edits[second])
        files.undo(file, first)
        assert file.read_bytes() == alone
        assert (files.files_of(first), files.files_of(second)) == ([], [file])
        files.undo(file, second)
        assert file.read_bytes() == CONTENTS["two blanks"]


def test_two_owners_and_a_change_of_others(files: EditedFiles, file: Path) -> None:
    written(file, CONTENTS["two blanks"])
    files.write(file, "setup", EDITS)
    files.write(file, "line", [Edit(("statusLine",), 1)])
    file.write_bytes(file.read_bytes().replace(b'"opus"', b'"haiku"'))
    files.undo(file, "setup")
    assert json.loads(file.read_text()) == {"model": "haiku", "env": {"X": "x"}, "statusLine": 1}
    files.undo(file, "line")
    assert file.read_bytes() == CONTENTS["two blanks"].replace(b'"opus"', b'"haiku"')


def test_two_owners_of_one_value(files: EditedFiles, file: Path) -> None:
    # As when two settings files need the same switch of a third one, which changes all the time.
    on = [Edit(("proxy", "forward"), True)]
    written(file, b'{"accounts": []}')
    files.write(file, "one", on)
    files.write(file, "two", on)
    file.write_bytes(file.read_bytes().replace(b"[]", b"[1]"))
    files.undo(file, "one")
    assert json.loads(file.read_text()) == {"accounts": [1], "proxy": {"forward": True}}
    files.undo(file, "two")
    assert json.loads(file.read_text()) == {"accounts": [1]}


def test_a_value_that_somebody_has_taken_back_already_is_not_named(files: EditedFiles, file: Path) -> None:
    original = CONTENTS["our keys with other values"]
    written(file, original)
    files.write(file, "setup", EDITS)
    written(file, original)
    assert files.undo(file, "setup").kept == []
    assert file.read_bytes() == original
