"""Which settings files there are, and which of them git shares."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from teamclaude.cli.setup.files import claude_file, editor_files, is_shared_by_git
from teamclaude.errors import UsageError

PROJECT = Path("/work/project")


@pytest.mark.parametrize(
    ("env", "scope", "path"),
    [
        ({"HOME": "/home/u"}, "user", "/home/u/.claude/settings.json"),
        ({"HOME": "/home/u", "CLAUDE_CONFIG_DIR": "/c"}, "user", "/c/settings.json"),
        ({"HOME": "/home/u", "CLAUDE_CONFIG_DIR": "/c"}, "project", "/work/project/.claude/settings.json"),
        ({"HOME": "/home/u"}, "local", "/work/project/.claude/settings.local.json"),
    ],
)
def test_claude_code(env: dict[str, str], scope: str, path: str) -> None:
    assert claude_file(env, PROJECT, scope) == ("Claude Code", scope, Path(path))


def test_local_settings_are_at_the_root_of_the_repository(tmp_path: Path) -> None:
    inside = tmp_path / "src" / "deep"
    inside.mkdir(parents=True)
    assert claude_file({}, inside, "local").path == inside / ".claude" / "settings.local.json"
    (tmp_path / ".git").mkdir()
    assert claude_file({}, inside, "local").path == tmp_path / ".claude" / "settings.local.json"
    assert claude_file({}, inside, "project").path == inside / ".claude" / "settings.json"


@pytest.mark.parametrize(
    ("platform", "env", "directory"),
    [
        ("linux", {}, ".config"),
        ("linux", {"XDG_CONFIG_HOME": "HOME/xdg"}, "xdg"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, ".config"),
        ("darwin", {}, "Library/Application Support"),
        ("win32", {"APPDATA": "HOME/Roaming"}, "Roaming"),
        ("win32", {}, "AppData/Roaming"),
    ],
)
def test_every_editor_that_was_started(
    tmp_path: Path, platform: str, env: dict[str, str], directory: str
) -> None:
    env = {name: value.replace("HOME", str(tmp_path)) for name, value in env.items()}
    env["HOME"] = str(tmp_path)
    with pytest.raises(UsageError, match=r"no VS Code has been started here .*teamclaude setup claude"):
        editor_files(env, PROJECT, "user", platform)
    for name in ("Code", "Cursor", "VSCodium", "Code - Insiders", "Other"):
        (tmp_path / directory / name / "User").mkdir(parents=True)
    (tmp_path / ".vscode-server" / "data" / "Machine").mkdir(parents=True)
    found = editor_files(env, PROJECT, "user", platform)
    assert [(place.program, place.path.relative_to(tmp_path)) for place in found] == [
        ("Code", Path(directory, "Code", "User", "settings.json")),
        ("Code - Insiders", Path(directory, "Code - Insiders", "User", "settings.json")),
        ("VSCodium", Path(directory, "VSCodium", "User", "settings.json")),
        ("Cursor", Path(directory, "Cursor", "User", "settings.json")),
        ("vscode-server", Path(".vscode-server", "data", "Machine", "settings.json")),
    ]


def test_a_workspace() -> None:
    (place,) = editor_files({}, PROJECT, "project", "linux")
    assert place.path == PROJECT / ".vscode" / "settings.json"
    with pytest.raises(UsageError, match="--scope user or --scope project"):
        editor_files({}, PROJECT, "local", "linux")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_what_git_shares(tmp_path: Path) -> None:
    inside, outside = tmp_path / "work", tmp_path / "other"
    for directory in (inside, outside):
        directory.mkdir()
    subprocess.run(["git", "init", "-q", str(inside)], check=True, timeout=30)
    (inside / ".gitignore").write_text("settings.local.json\n")
    assert is_shared_by_git(inside / ".claude" / "settings.json")
    assert not is_shared_by_git(inside / ".claude" / "settings.local.json")
    assert not is_shared_by_git(outside / ".claude" / "settings.json")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_a_work_tree_starts_no_program_of_its_own(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=30)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho > '{tmp_path / 'started'}'\n")
    hook.chmod(0o755)
    with (tmp_path / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {hook}\n")
    assert is_shared_by_git(tmp_path / ".claude" / "settings.json")
    assert not (tmp_path / "started").exists()


def test_without_git_a_work_tree_shares_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(subprocess, "run", no_git)
    assert is_shared_by_git(tmp_path / "a" / "settings.json")
