"""Every command for a running server, on a machine that has no file: only an address and a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.proxy.server import ProxyServer
from tests.cli.remote.conftest import KEYS
from tests.cli.support import ALICE, Ended


@pytest.fixture
def there(
    server: ProxyServer, private_home: Path, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ended]]:
    """Run a command as the bearer of a role's key; afterwards there is no file in the home directory."""
    monkeypatch.setenv("TEAMCLAUDE_URL", server.urls[0])

    def run(role: str, *words: str) -> Ended:
        monkeypatch.setenv("TEAMCLAUDE_KEY", KEYS[role])
        ended = cli(*words)
        assert KEYS[role] not in ended.err
        return ended

    yield run
    assert list(private_home.iterdir()) == []


READING = [
    ("status",),
    ("status", "--json"),
    ("switch",),
]
OWN = [("usage",), ("usage", "--csv")]  # a client reads its own
ALWAYS = [("capacity",), ("capacity", "--json"), ("capacity", "--for", "2h")]
CHANGING = [
    ("switch", "alice"),
    ("switch", "--auto"),
    ("disable", "bob"),
    ("enable", "bob"),
    ("record", "off"),
]


@pytest.mark.parametrize("words", [*READING, *OWN, *ALWAYS, *CHANGING])
def test_an_operator_may_do_all(there: Callable[..., Ended], words: tuple[str, ...]) -> None:
    ended = there("operator", *words)
    assert ended.status in ((0, 10) if words[0] == "capacity" else (0,)), ended.err


def test_a_client_sees_its_own_status(there: Callable[..., Ended]) -> None:
    ended = there("client", "status")
    assert (ended.status, ended.err) == (0, "")
    assert "the key of client has the role client" in ended.out


@pytest.mark.parametrize("words", [*(words for words in READING if words != ("status",)), *CHANGING])
def test_a_client_is_told_which_role_it_needs(there: Callable[..., Ended], words: tuple[str, ...]) -> None:
    ended = there("client", *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "needs the role" in ended.err
    assert "the key of client has the role client" in ended.err


@pytest.mark.parametrize("words", CHANGING)
def test_an_observer_changes_nothing(there: Callable[..., Ended], words: tuple[str, ...]) -> None:
    ended = there("observer", *words)
    assert ended.status == 1
    assert "needs the role operator; the key of observer has the role observer" in ended.err


@pytest.mark.parametrize("role", KEYS)
@pytest.mark.parametrize("words", ALWAYS)
def test_every_role_may_ask_for_the_capacity(
    there: Callable[..., Ended], role: str, words: tuple[str, ...]
) -> None:
    assert there(role, *words).status in (0, 10)


def test_what_changes_takes_effect_there(there: Callable[..., Ended], server: ProxyServer) -> None:
    ended = there("operator", "disable", "al")
    assert (
        ended.err == f"teamclaude: {ALICE['name']} is disabled\n"
        or ended.err == f"{ALICE['name']} is disabled\n"
    )
    states = {account.name: account.enabled for account in server.snapshot().accounts}
    assert states == {ALICE["name"]: False, "bob": True}
    assert "no account is called" in there("operator", "disable", "zoe").err


def test_the_address_of_the_page_is_printed_not_opened(
    there: Callable[..., Ended], server: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("teamclaude.cli.commands.web.open_page", lambda *args: pytest.fail("opened"))
    ended = there("observer", "web", "--role", "observer")
    assert ended.status == 0
    assert ended.out.startswith(f"{server.urls[0]}/#code=")


def test_a_page_below_a_path_is_refused(there: Callable[..., Ended]) -> None:
    ended = there("operator", "web", "--url", "http://127.0.0.1:1/tc")
    assert (ended.status, ended.out) == (2, "")
    assert "only at the root of a host, not below /tc/" in ended.err


def test_explain_without_a_request_and_the_import_of_transcripts(there: Callable[..., Ended]) -> None:
    assert "There was no request yet" in there("client", "explain").err
    ended = there("operator", "usage", "--import")
    assert (ended.status, ended.err.count("\n")) == (2, 1)


# --- env and run ------------------------------------------------------------------------------------------


def test_env_needs_no_server_and_leads_both_claude_and_the_commands(there: Callable[..., Ended]) -> None:
    found: Any = json.loads(there("client", "env", "--shell", "json", "--url", "http://127.0.0.9:1/tc/").out)
    assert found == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.9:1/tc",
        "ANTHROPIC_AUTH_TOKEN": KEYS["client"],
        "TEAMCLAUDE_URL": "http://127.0.0.9:1/tc",
        "TEAMCLAUDE_KEY": KEYS["client"],
    }
    sdk: Any = json.loads(there("client", "env", "--api-key", "--shell", "json", "--url", "127.0.0.9:1").out)
    assert sdk == {"ANTHROPIC_BASE_URL": "http://127.0.0.9:1", "ANTHROPIC_API_KEY": KEYS["client"]}


def test_an_http_proxy_is_kept_off_the_server(
    there: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://corp:8080")
    monkeypatch.setenv("no_proxy", "localhost")
    found: Any = json.loads(there("client", "env", "--shell", "json", "--url", "https://10.0.0.9").out)
    assert (found["NO_PROXY"], found["no_proxy"]) == ("localhost,10.0.0.9", "localhost,10.0.0.9")


def test_claude_trusts_the_server_s_certificate_and_what_it_trusted(
    cli: Callable[..., Ended],
    make_certificate: Callable[..., tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
    private_home: Path,
) -> None:
    ours, theirs = make_certificate()[0], make_certificate("DNS:corp")[0]
    monkeypatch.setenv("TEAMCLAUDE_KEY", "tc-KEY")
    words = ("env", "--shell", "json", "--url", "https://10.0.0.9", "--ca-file", str(ours))
    found: Any = json.loads(cli(*words).out)
    assert found["NODE_EXTRA_CA_CERTS"] == found["TEAMCLAUDE_CA_FILE"] == str(ours)
    assert list(private_home.iterdir()) == []
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(theirs))
    both = Path(json.loads(cli(*words).out)["NODE_EXTRA_CA_CERTS"]).read_text()
    assert both.split() == (ours.read_text() + theirs.read_text()).split()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("env", "--first-party"), "--first-party needs the authority of that server"),
        (("env", "--first-party", "--ca-file", "x", "--url", "http://h/tc"), "at the root of a host"),
        (("run", "--auto"), "--auto starts a server on this machine"),
    ],
)
def test_what_can_not_be_had_of_a_server_elsewhere(
    there: Callable[..., Ended], words: tuple[str, ...], said: str
) -> None:
    ended = there("client", *words)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_claude_needs_a_key(cli: Callable[..., Ended]) -> None:
    for command in ("env", "run"):
        ended = cli(command, "--url", "127.0.0.1:1")
        assert (ended.status, ended.out) == (1, "")
        assert "claude needs a key for http://127.0.0.1:1: set TEAMCLAUDE_KEY or use --key-file" in ended.err


@pytest.fixture
def started(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `run` would start: the words, and the environment."""
    from teamclaude.cli.commands.client import run

    given: dict[str, Any] = {}

    def start(program: str, words: list[str], env: dict[str, str]) -> int:
        given.update(words=list(words), env=env)
        return 7

    monkeypatch.setattr(run, "_exec", start)
    monkeypatch.setattr(run, "find_program", lambda name: "/usr/bin/claude")
    return given


def test_run_starts_claude_with_the_server(
    server: ProxyServer,
    cli: Callable[..., Ended],
    started: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    private_home: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    file.write_text(KEYS["client"])
    file.chmod(0o600)
    ended = cli(
        "run", "--url", server.urls[0], "--key-file", str(file), "--account", "ali", "-p", "--url", "x"
    )
    assert (ended.status, ended.err) == (7, "")
    env = started["env"]
    assert started["words"][2:] == ["-p", "--url", "x"]
    assert env["ANTHROPIC_BASE_URL"] == env["TEAMCLAUDE_URL"] == server.urls[0]
    assert env["ANTHROPIC_AUTH_TOKEN"] == env["TEAMCLAUDE_KEY"] == KEYS["client"]
    headers = f"x-teamclaude-account: {ALICE['name']}\nx-teamclaude-project: {Path.cwd()}"
    assert env["ANTHROPIC_CUSTOM_HEADERS"] == headers
    assert not (private_home / ".config" / "teamclaude.json").exists()


@pytest.mark.parametrize(
    ("key", "said"),
    [(KEYS["observer"], "the key of observer is an observer's"), ("tc-wrong", "does not accept this key")],
)
def test_run_does_not_start_claude_for_a_key_that_may_not(
    server: ProxyServer,
    cli: Callable[..., Ended],
    started: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    said: str,
) -> None:
    monkeypatch.setenv("TEAMCLAUDE_KEY", key)
    ended = cli("run", "--url", server.urls[0])
    assert (ended.status, ended.err.count("\n"), started) == (1, 1, {})
    assert said in ended.err


# --- setup ------------------------------------------------------------------------------------------------


def test_setup_leads_a_client_s_settings_there_and_back(
    server: ProxyServer, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    monkeypatch.setenv("TEAMCLAUDE_KEY", KEYS["client"])
    settings = private_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"model": "opus"}\n')
    words = ("setup", "claude", "--url", server.urls[0], "--account", "al")
    preview = cli(*words)
    assert preview.status == 0
    assert f"setup claude --account al --url {server.urls[0]} --write" in preview.out
    assert KEYS["client"] not in preview.out
    assert settings.read_text() == '{"model": "opus"}\n'
    assert cli(*words, "--write").status == 0
    env = json.loads(settings.read_text())["env"]
    assert env["ANTHROPIC_BASE_URL"] == server.urls[0]
    assert env["ANTHROPIC_AUTH_TOKEN"] == KEYS["client"]
    # The settings are for every project: they name none.
    assert env["ANTHROPIC_CUSTOM_HEADERS"] == f"x-teamclaude-account: {ALICE['name']}"
    assert not (private_home / ".config" / "teamclaude.json").exists()
    assert cli("setup", "--undo").status == 0
    assert settings.read_text() == '{"model": "opus"}\n'


def test_setup_for_a_certificate_and_what_it_refuses(
    cli: Callable[..., Ended],
    make_certificate: Callable[..., tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
    private_home: Path,
) -> None:
    monkeypatch.setenv("TEAMCLAUDE_URL", "https://10.0.0.9")
    cert = str(make_certificate()[0])
    assert "claude needs a key for https://10.0.0.9:443" in cli("setup", "claude").err
    monkeypatch.setenv("TEAMCLAUDE_KEY", "tc-KEY")
    assert "use teamclaude run --first-party" in cli("setup", "claude", "--first-party").err
    assert "tc-KEY" not in cli("setup", "sdk").out
    assert f'"NODE_EXTRA_CA_CERTS": "{cert}"' in cli("setup", "sdk", "--ca-file", cert).out
    assert "must reach https://10.0.0.9:443" in cli("setup", "actions").out
    assert cli("setup", "claude", "--write", "--ca-file", cert).status == 0
    env = json.loads((private_home / ".claude" / "settings.json").read_text())["env"]
    assert env["NODE_EXTRA_CA_CERTS"] == cert
