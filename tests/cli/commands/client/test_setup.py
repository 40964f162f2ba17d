"""`teamclaude setup`: nothing without --write, the same bytes after --undo, nothing else ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands.client.setup_files import file_of, log_in, tree, variables, written
from tests.cli.support import KEY, Ended, Stub

Cli = Callable[..., Ended]
API = "https://api.anthropic.com"
# A client that is started in another shell must not ask that shell's HTTP proxy for this machine.
EXCLUDED = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
SECRET = "sk-ant-api03-FAKE-secret"

STATES: dict[str, bytes] = {
    "empty": b"",
    "an empty object": b"{}",
    "two blanks": b'{\n  "model": "opus",\n  "env": {\n    "X": "x"\n  }\n}\n',
    "byte order mark and CRLF": b'\xef\xbb\xbf{\r\n    "model": "opus"\r\n}\r\n',
    "tabs, no final newline": b'{\n\t"model": "opus"\n}',
    "one line": b'{"model":"opus","env":{"X":"x"}}',
    "UTF-16": '\ufeff{"model": "opus"}\r\n'.encode("utf-16-le"),
    "our keys, other values": b'{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example",\n'
    b'  "ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2"}}\n',
}
EDITOR_STATES: dict[str, bytes] = {
    **{name: STATES[name] for name in STATES if name != "our keys, other values"},
    "comments and trailing commas": b'// mine\n{\n  "editor.fontSize": 12, // big\n  /* none */\n}\n',
    "entries of others": b'{\n  "claudeCode.environmentVariables": [\n'
    b'    { "name": "X", "value": "x" }, // theirs\n'
    b'    { "name": "ANTHROPIC_BASE_URL", "value": "https://gateway.example" },\n  ],\n}\n',
}


SCOPES = {"claude": ("user", "project", "local"), "vscode": ("user", "project")}
FIRST_PARTY = ("--first-party",)
# Each state of each kind of file, and each place; a third of them for a first-party client too.
CASES = [
    (target, SCOPES[target][(number + offset) % len(SCOPES[target])], state, mode)
    for target, states in (("claude", STATES), ("vscode", EDITOR_STATES))
    for mode, offset, every in (((), 0, 1), (FIRST_PARTY, 1, 3))
    for number, state in list(enumerate(["missing", *states]))[::every]
]


@pytest.mark.parametrize(("target", "scope", "state", "mode"), CASES)
def test_undo_gives_the_same_bytes(
    home: Path,
    stub: Stub,
    project: Path,
    cli: Cli,
    target: str,
    scope: str,
    state: str,
    mode: tuple[str, ...],
) -> None:
    path = file_of(target, scope, home, project)
    if state != "missing":
        written(path, (STATES if target == "claude" else EDITOR_STATES)[state])
    before = tree(home, project)
    words = ("setup", target, "--scope", scope, *mode)
    for preview in (words, (*words, "--print")):
        ended = cli(*preview)
        assert (ended.status, ended.err) == (0, "")
        assert "nothing was changed" in ended.out
        assert tree(home, project) == before
    ended = cli(*words, "--write")
    assert (ended.status, ended.err) == (0, "")
    # The file itself, our config file and our record are all that is new or changed.
    after = tree(home, project)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    ours = {str(home / ".config" / "teamclaude.undo"), str(home / ".config" / "teamclaude.json")}
    assert str(path) in changed
    assert {name for name in changed if not name.startswith(tuple(ours))} <= {str(path), str(path.parent)}
    assert (str(home / ".config" / "teamclaude.json") in changed) == bool(mode)
    if "comments" not in state and "entries" not in state:
        found = variables(target, path)
        assert found["ANTHROPIC_BASE_URL"] == (API if mode else f"http://127.0.0.1:{stub.port}")
    again = cli(*words, "--write")
    assert "has it already" in again.out
    looked = cli(*words)
    assert "has it already" in looked.out
    assert "--write" not in looked.out  # there is nothing to do
    assert tree(home, project) == after
    assert cli("setup", target, "--undo").status == 0
    assert tree(home, project) == before


def test_the_key_goes_beside_the_login_or_in_its_place(home: Path, stub: Stub, cli: Cli) -> None:
    path = written(file_of("claude", "user", home, home), STATES["our keys, other values"])
    url = f"http://127.0.0.1:{stub.port}"
    cli("setup", "--write")
    assert variables("claude", path) == {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        **EXCLUDED,
    }
    log_in(home)
    cli("setup", "--write", "--account", "bob")
    assert variables("claude", path) == {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_CUSTOM_HEADERS": f"X-Two: 2\nx-teamclaude-key: {KEY}\nx-teamclaude-account: bob",
        **EXCLUDED,
    }
    cli("setup", "--undo")
    assert path.read_bytes() == STATES["our keys, other values"]


def test_a_first_party_client(home: Path, stub: Stub, cli: Cli) -> None:
    log_in(home)
    path = written(file_of("claude", "user", home, home), STATES["our keys, other values"])
    config = home / ".config" / "teamclaude.json"
    before = config.read_bytes()
    ended = cli("setup", "claude", "--first-party", "--write")
    assert "wrote ~/.config/teamclaude.json: proxy.forward" in ended.out
    assert json.loads(config.read_text())["proxy"]["forward"] is True
    ca = home / ".config" / "teamclaude.tls" / "ca.pem"
    assert ca.exists()
    proxy = f"http://teamclaude:{KEY}@127.0.0.1:{stub.port}"
    assert variables("claude", path) == {
        "ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2",
        "ANTHROPIC_BASE_URL": API,
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "",
        "no_proxy": "",
        "NODE_EXTRA_CA_CERTS": str(ca),
    }
    # The server rewrites the config file while the setting is in force.
    config.write_text(json.dumps({**json.loads(config.read_text()), "drainSec": 5}))
    ended = cli("setup", "claude", "--write")
    assert "restored ~/.config/teamclaude.json (proxy.forward)" in ended.out
    assert json.loads(config.read_text()) == {**json.loads(before), "drainSec": 5}
    assert variables("claude", path)["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{stub.port}"
    cli("setup", "--undo")
    assert path.read_bytes() == STATES["our keys, other values"]


def test_a_companys_certificates_stay_trusted(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cli("setup", "--first-party", "--write").status == 0
    ours = home / ".config" / "teamclaude.tls" / "ca.pem"
    company = tmp_path / "company.pem"
    company.write_text("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(company))
    preview = cli("setup", "--first-party", "--print").out
    cli("setup", "--first-party", "--write")
    named = Path(variables("claude", home / ".claude" / "settings.json")["NODE_EXTRA_CA_CERTS"])
    assert named.parent == ours.parent
    assert named != ours
    assert str(named) in preview
    assert company.read_text().strip() in named.read_text()
    # In a shell of such a client our own file is no company's.
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(ours))
    cli("setup", "--undo")
    cli("setup", "--first-party", "--write")
    assert variables("claude", home / ".claude" / "settings.json")["NODE_EXTRA_CA_CERTS"] == str(ours)


def test_a_changed_port_or_key_updates(home: Path, cli: Cli) -> None:
    path = home / ".claude" / "settings.json"
    cli("setup", "--write")
    cli("setup", "--write", "--port", "4000")
    assert variables("claude", path)["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:4000"
    config = home / ".config" / "teamclaude.json"
    config.write_text(config.read_text().replace(KEY, "tc-FAKEother"))
    cli("setup", "--write")
    assert variables("claude", path)["ANTHROPIC_AUTH_TOKEN"] == "tc-FAKEother"
    cli("setup", "--undo")
    assert not path.parent.exists()


def test_the_config_directory_of_claude_code_is_obeyed(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "c"))
    cli("setup", "--write")
    assert (tmp_path / "c" / "settings.json").exists()
    # Undo finds what was written, whatever the environment says now.
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    cli("setup", "--undo")
    assert not (tmp_path / "c").exists()


def test_undo_by_target_and_scope(home: Path, project: Path, cli: Cli) -> None:
    before = tree(home, project)
    for words in (("claude",), ("claude", "--scope", "local"), ("vscode",)):
        assert cli("setup", *words, "--write").status == 0
    user, local = home / ".claude" / "settings.json", project / ".claude" / "settings.local.json"
    assert cli("setup", "claude", "--scope", "local", "--undo").out == (
        f"removed {local}: setup had made it\n"
    )
    assert user.exists()
    assert cli("setup", "claude", "--undo").out == "removed ~/.claude/settings.json: setup had made it\n"
    assert cli("setup", "--undo").out == ("removed ~/.config/Code/User/settings.json: setup had made it\n")
    assert tree(home, project) == before
    assert cli("setup", "--undo").out == "nothing to take back: no settings file was changed by setup\n"


def test_undo_needs_no_config(home: Path, cli: Cli) -> None:
    cli("setup", "--write")
    (home / ".config" / "teamclaude.json").unlink()
    assert cli("setup", "--undo").status == 0
    assert not (home / ".claude").exists()


def test_a_preview_hides_keys_and_print_is_exact(home: Path, cli: Cli) -> None:
    path = written(home / ".claude" / "settings.json", json.dumps({"env": {"MY_TOKEN": SECRET}}).encode())
    preview = cli("setup").out
    assert "ANTHROPIC_BASE_URL" in preview
    assert KEY not in preview
    assert SECRET not in preview
    exact = cli("setup", "--print").out
    cli("setup", "--write")
    added = [line[3:] for line in exact.splitlines() if line.startswith("  +") and "+++" not in line]
    assert "\n".join(added) == path.read_text().rstrip("\n")


def test_a_running_server_is_told(home: Path, stub: Stub, cli: Cli) -> None:
    cli("setup", "--first-party")
    assert (len(stub.checks), stub.paths) == (1, [])
    cli("setup", "--first-party", "--write")
    assert "POST /teamclaude/accounts/reload" in stub.paths
