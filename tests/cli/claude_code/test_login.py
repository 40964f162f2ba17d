"""Whether Claude Code is logged in on this machine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.claude_code.login import client_reads_login, is_logged_in

TOKENS = {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE", "expiresAt": 4102444800000}
OAUTH: dict[str, Any] = {**TOKENS, "scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}
LOGIN = {"claudeAiOauth": OAUTH, "mcpOAuth": {}}
TEXT = json.dumps(LOGIN)


@pytest.fixture
def env(private_home: Path) -> dict[str, str]:
    return {"HOME": str(private_home), "USER": "me", "PATH": str(private_home / "bin")}


def put(file: Path, value: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_no_login(env: dict[str, str]) -> None:
    assert not is_logged_in(env, "linux")


def test_a_credentials_file_is_a_login(env: dict[str, str], private_home: Path) -> None:
    put(private_home / ".claude" / ".credentials.json", LOGIN)
    assert is_logged_in(env, "linux")


def changed(**changes: Any) -> bytes:
    """The login with other values; a key of None is left out."""
    login = {key: value for key, value in {**OAUTH, **changes}.items() if value is not None}
    return json.dumps({"claudeAiOauth": login}).encode()


# What `claude auth status` of 2.1.332 and of 2.1.112 says with this file.
MEASURED = {
    "as it is": (TEXT.encode(), True),
    "CRLF": (json.dumps(LOGIN, indent=1).replace("\n", "\r\n").encode(), True),
    "not UTF-8": (TEXT.encode().replace(b"max", b"m\xfc"), True),
    "a key twice": (TEXT[:-1].encode() + b', "a": 1, "a": 2}', True),
    "expired": (changed(expiresAt=1_700_000_000_000), True),
    "expiresAt 0": (changed(expiresAt=0), True),
    "no end": (changed(expiresAt=None), True),
    "no refresh token": (changed(refreshToken=None), True),
    "no access token": (changed(accessToken=None), False),
    "an empty access token": (changed(accessToken=""), False),
    "no scopes": (changed(scopes=None), False),
    "other scopes": (changed(scopes=["user:profile"]), False),
    "scopes as a text": (changed(scopes="user:inference"), False),  # 2.1.112: True
    "a byte order mark": (TEXT.encode("utf-8-sig"), False),
    "UTF-16": (TEXT.encode("utf-16"), False),
    "NULs at the end": (TEXT.encode() + b"\0\0", False),
    "something at the end": (TEXT.encode() + b"}", False),
    "NaN": (TEXT.encode().replace(b'"max"', b"NaN"), False),
    "flat": (json.dumps(OAUTH).encode(), False),
}


@pytest.mark.parametrize(("text", "expected"), list(MEASURED.values()), ids=list(MEASURED))
def test_a_login_is_what_the_client_reads_as_one(text: bytes, expected: bool) -> None:
    assert client_reads_login(text) is expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"claudeAiOauth": {}}', '{"claudeAiOauth": null}', '{"mcpOAuth": {}}', "[" * 9999],
)
def test_a_file_without_one_is_not(env: dict[str, str], private_home: Path, text: str) -> None:
    put(private_home / ".claude" / ".credentials.json", text)
    assert not is_logged_in(env, "linux")


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
