"""A server of a newer version is told in one line; what can be read is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.cli.remote.newer import note_if_newer
from tests.cli.support import Ended, Stub


@pytest.mark.parametrize(
    "answer", [{}, {"schema": 1}, {"schema": 0}, {"schema": "2"}, {"schema": 10**30}, [], None]
)
def test_nothing_is_said_of_versions_that_are_known(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    note_if_newer("http://h:1", answer, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "path"),
    [("status", "/teamclaude/deck"), ("switch", "/teamclaude/status")],
)
def test_one_line_beside_what_is_shown(stub: Stub, cli: Callable[..., Ended], words: str, path: str) -> None:
    stub.answers[f"GET {path}"] = (200, {"schema": 7, "accounts": [{"name": "alice", "status": "active"}]})
    ended = cli(words)
    assert (ended.status, ended.err.count("\n")) == (0, 1)
    assert "is of a newer version (schema 7, known here: 1)" in ended.err
    assert "alice" in ended.out
