"""The status line below the prompt of the real client, and that nothing of it shows without a prompt."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.e2e.client_environment import ClientEnvironment
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
