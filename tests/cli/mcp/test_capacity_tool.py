"""`capacity`: yes or no, how many now, when more."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.cli.mcp.capacity_tool import CAPACITY
from teamclaude.cli.mcp.tool import ToolResult, checked_arguments
from teamclaude.errors import SnapshotError
from tests.cli.mcp.schema_check import faults
from tests.cli.mcp.support import answers

AT = "2026-11-27T12:00:00.000Z"
GREEN = {"verdict": "green", "headroom": 9, "liveAccounts": 3, "total": 3, "soonestResetSec": 0, "at": AT}
ALICE = {"name": "alice", "status": "benched", "reason": "429", "live": False}
RED = {
    **GREEN,
    "verdict": "red",
    "headroom": 0,
    "liveAccounts": 0,
    "soonestResetSec": 90,
    "accounts": [ALICE],
}
PAID = {"lastResort": {"accounts": [{"name": "paid", "status": "active", "live": True}]}}


def ask(answer: Any, path: str = "/teamclaude/capacity", **arguments: Any) -> ToolResult:
    checked = checked_arguments(CAPACITY.input_schema, arguments)
    result = CAPACITY.run(answers({path: answer}), checked, None)
    assert result.structured is not None
    assert faults(result.structured, CAPACITY.output_schema) == []
    return result


def facts(result: ToolResult, *names: str) -> tuple[Any, ...]:
    assert result.structured is not None
    return tuple(result.structured[name] for name in names)


@pytest.mark.parametrize(("asked", "allowed", "now"), [(1, True, 1), (9, True, 9), (10, False, 9)])
def test_room_for_nine(asked: int, allowed: bool, now: int) -> None:
    result = ask(GREEN, sub_agents=asked)
    assert facts(result, "allowed", "startNow", "asked", "headroom") == (allowed, now, asked, 9)
    assert result.text.startswith("Yes: " if allowed else "No: ")
    assert facts(result, "answer") == (result.text.replace("\n", " "),)


def test_whether_it_lasts_is_said_when_that_is_asked() -> None:
    lasting = {"sec": 3600, "answer": "maybe", "chance": 0.634, "dryFrom": None, "dryUntil": None}
    result = ask({**GREEN, "lasting": lasting}, "/teamclaude/capacity?for=60m", for_minutes=60)
    assert facts(result, "lasts", "chanceLasts", "allowed") == ("maybe", 0.63, True)
    assert "The pool may last 1h" in result.text
    assert facts(ask(GREEN), "lasts", "chanceLasts") == (None, None)


def test_one_is_asked_for_if_nothing_is_said() -> None:
    assert ask(GREEN).text == "Yes: start 1 sub-agent now. The pool has room for 9 more."


def test_a_part_may_be_started_and_more_when_others_end() -> None:
    result = ask({**GREEN, "verdict": "yellow", "headroom": 2}, sub_agents=5)
    assert result.text.splitlines() == [
        "No: not 5 sub-agents, but 2 of them may be started now.",
        "More when conversations that run now end or pause for some minutes.",
    ]
    assert facts(result, "moreInSec", "moreAt", "waitingFor") == (None, None, [])


def test_a_tight_pool_says_so() -> None:
    assert "it is tight" in ask({**GREEN, "verdict": "yellow"}, sub_agents=5).text


def test_a_red_pool_says_when_an_account_comes_back_and_why_it_is_away() -> None:
    result = ask(RED, sub_agents=5)
    assert result.text.splitlines() == [
        "No: start none of the 5 sub-agents now.",
        "More when an account comes back in 1m.",
        "alice: benched (429)",
    ]
    assert facts(result, "allowed", "startNow", "moreInSec", "moreAt", "waitingFor") == (
        False,
        0,
        90,
        "2026-11-27T12:01:30Z",
        ["alice: benched (429)"],
    )


def test_no_time_may_bring_more() -> None:
    assert "No time brings more" in ask({**RED, "soonestResetSec": 0}).text


def test_paid_keys_are_no_room_but_are_named() -> None:
    result = ask({**RED, **PAID}, sub_agents=2)
    assert facts(result, "allowed", "paidKeys") == (False, ["paid"])
    assert "paid API key (paid)" in result.text
    assert "paid API key" not in ask({**GREEN, **PAID}).text


def test_the_capacity_of_a_model_is_asked_for_by_its_name() -> None:
    result = ask(GREEN, "/teamclaude/capacity/claude%2Fopus%205", model="claude/opus 5")
    assert facts(result, "model") == ("claude/opus 5",)
    assert "1 sub-agent of claude/opus 5" in result.text


def test_a_name_cannot_paint_a_terminal() -> None:
    shown = ask({**RED, "accounts": [{**ALICE, "name": "a\x1b[31m\nb"}]})
    assert "\x1b" not in shown.text
    assert len(shown.text.splitlines()) == 3


def test_an_answer_with_nothing_in_it_is_no_room() -> None:
    assert facts(ask({}), "allowed", "headroom") == (False, 0)


@pytest.mark.parametrize("answer", [[], "x", {"headroom": "nine"}])
def test_an_answer_that_is_none_is_an_error(answer: Any) -> None:
    with pytest.raises(SnapshotError):
        ask(answer)
