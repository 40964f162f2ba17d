"""`teamclaude restart` and `drain`: what the server answers, in a line for a person."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.support import Ended, Stub

RESTART, DRAIN = "POST /teamclaude/restart", "POST /teamclaude/drain"


def test_a_restart_names_the_new_process_and_what_is_left(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers[RESTART] = (200, {"pid": 7, "version": "9.1", "requests": 0})
    assert cli("restart") == (0, "", "process 7 serves now (version 9.1)\n")
    stub.answers[RESTART] = (200, {"pid": 7, "version": "9.1", "requests": 2})
    assert (
        cli("restart").err == "process 7 serves now (version 9.1); 2 requests to finish in the old process\n"
    )


def test_a_failed_restart_says_that_the_server_goes_on(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers[RESTART] = (500, {"error": {"message": "x.json: line 2: expecting a value"}})
    line = "teamclaude: not restarted, the server goes on as before: x.json: line 2: expecting a value\n"
    assert cli("restart") == (1, "", line)


@pytest.mark.parametrize(("status", "text"), [(409, "in progress already"), (403, "needs the role operator")])
def test_a_refused_restart_is_not_called_a_failed_one(
    stub: Stub, cli: Callable[..., Ended], status: int, text: str
) -> None:
    stub.answers[RESTART] = (status, {"error": {"message": text}})
    assert cli("restart") == (1, "", f"teamclaude: {text}\n")


def test_a_drain_says_when_the_server_stops(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers[DRAIN] = (200, {"announceSec": 4, "requests": 1})
    line = "the server is not ready any more; it stops in 4 s (1 request running)\n"
    assert cli("drain", "--sec", "4") == (0, "", line)
    assert json.loads(stub.asked[-1].body) == {"sec": 4}
