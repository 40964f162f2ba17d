"""The status line below the prompt of the real client, and that nothing of it shows without a prompt."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.proxy.connect.certificates import ca_file
from tests.e2e.client_environment import KEY, ClientEnvironment
from tests.e2e.terminal import Terminal
from tests.e2e.ways import MODES, PROMPT, WAYS, Mode, teamclaude

pytestmark = pytest.mark.e2e

SERVED = r"(alice|bob|carol) · 5h 42% [+-]\d+ ↻1h\d+m · 7d 61% [+-]\d+ ↻\S+ · pool 3/3 room \d+"


def marker(client: ClientEnvironment) -> Path:
    """The file that the user's own command makes."""
    return client.project.parent / "shown"


@pytest.fixture
def installed(client: ClientEnvironment) -> ClientEnvironment:
    """The client with our status line beside one of the user."""
    theirs = {"type": "command", "command": f"touch {marker(client)}; echo a line of mine"}
    settings = Path(client.environment()["HOME"]) / ".claude" / "settings.json"
    settings.write_text(json.dumps({"statusLine": theirs}))
    done = teamclaude(client, "statusline", "--install", "--refresh", "1")
    assert done.status == 0, done.err
    for account in client.api.accounts.values():
        account.fill("5h", 0.42, time.time(), reset_in=6600)
        account.fill("7d", 0.61, time.time(), reset_in=200_000)
    return client


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_line_below_the_prompt(installed: ClientEnvironment, mode: Mode) -> None:
    launch = mode.prepare(installed)
    with Terminal([*launch.prefix, PROMPT], installed.project, launch.env) as terminal:
        assert terminal.wait_for("a line of mine"), terminal.shown[-3000:]
        assert terminal.wait_for(SERVED), terminal.shown[-3000:]
    assert [turn.status for turn in installed.turns] == [200] * len(installed.turns)
    assert marker(installed).exists()


def test_without_a_prompt_no_command_runs(installed: ClientEnvironment) -> None:
    headless = next(way for way in WAYS if way.name == "-p")
    headless.start(installed, MODES[0].prepare(installed))
    assert len(installed.turns) == 1
    assert not marker(installed).exists()


# --- limitsFromPool -----------------------------------------------------------------------------


POOL = round((0.93 + 0.1 + 0.2) / 3, 2)


def rate_limits(client: ClientEnvironment, account: str) -> dict[str, Any]:
    """Run a turn on an account; return what the client says of its limits."""
    words = ("-p", PROMPT, "--output-format", "stream-json", "--verbose")
    ended = client.teamclaude_run("--account", account, *words)
    assert ended.status == 0, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    (info,) = [line["rate_limit_info"] for line in lines if line["type"] == "rate_limit_event"]
    found: dict[str, Any] = info
    return found


@pytest.mark.parametrize("pooled", [True, False])
def test_the_clients_own_limits_are_the_pools(client: ClientEnvironment, pooled: bool) -> None:
    client.config.write_text(json.dumps({**json.loads(client.config.read_text()), "limitsFromPool": pooled}))
    client.service.reload()
    for name, used in (("alice", 0.93), ("bob", 0.1), ("carol", 0.2)):
        client.api.accounts[name].fill("5h", used, time.time(), reset_in=15_000)
    for name in ("bob", "carol"):
        rate_limits(client, name)
    said = rate_limits(client, "alice")
    if pooled:
        assert said["status"] == "allowed"
        windows = said.get("unifiedWindows")  # 2.1.112 has none
        assert windows is None or windows["five_hour"]["utilization"] == POOL
    else:
        assert (said["status"], said["utilization"]) == ("allowed_warning", 0.93)


def test_usage_is_the_pools_in_first_party_mode(client: ClientEnvironment) -> None:
    client.config.write_text(json.dumps({**json.loads(client.config.read_text()), "limitsFromPool": True}))
    client.service.reload()
    client.api.accounts["alice"].fill("5h", 0.93, time.time(), reset_in=15_000)
    url = f"http://127.0.0.1:{client.service.port}"
    target = ClientTarget(url, KEY, account="alice", ca_file=str(ca_file(client.config)))
    env = {**client.environment(), **client_environment(target, client.environment(), True)}
    with Terminal([str(client.program), PROMPT], client.project, env) as terminal:
        assert terminal.keep_reading(lambda: bool(client.turns), 30.0), terminal.shown[-3000:]
        terminal.wait_for("no such words", 3.0)  # its answer is drawn
        terminal.type("/usage")
        terminal.wait_for("no such words", 1.0)
        terminal.type("\r")
        assert terminal.wait_for("31 ?% ?used"), terminal.shown[-3000:]  # bob and carol: unused
    assert [turn.account for turn in client.turns] == ["alice"] * len(client.turns)
