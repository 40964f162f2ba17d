"""`teamclaude run` with the real client: it finds the proxy, and its exit status is the client's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.e2e.client_environment import CLIENT_TOKEN, KEY, ClientEnvironment, Ended
from tests.e2e.tee import BlockingProxy
from tests.e2e.ways import SUPERVISED

pytestmark = pytest.mark.e2e


def test_run(either: ClientEnvironment) -> None:
    either.api.script.reply_with("Hello from the API.")
    ended = either.teamclaude_run("--", "-p", "hello")
    assert (ended.status, ended.out, ended.err) == (0, "Hello from the API.\n", "")
    (turn,) = either.turns
    assert turn.header("x-claude-code-session-id") in {session for session, _ in either.bindings}
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_the_account_that_is_named_serves_it(environment: ClientEnvironment) -> None:
    for name in ("carol", "bob"):
        assert environment.teamclaude_run("--account", name, "-p", "hello").status == 0
    assert [turn.account for turn in environment.turns] == ["carol", "bob"]


def test_the_exit_status_is_the_clients(environment: ClientEnvironment) -> None:
    words = "prompt is too long: 2000000 tokens > 1000000 maximum"
    environment.api.script.always(Fault.status(400, words))
    ended = environment.teamclaude_run("-p", "hello")
    assert ended.status == 1
    assert "rompt is too long" in ended.out
    assert [turn.status for turn in environment.turns] == [400, 400], "two accounts say the same"


# --- settings files and variables that lead elsewhere ---------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[BlockingProxy]:
    """A server that is not ours: whatever reaches it is lost."""
    server = BlockingProxy()
    yield server
    server.close()


def assert_served(client: ClientEnvironment, elsewhere: BlockingProxy, *accounts: str) -> None:
    """Assert that the turns came through the proxy, with its key, and nothing went elsewhere."""
    assert elsewhere.asked == []
    assert client.turns
    for turn in client.turns:
        assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
        assert CLIENT_TOKEN not in str(turn.headers)
        assert not accounts or turn.account in accounts
    for sent in client.tee.turns:
        assert sent.header("x-teamclaude-key") == KEY
        # The client still acts for a subscriber.
        assert sent.header("authorization") == f"Bearer {CLIENT_TOKEN}"
    client.assert_quiet()


def said_well(ended: Ended) -> str:
    """Return what was told on stderr; assert a good end."""
    assert ended.status == 0, ended
    return ended.err


def put(file: Path, value: object, before: bytes = b"") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(before + json.dumps(value).encode())
    return file


@pytest.mark.parametrize("scope", ["global", "user", "project", "local"])
def test_a_base_url_in_a_settings_file_is_beaten(
    client: ClientEnvironment, private_home: Path, elsewhere: BlockingProxy, scope: str
) -> None:
    url = f"http://127.0.0.1:{elsewhere.port}"
    settings = {"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_CUSTOM_HEADERS": "x-team: red"}}
    file = {
        "global": private_home / ".claude.json",
        "user": private_home / ".claude" / "settings.json",
        "project": client.project / ".claude" / "settings.json",
        "local": client.project / ".claude" / "settings.local.json",
    }[scope]
    put(file, settings, b"\xef\xbb\xbf" if scope == "user" else b"")  # as editors on Windows write it
    told = said_well(client.teamclaude_run("--account", "carol", "-p", "hello"))
    assert told == f"teamclaude: claude runs without ANTHROPIC_BASE_URL of {file}: it uses the proxy\n"
    assert_served(client, elsewhere, "carol")
    assert {sent.header("x-team") for sent in client.tee.turns} == {"red"}


@pytest.mark.parametrize("form", ["file", "text"])
def test_the_users_settings_option_is_merged(
    client: ClientEnvironment, elsewhere: BlockingProxy, form: str
) -> None:
    url = f"http://127.0.0.1:{elsewhere.port}"
    settings = {"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_CUSTOM_HEADERS": "x-team: red"}}
    value = str(put(client.project / "s.json", settings)) if form == "file" else json.dumps(settings)
    said_well(client.teamclaude_run("--account", "bob", "-p", "hello", "--settings", value))
    assert_served(client, elsewhere, "bob")
    assert {sent.header("x-team") for sent in client.tee.turns} == {"red"}


@pytest.mark.parametrize(
    "names",
    [
        ("http_proxy", "no_proxy"),
        ("HTTP_PROXY", "NO_PROXY"),
        ("https_proxy", "NO_PROXY"),
        ("ALL_PROXY", "no_proxy"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("place", ["environment", "settings"])
def test_an_http_proxy_gets_nothing(
    client: ClientEnvironment,
    private_home: Path,
    elsewhere: BlockingProxy,
    place: str,
    names: tuple[str, str],
) -> None:
    proxy, exclusions = names
    variables = {proxy: f"http://127.0.0.1:{elsewhere.port}", exclusions: "intra.example"}
    if place == "settings":
        put(private_home / ".claude" / "settings.json", {"env": variables})
        variables = {}
    assert said_well(client.teamclaude_run("-p", "hello", **variables)) == ""
    asked = [line for line in elsewhere.asked if "127.0.0.1" in line or "localhost" in line]
    elsewhere.asked.clear()  # the client's own requests to Anthropic's hosts are none of ours
    assert asked == []
    assert_served(client, elsewhere)


PROVIDERS = {
    "CLAUDE_CODE_USE_BEDROCK": {"ANTHROPIC_BEDROCK_BASE_URL": "URL", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1"},
    "CLAUDE_CODE_USE_VERTEX": {
        "ANTHROPIC_VERTEX_BASE_URL": "URL",
        "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1",
        "ANTHROPIC_VERTEX_PROJECT_ID": "p",
        "CLOUD_ML_REGION": "us-east5",
    },
    "CLAUDE_CODE_USE_FOUNDRY": {"ANTHROPIC_FOUNDRY_BASE_URL": "URL", "ANTHROPIC_FOUNDRY_API_KEY": "k"},
}


@pytest.mark.parametrize("place", ["environment", "settings"])
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_gets_nothing(
    client: ClientEnvironment, private_home: Path, elsewhere: BlockingProxy, name: str, place: str
) -> None:
    url = f"http://127.0.0.1:{elsewhere.port}"
    variables = {name: "1"}
    variables.update({key: text.replace("URL", url) for key, text in PROVIDERS[name].items()})
    where = ""
    if place == "settings":
        where = f" of {put(private_home / '.claude' / 'settings.json', {'env': variables})}"
        variables = {}
    told = said_well(client.teamclaude_run("-p", "hello", **variables))
    assert told == f"teamclaude: claude runs without {name}{where}: the accounts of the proxy serve it\n"
    assert_served(client, elsewhere)


def test_keys_in_settings_do_not_replace_the_login(
    client: ClientEnvironment, private_home: Path, elsewhere: BlockingProxy
) -> None:
    settings = {"apiKeyHelper": "echo sk-ant-api03-FAKE", "env": {"ANTHROPIC_AUTH_TOKEN": "theirs"}}
    put(private_home / ".claude" / "settings.json", settings)
    told = said_well(client.teamclaude_run("-p", "hello"))
    assert "without ANTHROPIC_AUTH_TOKEN of" in told
    assert "without apiKeyHelper of" in told
    assert_served(client, elsewhere)
    assert b'"ttl":"1h"' in client.turns[0].body


# --- other commands of the client's, and background agents ----------------------------------------------


def test_commands_that_take_no_settings_work(client: ClientEnvironment) -> None:
    assert "No MCP servers" in client.teamclaude_run("mcp", "list").out
    if client.version in SUPERVISED:
        assert client.teamclaude_run("daemon", "status").out.startswith("not running")
    assert client.turns == []


@pytest.mark.parametrize("mode", [(), ("--first-party",)], ids=["base URL", "first-party"])
def test_background_agents_of_a_supervisor_from_elsewhere(
    client: ClientEnvironment, elsewhere: BlockingProxy, mode: tuple[str, ...]
) -> None:
    """The supervisor has another base URL and an HTTP proxy; the agent comes to us, to the named account."""
    if client.version not in SUPERVISED:
        pytest.skip(f"{client.version} has no background agents")
    url = f"http://127.0.0.1:{elsewhere.port}"
    others = {
        "ANTHROPIC_BASE_URL": url,
        "http_proxy": url,
        "https_proxy": url,
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }
    try:
        # The words of a command, with an option of its own: the supervisor is started outside the proxy.
        client.run_client("--bg", **others)
        elsewhere.asked.clear()
        said_well(client.teamclaude_run(*mode, "--account", "carol", "--bg", "hello"))
        deadline = time.monotonic() + 30.0
        while not any(turn.status == 200 for turn in client.turns):
            assert time.monotonic() < deadline, "no turn arrived"
            time.sleep(0.05)
        assert [line for line in elsewhere.asked if "v1/messages" in line] == []
        assert {turn.account for turn in client.turns} == {"carol"}
        files = client.config.with_name("teamclaude.run").glob("*.json")
        assert any(KEY in file.read_text() for file in files)
    finally:
        client.run_client("daemon", "stop", "--any")


def test_a_bare_client_has_the_proxys_key(client: ClientEnvironment) -> None:
    said_well(client.teamclaude_run("--bare", "-p", "hello"))
    assert {sent.header("authorization") for sent in client.tee.turns} == {f"Bearer {KEY}"}
    client.assert_quiet()
