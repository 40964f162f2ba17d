"""`teamclaude status` with the key of a client: what it uses itself, and nothing of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.support import Ended, Stub

REFUSAL = {"type": "error", "error": {"type": "permission_error", "message": "it needs the role observer"}}
USAGE = {
    "name": "ci", "inflight": 1, "requests": 12, "tokens": 3_400_000, "cost": 4.5, "tokensToday": 200,
    "maxInflight": 2, "dailyTokens": 200, "refused": 4, "limit": "dailyTokens", "limitUntil": 1,
}  # fmt: skip


@pytest.fixture
def status(stub: Stub, cli: Callable[..., Ended]) -> Callable[[Any], Ended]:
    def ask(caller: Any) -> Ended:
        stub.answers["GET /teamclaude/deck"] = (403, REFUSAL)
        stub.answers["GET /teamclaude/caller"] = (200, caller)
        return cli("status")

    return ask


def test_a_client_sees_its_own_row(status: Callable[[Any], Ended]) -> None:
    ended = status({"name": "ci", "role": "client", "usage": USAGE})
    assert (ended.status, ended.err) == (0, "")
    first, row = ended.out.splitlines()
    assert first.endswith(": the key of ci has the role client, and sees what it uses itself")
    assert row.startswith("  ci  at dailyTokens for 0s · 1 of 2 in flight · 200 of 200 today · ")
    assert row.endswith(" · 12 requests, 4 refused, 3.4M $4.50")


def test_a_client_that_has_used_nothing(status: Callable[[Any], Ended]) -> None:
    ended = status({"name": "c\x1b[31mi", "role": "client", "usage": None})
    assert ended.out.splitlines()[1] == "  ci  nothing yet"


@pytest.mark.parametrize("caller", [None, [], {}, {"name": "x", "role": "observer", "usage": None}])
def test_any_other_refusal_is_told_as_it_is(status: Callable[[Any], Ended], caller: Any) -> None:
    ended = status(caller)
    assert (ended.status, ended.out) == (1, "")
    assert "it needs the role observer" in ended.err


def test_an_answer_that_is_no_row_is_one_line(status: Callable[[Any], Ended]) -> None:
    ended = status({"name": "ci", "role": "client", "usage": {"requests": "many"}})
    assert ended.status == 1
    assert ended.err.count("\n") == 1
