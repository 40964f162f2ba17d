"""Claude Code's settings files and their precedence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teamclaude.cli.claude_code.settings_files import base_urls_in_settings


@pytest.fixture
def env(private_home: Path) -> dict[str, str]:
    return {"HOME": str(private_home), "USER": "me", "PATH": str(private_home / "bin")}


def put(file: Path, value: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_base_urls_come_strongest_first(env: dict[str, str], private_home: Path, tmp_path: Path) -> None:
    def settings(url: str) -> dict[str, object]:
        return {"env": {"ANTHROPIC_BASE_URL": url}}

    user = put(private_home / ".claude" / "settings.json", settings("http://user"))
    project = put(tmp_path / ".claude" / "settings.json", settings("http://project"))
    local = put(tmp_path / ".claude" / "settings.local.json", settings("http://local"))
    found = base_urls_in_settings(env, tmp_path, "linux")
    assert [(each.file, each.url) for each in found] == [
        (local, "http://local"),
        (project, "http://project"),
        (user, "http://user"),
    ]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"env": []}', '{"env": {"ANTHROPIC_BASE_URL": 3}}', '{"env": {}}']
)
def test_settings_without_a_base_url(env: dict[str, str], tmp_path: Path, text: str) -> None:
    put(tmp_path / ".claude" / "settings.json", text)
    assert base_urls_in_settings(env, tmp_path, "linux") == []


def test_a_file_is_named_once_when_the_home_is_the_project(env: dict[str, str], private_home: Path) -> None:
    put(private_home / ".claude" / "settings.json", {"env": {"ANTHROPIC_BASE_URL": "http://x"}})
    assert len(base_urls_in_settings(env, private_home, "linux")) == 1
