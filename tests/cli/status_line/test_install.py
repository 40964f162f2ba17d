"""The setting `statusLine`: set, beside a command of the user, with exact undo; and quoted for a shell."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.settings_edit.edited_files import EditedFiles
from teamclaude.cli.status_line.install import (
    OWNER,
    install,
    overriding,
    settings_file,
    shell_command,
    status_line_setting,
)
from teamclaude.errors import TeamClaudeError
from teamclaude.own_program import program_path

MAIN = Path(program_path())
OURS = [sys.executable, "-I", "-S", str(MAIN), "statusline"]
THEIRS = {"type": "command", "command": "~/.claude/line.sh --it 's $HOME'", "padding": 0}


@pytest.fixture
def files(tmp_path: Path) -> EditedFiles:
    config = tmp_path / "config" / "teamclaude.json"
    config.parent.mkdir()
    return EditedFiles(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "claude" / "settings.json"


def words(setting: Any) -> list[str]:
    return shlex.split(setting["command"])


def test_the_command_is_this_program_from_anywhere() -> None:
    setting = status_line_setting(None, "", 10)
    assert (setting["type"], setting["refreshInterval"], words(setting)) == ("command", 10, OURS)
    assert MAIN.is_file()


def test_a_template_is_quoted() -> None:
    assert words(status_line_setting(None, "{5h} '$x' \"`", 10)) == [*OURS, "--format", "{5h} '$x' \"`"]


def test_a_command_of_the_user_goes_on_first() -> None:
    setting = status_line_setting(THEIRS, "", 10)
    assert words(setting) == [*OURS, "--first", THEIRS["command"]]
    assert (setting["padding"], setting["refreshInterval"]) == (0, 10)


@pytest.mark.parametrize(
    ("theirs", "refresh", "interval"),
    [
        ({"refreshInterval": 1}, 10, 1),
        (None, 0, None),
        (THEIRS, 30, 30),
        ("nonsense", 5, 5),
        ({"command": 3}, 5, 5),
    ],
)
def test_the_interval(theirs: Any, refresh: int, interval: Any) -> None:
    setting = status_line_setting(theirs, "", refresh)
    assert setting.get("refreshInterval") == interval
    assert setting["type"] == "command"


def test_ours_does_not_come_before_itself() -> None:
    assert words(status_line_setting({"command": "teamclaude statusline --format x"}, "", 10)) == OURS


CONTENTS: dict[str, Any] = {
    "no file": None,
    "others' settings": b'{\n    "model": "opus",\n\n    "env": {"A":"b"}\n}\n',
    "a command": json.dumps({"statusLine": THEIRS}, indent=1).encode(),
    "comments and a byte order mark": b'\xef\xbb\xbf// mine\n{"statusLine": null, /* x */}\r\n',
    "empty": b"",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_undo_gives_the_same_bytes(files: EditedFiles, file: Path, name: str) -> None:
    before = CONTENTS[name]
    if before is not None:
        file.parent.mkdir()
        file.write_bytes(before)
    install(files, file, "{account}", 10)
    once = file.read_bytes()
    assert b"--format" in once
    assert (b"--first" in once) == (name == "a command")
    install(files, file, "{account}", 10)
    assert file.read_bytes() == once, "set again, it does not come before itself"
    install(files, file, "", 0)
    assert b"--format" not in file.read_bytes()
    files.undo(file, OWNER)
    assert (file.read_bytes() if file.exists() else None) == before


def test_what_others_change_meanwhile_stays(files: EditedFiles, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(json.dumps({"statusLine": THEIRS}).encode())
    install(files, file)
    changed = {**json.loads(file.read_bytes()), "model": "opus"}
    file.write_text(json.dumps(changed))
    files.undo(file, OWNER)
    assert json.loads(file.read_bytes()) == {"statusLine": THEIRS, "model": "opus"}


@pytest.mark.parametrize("data", [b"{", b"\xff\xff", b"[]"])
def test_a_broken_file_is_not_touched(files: EditedFiles, file: Path, data: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(data)
    with pytest.raises(TeamClaudeError, match=r"settings\.json"):
        install(files, file)
    assert file.read_bytes() == data


def test_where_the_settings_are(tmp_path: Path) -> None:
    env = {"HOME": "/home/x"}
    assert settings_file("user", env, tmp_path) == Path("/home/x/.claude/settings.json")
    assert settings_file("user", {"CLAUDE_CONFIG_DIR": "/c"}, tmp_path) == Path("/c/settings.json")
    assert settings_file("project", env, tmp_path) == tmp_path / ".claude" / "settings.json"
    assert settings_file("local", env, tmp_path) == tmp_path / ".claude" / "settings.local.json"


def test_what_overrides_it(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path / "home")}
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    assert overriding("user", env, project) is None
    local, shared = (settings_file(scope, env, project) for scope in ("local", "project"))
    local.write_text(json.dumps({"statusLine": THEIRS}))
    assert overriding("user", env, project) == local
    shared.write_text(json.dumps({"statusLine": THEIRS}))
    assert overriding("user", env, project) == shared
    assert overriding("project", env, project) == local
    assert overriding("local", env, project) is None
    local.write_text("{")
    assert overriding("project", env, project) is None
    assert overriding("user", {"HOME": str(project)}, project) is None, "the same file"


def test_the_command_for_the_bash_of_git() -> None:
    shown = shell_command(
        [r"C:\Program Files\py\python.exe", "-S", r"C:\t\__main__.py", "--format", r"a\b"], True
    )
    if sys.platform == "win32":
        assert shown == "'C:/Program Files/py/python.exe' -S C:/t/__main__.py --format 'a\\b'"
    assert shlex.split(shown)[1::2] == ["-S", "--format"]


def test_a_shell_runs_the_command(tmp_path: Path) -> None:
    other = tmp_path / "it's mine.sh"
    other.write_text('#!/bin/sh\necho "mine: $(cat)"\n')
    other.chmod(0o755)
    theirs = {"type": "command", "command": f"{shlex.quote(str(other))} | tr a-z A-Z"}
    setting = status_line_setting(theirs, "", 10)
    env = {
        "PATH": "/usr/bin:/bin",
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
    }
    said = b'{"session_id": "s"}'
    ended = subprocess.run(
        setting["command"], shell=True, input=said, capture_output=True, timeout=30, env=env, cwd=tmp_path
    )
    assert ended.stderr == b""
    assert ended.stdout.decode() == 'MINE: {"SESSION_ID": "S"}\ndirect, not through teamclaude\n'
