"""What `teamclaude setup` tells and refuses, and the texts it prints."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands.client.setup_files import log_in, tree, variables, written
from tests.cli.support import KEY, Ended, Stub

Cli = Callable[..., Ended]
SECRET = "sk-ant-api03-FAKE-secret"


def test_a_server_that_does_not_run_is_a_note(down: Path, cli: Cli) -> None:
    ended = cli("setup", "--write")
    assert ended.status == 0
    assert "no proxy answers at http://127.0.0.1:" in ended.err
    assert "start it with: teamclaude server" in ended.err


def test_a_project_that_git_shares_gets_no_key(home: Path, project: Path, cli: Cli) -> None:
    (project / ".git").mkdir()
    before = tree(home, project)
    for target, cure in (("claude", "--scope local"), ("vscode", "--scope user")):
        ended = cli("setup", target, "--scope", "project", "--write")
        assert ended.status == 2
        assert "is shared by git and would hold the proxy's key" in ended.err
        assert cure in ended.err
    assert tree(home, project) == before
    ended = cli("setup", "claude", "--scope", "local", "--write")
    assert ended.status == 0
    assert "is not ignored by git; ignore it" in ended.err


def test_settings_of_the_user_in_a_repository_of_dotfiles_are_named(home: Path, cli: Cli) -> None:
    dotfiles = home / "dotfiles"
    (dotfiles / ".git").mkdir(parents=True)
    real = written(dotfiles / "claude.json", b"{}")
    (home / ".claude").mkdir(exist_ok=True)
    (home / ".claude" / "settings.json").symlink_to(real)
    assert cli("setup", "--write").err == (
        f"teamclaude: {real} will hold the proxy's key and is not ignored by git; ignore it\n"
    )


def test_what_has_precedence_is_named(home: Path, project: Path, cli: Cli) -> None:
    local = written(
        project / ".claude" / "settings.local.json", b'{"env": {"ANTHROPIC_BASE_URL": "https://g.example"}}'
    )
    line = f"teamclaude: {local} sets ANTHROPIC_BASE_URL to https://g.example, which overrides"
    for words in (("claude",), ("vscode",), ("claude", "--first-party")):
        assert line in cli("setup", *words, "--write").err
    assert cli("setup", "claude", "--scope", "local", "--write").err == ""
    cli("setup", "--undo")
    # What is below counts no more, also for a first-party client.
    written(home / ".claude" / "settings.json", local.read_bytes())
    assert cli("setup", "claude", "--scope", "local", "--first-party", "--write").err == ""


def test_an_option_that_is_left_out_when_setup_runs_again_is_told(home: Path, cli: Cli) -> None:
    path = home / ".claude" / "settings.json"
    cli("setup", "--first-party", "--write")
    left = f"teamclaude: {path} leaves first-party mode; to keep it, add --first-party\n"
    assert cli("setup", "--first-party").err == ""
    assert cli("setup").err == left
    assert cli("setup", "--account", "bob", "--write").err == left
    lost = f"teamclaude: {path} asks for account bob no more; to keep that, add --account bob\n"
    assert cli("setup", "--account", "bob").err == ""
    assert cli("setup", "--first-party").err == lost
    assert cli("setup", "--write").err == lost
    assert cli("setup", "--write").err == ""


def test_a_settings_file_of_the_other_mode_is_told_as_it_is(
    home: Path, project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://corp.example:8080")
    path = home / ".claude" / "settings.json"
    cli("setup", "--first-party", "--write")
    assert cli("env").err == (
        f"teamclaude: {path} leads claude to the proxy in first-party mode, whatever the environment says "
        "(teamclaude setup claude --write changes that)\n"
    )
    assert cli("env", "--first-party").err == ""
    cli("setup", "--scope", "local", "--write")
    local = project / ".claude" / "settings.local.json"
    assert cli("env").err == ""
    assert cli("env", "--first-party").err == (
        f"teamclaude: {local} leads claude to the proxy by its base URL, whatever the environment says "
        "(teamclaude setup claude --first-party --write changes that)\n"
    )


def test_variables_that_override_the_login_are_named(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(home)
    path = written(home / ".claude" / "settings.json", b'{"env": {"ANTHROPIC_AUTH_TOKEN": "sk"}}')
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    ended = cli("setup", "--write")
    assert f"{path} sets ANTHROPIC_AUTH_TOKEN and would be used instead of your login" in ended.err
    assert "ANTHROPIC_API_KEY is set and would be used instead of your login" in ended.err
    assert SECRET not in ended.err
    assert variables("claude", path)["ANTHROPIC_AUTH_TOKEN"] == "sk"


def test_another_provider_is_named(home: Path, cli: Cli) -> None:
    path = written(home / ".claude" / "settings.json", b'{"env": {"CLAUDE_CODE_USE_BEDROCK": "1"}}')
    assert f"{path} sets CLAUDE_CODE_USE_BEDROCK: claude will not use the proxy" in cli("setup").err


def test_headers_and_exclusions_of_other_files_stay_in_force(home: Path, project: Path, cli: Cli) -> None:
    env = {"ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2", "NO_PROXY": "corp.example"}
    written(home / ".claude" / "settings.json", json.dumps({"env": env}).encode())
    log_in(home)
    cli("setup", "--scope", "local", "--write")
    found = variables("claude", project / ".claude" / "settings.local.json")
    assert found["ANTHROPIC_CUSTOM_HEADERS"] == f"X-Two: 2\nx-teamclaude-key: {KEY}"
    assert found["NO_PROXY"] == found["no_proxy"] == "corp.example,127.0.0.1"


def test_a_proxy_that_a_first_party_client_used_is_named(home: Path, cli: Cli) -> None:
    written(home / ".claude" / "settings.json", b'{"env": {"HTTPS_PROXY": "http://u:pw@corp.example:8"}}')
    line = "HTTPS_PROXY was http://corp.example:8: to go on through it, set upstreamProxy in"
    for _ in range(2):
        ended = cli("setup", "--first-party", "--write")
        assert line in ended.err
        assert "pw" not in ended.err
    assert "HTTPS_PROXY" not in cli("setup", "--write").err


def test_a_file_that_others_can_read_is_named(home: Path, cli: Cli) -> None:
    path = written(home / ".claude" / "settings.json", b"{}")
    path.chmod(0o644)
    assert f"chmod 600 {path}" in cli("setup", "--write").err
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_proxy_in_the_shell_is_not_asked_for_loopback(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    cli("setup", "--write")
    assert "127.0.0.1" in variables("claude", home / ".claude" / "settings.json")["NO_PROXY"]


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"env": ', "line 1, column 9: expected a value"),
        (b"// mine\n{}", "has comments or trailing commas, for which Claude Code ignores the whole file"),
        (b'{"env": []}', "expected an object in env"),
        (b"[]", "expected a JSON object"),
    ],
)
def test_a_file_that_can_not_be_read_is_left(
    home: Path, project: Path, cli: Cli, data: bytes, problem: str
) -> None:
    path = written(home / ".claude" / "settings.json", data)
    before = tree(home, project)
    for words in ((), ("--write",), ("--print",), ("--write", "--first-party")):
        ended = cli("setup", "claude", *words)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err == f"teamclaude: {path}: {problem}; mend it first (nothing was changed)\n"
        assert tree(home, project) == before
    assert not (home / ".config" / "teamclaude.tls").exists()


def test_a_broken_file_of_one_editor_leaves_the_others(home: Path, project: Path, cli: Cli) -> None:
    (home / ".config" / "Cursor" / "User").mkdir(parents=True)
    written(home / ".config" / "Cursor" / "User" / "settings.json", b"{")
    before = tree(home, project)
    assert cli("setup", "vscode", "--write").status == 1
    assert tree(home, project) == before


def test_a_link_stays_a_link(home: Path, project: Path, cli: Cli) -> None:
    target = written(project / "dotfiles" / "settings.json", b"{}\n")
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").symlink_to(target)
    before = tree(home, project)
    cli("setup", "--write")
    assert (home / ".claude" / "settings.json").is_symlink()
    assert KEY in target.read_text()
    cli("setup", "--undo")
    assert tree(home, project) == before


@pytest.mark.parametrize("words", [("--write", "--undo"), ("--write", "--print"), ("other",)])
def test_wrong_words(home: Path, cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("setup", *words).status == 2


# --- texts to copy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["actions", "sdk"])
def test_texts_to_copy_have_no_key(home: Path, stub: Stub, cli: Cli, target: str) -> None:
    ended = cli("setup", target)
    assert (ended.status, ended.err) == (0, "")
    assert f"http://127.0.0.1:{stub.port}" in ended.out
    assert KEY not in ended.out
    assert cli("setup", target, "--print") == ended
    for word in ("--write", "--undo"):
        refused = cli("setup", target, word)
        assert refused.status == 2
        assert refused.err.startswith(f"teamclaude: {target} is only printed: ")


def test_a_certificate_of_the_proxy_goes_to_the_sdks(
    config: Callable[..., Path], cli: Cli, tmp_path: Path
) -> None:
    tls: dict[str, Any] = {"cert": "/c.pem", "key": "/k.pem"}
    config(port=1, tls=tls)
    assert '"NODE_EXTRA_CA_CERTS": "/c.pem"' in cli("setup", "sdk").out
