"""Keys for servers: from the environment, a file or a pipe; none that is refused is shown."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from teamclaude.cli.remote.keys import keys_for
from teamclaude.errors import TeamClaudeError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("\ufefftc-ONE\r\n", "utf-8")
    path.chmod(0o600)
    return path


def test_the_variable_is_for_all_servers_or_has_one_for_each() -> None:
    assert keys_for(1, (), {}) == [""]
    assert keys_for(2, (), {}) == ["", ""]
    assert keys_for(2, (), {"TEAMCLAUDE_KEY": " tc-ONE\n"}) == ["tc-ONE", "tc-ONE"]
    assert keys_for(2, (), {"TEAMCLAUDE_KEY": "tc-ONE, tc-TWO"}) == ["tc-ONE", "tc-TWO"]
    with pytest.raises(UsageError, match="gives 3 keys for 2 servers"):
        keys_for(2, (), {"TEAMCLAUDE_KEY": "a b c"})


def test_a_file_beats_the_variable(file: Path) -> None:
    assert keys_for(2, [str(file)], {"TEAMCLAUDE_KEY": "tc-OTHER"}) == ["tc-ONE", "tc-ONE"]


def test_a_key_with_a_comma_is_one_key_for_one_server() -> None:
    assert keys_for(1, (), {"TEAMCLAUDE_KEY": "a,b"}) == ["a,b"]


def test_a_key_comes_from_a_pipe_or_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.write(write, b"tc-PIPE\n")
    os.close(write)
    assert keys_for(1, [f"/dev/fd/{read}"], {}) == ["tc-PIPE"]
    os.close(read)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"tc-STDIN\n")))
    assert keys_for(1, ["-"], {}) == ["tc-STDIN"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no key"),
        (b" \n\n", "no key"),
        (b"tc-SECRET tc-SECRET2", "2 words, not one key"),
        (b"tc-SECRET\x00", "control character"),
        (b"tc-SECRET\xff\xfe", "outside ASCII"),
        ("tc-SECRETключ".encode(), "outside ASCII"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(file: Path, data: bytes, said: str) -> None:
    file.write_bytes(data)
    with pytest.raises(TeamClaudeError) as caught:
        keys_for(1, [str(file)], {})
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_variable_that_is_no_key_is_refused_and_not_shown() -> None:
    with pytest.raises(TeamClaudeError) as caught:
        keys_for(1, (), {"TEAMCLAUDE_KEY": "tc-SECRET\nx: y"})
    assert str(caught.value) == "TEAMCLAUDE_KEY: it holds a blank or control character, so it is no key"


def test_a_file_that_is_not_there_or_is_a_directory(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(TeamClaudeError, match=said):
            keys_for(1, [str(path)], {})


def test_a_file_that_others_can_read_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys_for(1, [str(file)], {})
    assert capsys.readouterr().err == ""
    file.chmod(0o640)
    assert keys_for(1, [str(file)], {}) == ["tc-ONE"]
    assert "other users can read the key" in capsys.readouterr().err
