"""`teamclaude setup` with the real client: settings lead it to the pool, `--undo` back to where it went."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from tests.e2e import packages
from tests.e2e.client_environment import CLIENT_TOKEN, KEY, ClientEnvironment, Ended, end
from tests.e2e.ways import teamclaude

pytestmark = pytest.mark.e2e

GATEWAY_KEY = "sk-ant-oat01-FAKE-gateway"


@pytest.fixture
def client(new_client: ClientEnvironment) -> ClientEnvironment:
    """A client that is not logged in."""
    return new_client


def program(client: ClientEnvironment, words: Sequence[str], **more: str) -> Ended:
    """Run a program in the project with the client's environment and `more`."""
    return end(
        subprocess.Popen(
            list(words),
            cwd=client.project,
            env={**client.environment(), "CLAUDE_CODE_MAX_RETRIES": "0", **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def plain_claude(client: ClientEnvironment, *words: str, **more: str) -> Ended:
    """Run `claude WORDS` as a user who never heard of the proxy does."""
    return program(client, [str(client.program), *words], **more)


def setup(client: ClientEnvironment, *words: str) -> Ended:
    port = [] if "--undo" in words else ["--port", str(client.service.port)]
    done = teamclaude(client, "setup", *words, *port)
    assert done.status == 0, done.err
    return done


@pytest.mark.parametrize("scope", ["user", "project", "local"])
@pytest.mark.parametrize("mode", ["base URL", "first party"])
@pytest.mark.parametrize("logged_in", [True, False], ids=["login", "token"])
def test_to_the_pool_and_back(
    client: ClientEnvironment, private_home: Path, scope: str, mode: str, logged_in: bool
) -> None:
    if logged_in:
        client.log_in()
    before = plain_claude(client, "-p", "hello")
    asked = len(client.wall.asked)
    assert before.status != 0
    assert client.turns == []
    options = ["--first-party"] if mode == "first party" else []
    setup(client, "claude", "--scope", scope, *options, "--write")
    during = plain_claude(client, "-p", "hello")
    assert during.status == 0, f"{during.out} {during.err}"
    (turn,) = client.turns
    assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
    assert CLIENT_TOKEN not in str(turn.headers)
    setup(client, "--undo")
    after = plain_claude(client, "-p", "hello")
    assert (after.status, after.out) == (before.status, before.out)
    assert len(client.turns) == 1
    assert (len(client.wall.asked) > asked) == (asked > 0)
    assert not list(client.project.rglob("settings*"))
    assert not (private_home / ".claude" / "settings.json").exists()


def test_a_running_server_is_switched_to_first_party_clients_and_back(client: ClientEnvironment) -> None:
    client.log_in()
    raw = json.loads(client.config.read_text())
    del raw["proxy"]["forward"]
    client.config.write_text(json.dumps(raw))
    client.service.reload()
    before = client.config.read_bytes()
    setup(client, "claude", "--first-party", "--write")
    ended = plain_claude(client, "-p", "hello")
    assert ended.status == 0, f"{ended.out} {ended.err}"
    assert len(client.turns) == 1
    setup(client, "--undo")
    assert client.config.read_bytes() == before


def test_back_to_a_gateway(client: ClientEnvironment, private_home: Path) -> None:
    with FakeApi([FakeAccount("gateway", GATEWAY_KEY)]) as gateway:
        settings = private_home / ".claude" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        theirs = {
            "ANTHROPIC_BASE_URL": gateway.url,
            "ANTHROPIC_AUTH_TOKEN": GATEWAY_KEY,
            "ANTHROPIC_BETAS": "oauth-2025-04-20",
            "NO_PROXY": "127.0.0.1",
        }
        data = b"\xef\xbb\xbf" + json.dumps({"env": theirs}, indent="\t").encode().replace(b"\n", b"\r\n")
        settings.write_bytes(data)
        plain_claude(client, "-p", "hello")
        at_first = len(gateway.log)
        assert at_first
        setup(client, "--write")
        assert plain_claude(client, "-p", "hello").status == 0
        assert (len(gateway.log), len(client.turns)) == (at_first, 1)
        setup(client, "--undo")
        assert settings.read_bytes() == data
        plain_claude(client, "-p", "hello")
        assert (len(gateway.log), len(client.turns)) == (2 * at_first, 1)


def test_background_agents_to_the_pool_and_back(client: ClientEnvironment, private_home: Path) -> None:
    if client.version == "2.1.112":
        pytest.skip("2.1.112 has no background agents")
    client.log_in()
    projects = {str(client.project): {"hasTrustDialogAccepted": True}}
    (private_home / ".claude.json").write_text(json.dumps({"projects": projects}))

    def await_one(done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def asked() -> int:
        return sum("api.anthropic.com" in line for line in client.wall.asked)

    try:
        setup(client, "--write")
        assert plain_claude(client, "--bg", "hello").status == 0
        await_one(lambda: bool(client.turns))
        setup(client, "--undo")
        before = asked()
        assert plain_claude(client, "--bg", "and now without").status == 0
        await_one(lambda: asked() > before)
        # The first agent may still ask for a title of its session.
        assert not any(b"and now without" in turn.body for turn in client.turns)
    finally:
        plain_claude(client, "daemon", "stop", "--any")


def test_the_variables_of_an_editor(client: ClientEnvironment, private_home: Path) -> None:
    directory = private_home / ".config" / "Code" / "User"
    directory.mkdir(parents=True)
    setup(client, "vscode", "--write")
    raw = json.loads((directory / "settings.json").read_text())
    variables = {entry["name"]: entry["value"] for entry in raw["claudeCode.environmentVariables"]}
    ended = plain_claude(client, "-p", "hello", CLAUDE_CODE_ENTRYPOINT="claude-vscode", **variables)
    assert ended.status == 0, f"{ended.out} {ended.err}"
    (turn,) = client.turns
    assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
    setup(client, "--undo")
    assert list(directory.iterdir()) == []


# --- what `setup sdk` prints ----------------------------------------------------------------------------

PYTHON = """\
import anyio, os, sys
from claude_agent_sdk import ClaudeAgentOptions, query
{options}
options.cli_path = sys.argv[1]
options.setting_sources = []
async def main():
    async for message in query(prompt="hello", options=options):
        pass
anyio.run(main)
"""
TYPESCRIPT = """\
import {{ query }} from "@anthropic-ai/claude-agent-sdk";
{options}
options.pathToClaudeCodeExecutable = process.argv[2];
options.settingSources = [];
for await (const message of query({{ prompt: "hello", options }})) {{}}
"""


def _python(script: Path, text: str) -> list[str]:
    script.write_text(PYTHON.format(options=text))
    return [str(packages.python_with("claude-agent-sdk")), str(script)]


def _typescript(script: Path, text: str) -> list[str]:
    modules = packages.node_modules("@anthropic-ai/claude-agent-sdk")
    script = modules.parent / "printed.mjs"
    script.write_text(TYPESCRIPT.format(options=text))
    return ["node", str(script)]


@pytest.mark.parametrize(
    ("pattern", "command"),
    [(r"^options = .*?^\}\)$", _python), (r"^const options = .*?^\};$", _typescript)],
    ids=["Python", "TypeScript"],
)
def test_what_is_printed_for_the_agent_sdks(
    environment: ClientEnvironment, tmp_path: Path, pattern: str, command: Callable[[Path, str], list[str]]
) -> None:
    printed = setup(environment, "sdk").out
    found = re.search(pattern, printed, re.M | re.S)
    assert found
    try:
        words = command(tmp_path / "script", found.group())
    except packages.NotInstalledError as refusal:
        pytest.skip(f"the package could not be installed: {refusal}")
    ended = program(environment, [*words, str(environment.program)], TEAMCLAUDE_KEY=KEY, NO_PROXY="127.0.0.1")
    assert ended.status == 0, f"{ended.out[-2000:]} {ended.err[-2000:]}"
    assert [turn.header("authorization") for turn in environment.turns] == [
        f"Bearer sk-ant-oat01-FAKE-{turn.account}" for turn in environment.turns
    ]
    assert environment.turns
