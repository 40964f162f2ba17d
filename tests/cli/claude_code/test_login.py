"""Whether Claude Code is logged in on this machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from teamclaude.cli.claude_code.login import is_logged_in

LOGIN = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}}


@pytest.fixture
def env(private_home: Path) -> dict[str, str]:
    return {"HOME": str(private_home), "USER": "me", "PATH": str(private_home / "bin")}


def put(file: Path, value: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_no_login(env: dict[str, str]) -> None:
    assert not is_logged_in(env, "linux")


@pytest.mark.parametrize("login", [LOGIN, LOGIN["claudeAiOauth"]], ids=["nested", "flat"])
def test_a_credentials_file_is_a_login(env: dict[str, str], private_home: Path, login: object) -> None:
    put(private_home / ".claude" / ".credentials.json", login)
    assert is_logged_in(env, "linux")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"claudeAiOauth": {}}', '{"claudeAiOauth": null}', '{"mcpOAuth": {}}']
)
def test_a_file_without_one_is_not(env: dict[str, str], private_home: Path, text: str) -> None:
    put(private_home / ".claude" / ".credentials.json", text)
    assert not is_logged_in(env, "linux")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_in_another_encoding_is_a_login(
    env: dict[str, str], private_home: Path, encoding: str
) -> None:
    put(private_home / ".claude" / ".credentials.json", "").write_bytes(json.dumps(LOGIN).encode(encoding))
    assert is_logged_in(env, "linux")


def test_a_directory_in_its_place_is_none(env: dict[str, str], private_home: Path) -> None:
    (private_home / ".claude" / ".credentials.json").mkdir(parents=True)
    assert not is_logged_in(env, "linux")


def test_the_config_directory_is_honoured(env: dict[str, str], private_home: Path, tmp_path: Path) -> None:
    put(private_home / ".claude" / ".credentials.json", LOGIN)
    env["CLAUDE_CONFIG_DIR"] = str(tmp_path)
    assert not is_logged_in(env, "linux")
    put(tmp_path / ".credentials.json", LOGIN)
    assert is_logged_in(env, "linux")


def test_a_token_in_the_environment_is_a_login(env: dict[str, str]) -> None:
    assert is_logged_in({**env, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-FAKE"}, "linux")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
@pytest.mark.parametrize(("status", "expected"), [(0, True), (44, False)])
def test_the_keychain_is_not_asked_for_the_secret(
    env: dict[str, str],
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    expected: bool,
) -> None:
    said = private_home / "said"
    program = put(private_home / "bin" / "security", f'#!/bin/sh\necho "$*" >{said}\nexit {status}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(private_home / "bin"))
    assert is_logged_in(env, "darwin") is expected
    assert said.read_text() == "find-generic-password -a me -s Claude Code-credentials\n"
    is_logged_in({**env, "CLAUDE_CONFIG_DIR": "/some/dir"}, "darwin")
    # The first 8 hex digits of sha256("/some/dir").
    assert said.read_text().rstrip().endswith("Claude Code-credentials-e2590a4e")


def test_a_mac_without_the_program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not is_logged_in(env, "darwin")
