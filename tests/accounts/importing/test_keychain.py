"""Claude Code's login in the macOS Keychain, through a stand-in for its command."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.accounts.importing.keychain import read_keychain
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


def test_the_item(security: Callable[[str], Env]) -> None:
    env = security("""echo "$@" >"$OUT"; echo '{"claudeAiOauth": 1}'""")
    assert read_keychain(env) == '{"claudeAiOauth": 1}'
    assert Path(env["OUT"]).read_text() == "find-generic-password -a me -s Claude Code-credentials -w\n"


def test_another_configuration_directory_has_its_own(security: Callable[[str], Env]) -> None:
    env = {**security("""echo "$5" >"$OUT"; echo x"""), "CLAUDE_CONFIG_DIR": "/tmp/of mine"}
    read_keychain(env)
    suffix = hashlib.sha256(b"/tmp/of mine").hexdigest()[:8]
    assert Path(env["OUT"]).read_text() == f"Claude Code-credentials-{suffix}\n"


def test_an_item_that_is_shown_in_hexadecimal(security: Callable[[str], Env]) -> None:
    assert read_keychain(security("echo " + '{"a": "ü"}'.encode().hex())) == '{"a": "ü"}'


def test_no_item(security: Callable[[str], Env]) -> None:
    assert read_keychain(security("exit 44")) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo locked-FAKE >&2; exit 36", "refused"),
        ("exec sleep 60", "within 0.2 s"),
    ],
)
def test_a_keychain_that_does_not_give_it(security: Callable[[str], Env], script: str, said: str) -> None:
    with pytest.raises(TeamClaudeError, match=said) as caught:
        read_keychain(security(script), timeout_s=0.2)
    assert "\n" not in str(caught.value)
    assert "FAKE" not in str(caught.value)


def test_no_such_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TeamClaudeError, match="can't run security"):
        read_keychain({"PATH": str(tmp_path)})
