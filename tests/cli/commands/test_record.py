"""`teamclaude record`: through the proxy, or in the file that it will read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.support import Ended, Stub

STATE = {
    "on": True,
    "directory": "/d",
    "files": 2,
    "bytes": 3_400_000,
    "since": "20261101",
    "requests": 7,
}


def test_a_running_proxy_switches_at_once(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["POST /teamclaude/record"] = (200, STATE)
    assert cli("record", "on").out.splitlines() == [
        "recording is on",
        "2 files, 3.4 MB, since 2026-11-01, in /d",
        "what one more account would have saved: teamclaude lab whatif",
    ]
    assert json.loads(stub.asked[-1].body) == {"on": True}
    cli("record", "off")
    assert json.loads(stub.asked[-1].body) == {"on": False}


def test_status_changes_nothing(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/record"] = (200, STATE)
    assert json.loads(cli("record", "status", "--json").out) == {"schema": 1, **STATE}
    assert stub.paths[-1] == "GET /teamclaude/record"


def test_without_a_proxy_the_config_file_remembers(down: Path, cli: Callable[..., Ended]) -> None:
    shown = cli("record", "on")
    assert shown.status == 0
    assert shown.out.splitlines()[0] == "recording is on, and begins when the server starts"
    assert json.loads(down.read_text())["record"] is True
    assert cli("record", "status").out.startswith("recording is on")
    cli("record", "off")
    assert json.loads(down.read_text())["record"] is False
    assert cli("record", "status").out.startswith("recording is off\nnothing is recorded yet in ")
