"""The Keychain item of Claude Code, with a shell script in place of the command `security`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.accounts.importing import keychain
from teamclaude.accounts.importing.keychain import keychain_query, read_keychain
from teamclaude.errors import TeamClaudeError

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


def test_the_item_is_read(security: Callable[[str], Env]) -> None:
    env = security("""echo "$@" >"$OUT"; echo '{"claudeAiOauth": 1}'""")
    assert read_keychain(env) == b'{"claudeAiOauth": 1}'
    assert Path(env["OUT"]).read_text() == "find-generic-password -a me -s Claude Code-credentials -w\n"


def suffix(directory: str) -> str:
    return hashlib.sha256(directory.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("env", "service"),
    [
        ({}, "Claude Code-credentials"),
        ({"CLAUDE_CONFIG_DIR": ""}, "Claude Code-credentials"),
        ({"CLAUDE_CONFIG_DIR": "/tmp/of mine"}, f"Claude Code-credentials-{suffix('/tmp/of mine')}"),
        # In a decomposed form, as the file dialogs of macOS give it.
        ({"CLAUDE_CONFIG_DIR": "/u\u0308"}, f"Claude Code-credentials-{suffix('/ü')}"),
        ({"CLAUDE_CONFIG_DIR": "/c", "CLAUDE_SECURESTORAGE_CONFIG_DIR": ""}, "Claude Code-credentials"),
        (
            {"CLAUDE_CONFIG_DIR": "/c", "CLAUDE_SECURESTORAGE_CONFIG_DIR": "/s"},
            f"Claude Code-credentials-{suffix('/s')}",
        ),
    ],
)
def test_another_configuration_directory_has_its_own_item(env: Env, service: str) -> None:
    assert keychain_query({"USER": "me", **env})[-1] == service


@pytest.mark.parametrize(("user", "account"), [("me.x-1", "me.x-1"), ("a b", "claude-code-user")])
def test_the_items_account_is_the_user(user: str, account: str) -> None:
    assert keychain_query({"USER": user})[3] == account


def test_the_system_knows_the_user_when_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keychain, "_system_user", lambda: "system")
    assert keychain_query({})[3] == "system"
    monkeypatch.undo()
    assert keychain._system_user()


@pytest.mark.parametrize("text", ['{"a": "ü"}', '{"a": 1}\n{'])
@pytest.mark.parametrize("upper", [False, True])
def test_an_item_that_is_shown_in_hexadecimal(security: Callable[[str], Env], text: str, upper: bool) -> None:
    shown = text.encode().hex()
    assert read_keychain(security(f"echo {shown.upper() if upper else shown}")) == text.encode()


def test_a_missing_item(security: Callable[[str], Env]) -> None:
    assert read_keychain(security("exit 44")) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo locked-FAKE >&2; exit 36", "is locked.*security unlock-keychain"),
        ("echo FAKE >&2; exit 51", "refused access: allow it when macOS asks"),
        ("exit 128", "was not allowed to give it"),
        ("exit 1", r"refused it \(status 1\)"),
        ("exec sleep 60", "within 0.2 s"),
    ],
)
def test_an_item_that_is_refused(security: Callable[[str], Env], script: str, said: str) -> None:
    with pytest.raises(TeamClaudeError, match=said) as caught:
        read_keychain(security(script), timeout_s=0.2)
    assert "\n" not in str(caught.value)
    assert "FAKE" not in str(caught.value)


def test_no_such_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TeamClaudeError, match="can't run security"):
        read_keychain({"PATH": str(tmp_path), "USER": "me"})
