"""`run --check`: the wiring in words, and one request that proves it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.proxy.server import ProxyServer
from tests.cli.support import CLAUDE_LOGIN, KEY, Ended, Stub

Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def claude(private_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A client that must not be started, in an empty project."""
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 99\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)


@pytest.fixture
def models(stub: Stub) -> Stub:
    """A proxy that answers with a list of models."""
    stub.answers["GET /v1/models"] = (200, {"data": []})
    return stub


def rows(ended: Ended) -> dict[str, str]:
    """Return the lines by their first column; lines of the same one are joined."""
    found: dict[str, str] = {}
    title = ""
    for line in ended.out.splitlines():
        title = line[:12].strip() or title
        found[title] = " | ".join(filter(None, [found.get(title, ""), line[12:]]))
    return found


def test_the_wiring_and_its_proof(models: Stub, cli: Cli) -> None:
    ended = cli("run", "--check", "-p", "hello")
    assert (ended.status, ended.err) == (0, "")
    found = rows(ended)
    assert found["mode"] == f"base URL http://127.0.0.1:{models.port}"
    assert found["client"] == "not logged in: the proxy's key is its token"
    assert found["proxies"] == "none"
    assert found["background"] == "no background service of Claude Code runs"
    assert found["request"].startswith("GET /v1/models: 200 in ")
    assert found["ok"] == "claude uses the proxy"
    assert KEY not in ended.out
    asked = models.asked[-1]
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_a_logged_in_client(
    models: Stub, cli: Cli, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = private_home / ".claude" / ".credentials.json"
    file.parent.mkdir()
    file.write_text(CLAUDE_LOGIN)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@corporate:3128")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-team: red")
    ended = cli("run", "--account", "bob", "--check")
    found = rows(ended)
    assert found["client"] == "Claude Code's own login, as a subscriber"
    assert found["account"] == "bob, no other"
    assert found["proxies"] == (
        "HTTPS_PROXY=http://corporate:3128, not for the proxy itself: NO_PROXY=127.0.0.1, no_proxy=127.0.0.1"
    )
    sent = models.asked[-1].headers
    assert "authorization" not in sent
    assert (sent["x-teamclaude-key"], sent["x-teamclaude-account"], sent["x-team"]) == (KEY, "bob", "red")


def test_the_layers_and_what_they_set(models: Stub, cli: Cli, private_home: Path) -> None:
    user = private_home / ".claude" / "settings.json"
    user.parent.mkdir()
    user.write_text(
        '{"env": {"ANTHROPIC_AUTH_TOKEN": "x", "FOO": "y", "no_proxy": "z"}, "apiKeyHelper": "h"}'
    )
    local = Path(".claude", "settings.local.json")
    local.parent.mkdir()
    local.write_text("{}")
    Path(".claude", "settings.json").write_text("{,}")
    ended = cli("run", "--check")
    assert rows(ended)["settings"] == " | ".join(
        [
            f"{user}: sets ANTHROPIC_AUTH_TOKEN, no_proxy, apiKeyHelper",
            f"{Path.cwd() / '.claude' / 'settings.json'}: is not JSON (line 1, column 2: expecting property "
            "name enclosed in double quotes); claude ignores it",
            f"{Path.cwd() / local}: sets nothing of this",
        ]
    )
    assert "claude runs without apiKeyHelper of" in ended.err


def test_a_command_that_takes_no_settings(models: Stub, cli: Cli) -> None:
    assert rows(cli("run", "--check", "mcp", "list"))["--settings"].startswith("claude mcp takes none")


def test_an_answer_that_is_no_list_fails(stub: Stub, cli: Cli) -> None:
    stub.answers["GET /v1/models"] = (401, {"error": {"message": "wrong key"}})
    ended = cli("run", "--check")
    assert ended.status == 1
    assert ended.err == "teamclaude: claude would reach the proxy, which answers 401: wrong key\n"
    stub.answers["GET /v1/models"] = (502, b"<html>")
    assert cli("run", "--check").err.endswith("answers 502: no message\n")


def test_no_server(down: Path, cli: Cli) -> None:
    ended = cli("run", "--check")
    assert ended.status == 1
    assert "no proxy answers" in ended.err


@pytest.fixture
def proxy(private_home: Path) -> Iterator[ProxyServer]:
    """A real proxy with first-party mode, in front of the fake API."""
    token = "sk-ant-oat01-FAKE-alice"
    with FakeApi([FakeAccount("alice", token)]) as api:
        file = private_home / ".config" / "teamclaude.json"
        file.parent.mkdir(mode=0o700)
        # No exemption for the machine's owner: the key must have been sent.
        own = {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "trustLoopback": False, "forward": True}
        account = {"name": "alice", "type": "oauth", "accessToken": token, "expiresAt": 4_102_444_800_000}
        file.write_text(json.dumps({"proxy": own, "upstream": api.url, "accounts": [account]}))
        file.chmod(0o600)
        server = ProxyServer(ConfigFile(file, print), warn=print)
        server.start()
        yield server
        server.stop(0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificates")
@pytest.mark.parametrize("login", [False, True])
def test_a_first_party_client_is_proved_through_the_tunnel(
    proxy: ProxyServer, cli: Cli, monkeypatch: pytest.MonkeyPatch, login: bool
) -> None:
    if login:
        monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-FAKE-own")
    ended = cli("run", "--first-party", "--port", str(proxy.port), "--check")
    assert (ended.status, ended.err) == (0, "")
    found = rows(ended)
    assert found["mode"].startswith(
        "first-party: claude keeps https://api.anthropic.com, with http://127.0.0.1:"
    )
    assert found["trusts"].endswith("teamclaude.tls/ca.pem")
    assert found["ok"] == "claude uses the proxy"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificates")
def test_a_wrong_key_is_one_line(proxy: ProxyServer, cli: Cli, private_home: Path, tmp_path: Path) -> None:
    file = private_home / ".config" / "teamclaude.json"
    text = file.read_text()
    other = tmp_path / "other" / "teamclaude.json"
    other.parent.mkdir(mode=0o700)
    other.write_text(text.replace(KEY, "tc-another-key-that-is-long-enough"))
    other.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEAMCLAUDE_CONFIG", str(other))
        ended = cli("run", "--first-party", "--port", str(proxy.port), "--check")
    assert ended.status == 1
    assert "407" in ended.err
    assert ended.err.endswith("; the server's log says why\n")
    assert ended.err.count("\n") == 1


def test_a_project_s_settings_say_nothing_to_the_terminal(models: Stub, cli: Cli) -> None:
    settings = Path(".claude", "settings.json")
    settings.parent.mkdir()
    bad = "http://\x1b]0;owned\x07corp.example:1"
    settings.write_text(json.dumps({"env": {"HTTPS_PROXY": bad, "ANTHROPIC_BASE_URL": bad, "NO_PROXY": bad}}))
    ended = cli("run", "--check")
    assert "?]0;owned?corp.example" in ended.out
    assert "?]0;owned?corp.example" in cli("env").err
    assert not {"\x1b", "\x07"} & {*ended.out, *ended.err}
