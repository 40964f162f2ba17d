"""A login of Claude Code: where it is found and whether it can be used."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.importing.claude_login import (
    MAX_BYTES,
    LoginSource,
    claude_directory,
    find_login,
    read_keychain,
    read_login,
)
from teamclaude.errors import TeamClaudeError

NOW = 1_800_000_000.0
LOGIN: dict[str, Any] = {
    "accessToken": "sk-ant-oat01-FAKE",
    "refreshToken": "sk-ant-ort01-FAKE",
    "expiresAt": (NOW + 3600) * 1000,
}
FULL = {
    **LOGIN,
    "refreshTokenExpiresAt": (NOW + 86400) * 1000,
    "scopes": ["user:inference"],
    "subscriptionType": "max",
    "subscriptionTypeSource": "profile",
    "rateLimitTier": "default_claude_max_20x",
    "accountUuid": "p-1",
    "organizationUuid": "o-1",
}


def source(value: Any) -> LoginSource:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return LoginSource(text, "/x.json", "/x.json")


@pytest.mark.parametrize("shape", [{"claudeAiOauth": FULL, "mcpOAuth": {}}, FULL])
def test_nested_or_flat(shape: dict[str, Any]) -> None:
    account = read_login(source(shape), NOW)
    assert (account.name, account.type) == ("", "oauth")
    assert (account.access_token, account.refresh_token) == ("sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE")
    assert (account.expires_at, account.refresh_token_expires_at) == (NOW + 3600, NOW + 86400)
    assert (account.account_uuid, account.org_uuid) == ("p-1", "o-1")
    assert (account.subscription_type, account.rate_limit_tier) == ("max", "default_claude_max_20x")


def test_older_files_lack_the_newer_keys() -> None:
    account = read_login(source({"claudeAiOauth": {**LOGIN, "subscriptionType": None}}), NOW)
    assert account.account_uuid is None
    assert account.refresh_token_expires_at is None


def test_seconds_are_taken_for_seconds() -> None:
    assert read_login(source({**LOGIN, "expiresAt": NOW + 60}), NOW).expires_at == NOW + 60


BAD = [
    (b"", "is empty"),
    (b" \n", "is empty"),
    (b"{", "line 1, column 2"),
    (b"\xff\xfe", "not UTF-8"),
    (b"[" * 100_000, "nested too deeply"),
    (b'"' + b"x" * MAX_BYTES + b'"', "too long"),
    ([LOGIN], "expected a JSON object, got a list"),
    ({"claudeAiOauth": "sk-ant-oat01-FAKE"}, "claudeAiOauth: expected an object"),
    ({"claudeAiOauth": None}, "expected an object"),
    ({}, "holds no login"),
    ({"mcpOAuth": {"x": {"accessToken": "FAKE"}}}, "holds no login"),
    ({"claudeAiOauth": {}}, "holds no login"),
    ({"primaryApiKey": "sk-ant-api03-FAKE"}, "holds an API key, not a login"),
    ({"claudeAiOauth": {"apiKey": "sk-ant-api03-FAKE"}}, "holds an API key, not a login"),
    ({**LOGIN, "accessToken": "sk-ant-api03-FAKE"}, "an API key: add it with teamclaude login --api"),
    ({**LOGIN, "accessToken": "sk-ant-ort01-FAKE"}, "is a refresh token"),
    ({**LOGIN, "accessToken": "FAKE"}, "no token of Claude"),
    ({**LOGIN, "accessToken": "sk-ant-oat01 FAKE"}, "accessToken: contains a space"),
    ({**LOGIN, "accessToken": 7}, "accessToken: expected text, got a hidden number"),
    ({**LOGIN, "accessToken": None}, "accessToken"),
    ({**LOGIN, "refreshToken": None}, "has no refreshToken"),
    ({**LOGIN, "refreshToken": ""}, "has no refreshToken"),
    ({**LOGIN, "refreshToken": ["FAKE"]}, "refreshToken: expected text"),
    ({**LOGIN, "expiresAt": (NOW - 1) * 1000}, "has expired; run claude once"),
    ({**LOGIN, "expiresAt": "soon"}, 'expiresAt: expected milliseconds, got "soon"'),
    ({**FULL, "refreshTokenExpiresAt": (NOW - 1) * 1000}, "this login has ended"),
    ({"claudeAiOauth": {**LOGIN, "expiresAt": True}}, "/x.json: claudeAiOauth.expiresAt: expected"),
]


@pytest.mark.parametrize(("value", "said"), BAD, ids=[said for _, said in BAD])
def test_an_unusable_login_is_one_line(value: Any, said: str) -> None:
    with pytest.raises(TeamClaudeError) as caught:
        read_login(source(value), NOW)
    text = str(caught.value)
    assert text.startswith("/x.json: ")
    assert said in text
    assert "FAKE" not in text
    assert "\n" not in text
    assert len(text) < 260


# --- where it is ------------------------------------------------------------------------------------


@pytest.fixture
def login(private_home: Path) -> Path:
    file = private_home / ".claude" / ".credentials.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"claudeAiOauth": FULL}))
    return file


def test_claude_codes_own_file(login: Path) -> None:
    found = find_login(os.environ, None, "linux")
    assert (found.path, found.label) == (str(login), str(login))
    assert json.loads(found.text)["claudeAiOauth"] == FULL


def test_its_directory_can_be_set_by_the_environment(login: Path, tmp_path: Path) -> None:
    assert claude_directory({"CLAUDE_CONFIG_DIR": "/c", "HOME": "/h"}) == "/c"
    env = {**os.environ, "CLAUDE_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(TeamClaudeError, match="is not logged in here; run teamclaude login"):
        find_login(env, None, "linux")


@pytest.mark.parametrize("named", ["{file}", "{directory}", "~/.claude/.credentials.json"])
def test_a_named_file(login: Path, named: str) -> None:
    found = find_login(os.environ, named.format(file=login, directory=login.parent), "linux")
    assert found.path == str(login)


def test_a_missing_named_file_does_not_fall_back_to_the_keychain(tmp_path: Path) -> None:
    with pytest.raises(TeamClaudeError, match="there is no such file"):
        find_login(os.environ, str(tmp_path / "none"), "darwin")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions mean nothing here")
def test_an_unreadable_file(login: Path) -> None:
    login.chmod(0)
    with pytest.raises(TeamClaudeError, match="can't read it"):
        find_login(os.environ, None, "linux")
    login.chmod(stat.S_IRUSR)


def test_a_path_through_a_file_can_not_be_read(login: Path) -> None:
    with pytest.raises(TeamClaudeError, match="can't read it"):
        find_login(os.environ, f"{login}/x", "linux")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no endless device here")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert len(find_login(os.environ, "/dev/zero", "linux").text) == MAX_BYTES + 1


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize(("script", "found"), [("echo '{\"a\": 1}'", True), ("exit 44", False)])
def test_the_keychain_is_asked_when_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: bool
) -> None:
    (tmp_path / "security").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "security").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if found:
        assert find_login(os.environ, None, "darwin") == (
            b'{"a": 1}',
            "the Keychain item of Claude Code",
            None,
        )
    else:
        with pytest.raises(TeamClaudeError, match="is not logged in here"):
            find_login(os.environ, None, "darwin")


def test_the_file_goes_before_the_keychain(login: Path) -> None:
    assert find_login(os.environ, None, "darwin").path == str(login)


pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")

Env = dict[str, str]


@pytest.fixture
def security(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Env]:
    """`security(script)` is the environment in which the command `security` is that shell script."""

    def install(script: str) -> Env:
        command = tmp_path / "security"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return {"PATH": os.environ["PATH"], "USER": "me", "OUT": str(tmp_path / "asked")}

    return install


def test_the_keychain_item_is_read(security: Callable[[str], Env]) -> None:
    env = security("""echo "$@" >"$OUT"; echo '{"claudeAiOauth": 1}'""")
    assert read_keychain(env) == '{"claudeAiOauth": 1}'
    assert Path(env["OUT"]).read_text() == "find-generic-password -a me -s Claude Code-credentials -w\n"


def test_another_configuration_directory_has_its_own_item(security: Callable[[str], Env]) -> None:
    env = {**security("""echo "$5" >"$OUT"; echo x"""), "CLAUDE_CONFIG_DIR": "/tmp/of mine"}
    read_keychain(env)
    suffix = hashlib.sha256(b"/tmp/of mine").hexdigest()[:8]
    assert Path(env["OUT"]).read_text() == f"Claude Code-credentials-{suffix}\n"


def test_an_item_that_is_shown_in_hexadecimal(security: Callable[[str], Env]) -> None:
    assert read_keychain(security("echo " + '{"a": "ü"}'.encode().hex())) == '{"a": "ü"}'


def test_a_missing_keychain_item(security: Callable[[str], Env]) -> None:
    assert read_keychain(security("exit 44")) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo locked-FAKE >&2; exit 36", "refused"),
        ("exec sleep 60", "within 0.2 s"),
    ],
)
def test_a_keychain_that_refuses_the_item(security: Callable[[str], Env], script: str, said: str) -> None:
    with pytest.raises(TeamClaudeError, match=said) as caught:
        read_keychain(security(script), timeout_s=0.2)
    assert "\n" not in str(caught.value)
    assert "FAKE" not in str(caught.value)


def test_no_such_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TeamClaudeError, match="can't run security"):
        read_keychain({"PATH": str(tmp_path)})
