"""Names for completion: fast, silent, and nothing but names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.cli.parsers.names import names
from tests.cli.support import ALICE, Ended, Stub

PROGRAM = Path(__file__).resolve().parents[3] / "teamclaude" / "__main__.py"
STATUS = {
    "accounts": [{"name": "there"}, {"name": "line\nbreak"}, {"name": ""}, {"noName": 1}],
    "sessionBindings": [{"sid": "s-1"}, {"sid": "s-1", "agent": "x"}, {"sid": 7}],
}


def test_accounts_come_from_the_file(cli: Callable[..., Ended], config: Callable[..., Path]) -> None:
    config(ALICE, {"name": "bob (Acme Org)", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"})
    assert cli("completion", "--names", "accounts") == (0, "alice@example.com\nbob (Acme Org)\n", "")


def test_names_that_a_terminal_would_obey_are_left_out(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers["GET /teamclaude/status"] = (200, STATUS)
    assert cli("completion", "--names", "sessions") == (0, "s-1\n", "")
    monkeypatch.setenv("TEAMCLAUDE_URL", f"http://127.0.0.1:{stub.port}")
    assert cli("completion", "--names", "accounts").out == "there\n"


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"accounts": 1}', '{"accounts": [1, {"name": [2]}]}'])
def test_without_a_usable_file_there_are_none_and_none_is_made(private_home: Path, text: str) -> None:
    path = private_home / ".config" / "teamclaude.json"
    if text is not None:
        path.parent.mkdir()
        path.write_text(text)
    assert names("accounts", os.environ) == []
    assert names("sessions", os.environ) == []
    assert path.exists() is (text is not None)


def test_accounts_load_no_parser_and_no_network(config: Callable[..., Path]) -> None:
    config(ALICE)
    words = [sys.executable, "-X", "importtime", str(PROGRAM), "completion", "--names", "accounts"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, env=env)
    assert ended.stdout == "alice@example.com\n"
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert loaded & {"ssl", "socket", "http.client", "dataclasses", "subprocess", "tempfile"} == set()
    assert len([name for name in loaded if name.startswith("teamclaude")]) <= 9
