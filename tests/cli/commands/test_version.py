"""`teamclaude version`, and --version everywhere."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude import __version__
from teamclaude.cli.dispatch import COMMANDS
from tests.cli.support import Ended, Stub

HEALTH = {"status": "ok", "service": "teamclaude", "version": "0.0.9"}


def test_without_a_server_and_a_config_file(cli: Callable[..., Ended], private_home: Path) -> None:
    ended = cli("version")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"teamclaude {__version__}"
    assert platform.python_version() in lines[1]
    assert lines[2].startswith("runs as:  directory /")
    assert lines[2].endswith("/teamclaude")
    assert lines[3] == f"config:   {private_home / '.config' / 'teamclaude.json'}"
    assert lines[4] == "server:   none answers"
    assert not (private_home / ".config").exists()


def test_a_server_of_the_same_version(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /health"] = (200, {**HEALTH, "version": __version__})
    assert cli("version").out.splitlines()[4] == f"server:   {__version__} at http://127.0.0.1:{stub.port}"


@pytest.mark.parametrize("health", [HEALTH, {**HEALTH, "version": ["\x1b"]}, {"service": "teamclaude"}])
def test_a_server_that_is_another_says_restart(stub: Stub, cli: Callable[..., Ended], health: object) -> None:
    stub.answers["GET /health"] = (200, health)
    (line,) = [line for line in cli("version").out.splitlines() if line.startswith("server:")]
    assert line.endswith(f"; this program is {__version__}: teamclaude restart")
    server = json.loads(cli("version", "--json").out)["server"]
    assert server["isSame"] is False


def test_a_server_that_is_named_has_to_answer(down: Path, cli: Callable[..., Ended]) -> None:
    assert cli("version").status == 0
    assert cli("version", "--url", "http://127.0.0.1:1").status == 1


@pytest.mark.parametrize("name", [command.name for command in COMMANDS if command.name != "run"])
def test_every_command_has_the_option(cli: Callable[..., Ended], name: str) -> None:
    assert cli(name, "--version") == (0, f"teamclaude {__version__}\n", "")
