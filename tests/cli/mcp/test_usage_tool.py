"""`usage`: tokens and cost by account, model, issue and session."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.cli.mcp.tool import ToolResult, checked_arguments
from teamclaude.cli.mcp.usage_tool import USAGE
from teamclaude.snapshot import (
    AccountUsage,
    AccountView,
    BindingView,
    IssueView,
    Snapshot,
    UsageView,
)
from tests.cli.mcp.schema_check import faults
from tests.cli.mcp.support import answers


def used(tokens: int, cost: Optional[float], estimated: bool = False) -> UsageView:
    return UsageView(tokens, 0, 0, 0, tokens, 0, cost, estimated)


SEEN = Snapshot(
    accounts=(
        AccountView(name="alice", usage=AccountUsage(3, used(100, 1.0))),
        AccountView(name="bob", usage=AccountUsage(4, used(50, 2.0))),
    ),
    session_bindings=(
        BindingView(sid="s1", model="opus", requests=2, usage=used(60, 1.0)),
        BindingView(sid="s1", agent="a1", model="haiku", requests=1, usage=used(40, 0.25, True)),
        BindingView(sid="s2", model="opus", requests=1, usage=used(5, None)),
        BindingView(sid="s3", usage=UsageView()),
    ),
    usage_by_issue=(
        IssueView(issue="12", requests=3, usage=used(100, 1.0)),
        IssueView(issue=None, requests=1, usage=used(5, None)),
    ),
)


def usage(seen: Snapshot = SEEN, session: Optional[str] = None, **arguments: Any) -> ToolResult:
    ask = answers({"/teamclaude/status": seen.to_json(requests=False)})
    result = USAGE.run(ask, checked_arguments(USAGE.input_schema, arguments), session)
    assert result.structured is not None
    assert faults(result.structured, USAGE.output_schema) == []
    return result


def rows(result: ToolResult, group: str) -> list[tuple[Any, ...]]:
    assert result.structured is not None
    return [
        (row["name"], row["requests"], row["tokens"], row["costUsd"])
        for row in result.structured[group]["rows"]
    ]


def test_all_groupings_the_dearest_first() -> None:
    result = usage()
    assert rows(result, "account") == [("bob", 4, 50, 2.0), ("alice", 3, 100, 1.0)]
    assert rows(result, "model") == [("opus", 3, 65, 1.0), ("haiku", 1, 40, 0.25), (None, 0, None, None)]
    assert rows(result, "issue") == [("12", 3, 100, 1.0), (None, 1, 5, None)]
    assert rows(result, "session") == [
        ("s1", 3, 100, 1.25),
        ("s2", 1, 5, None),
        ("s3", 0, None, None),
    ]


def test_one_grouping_and_fewer_rows() -> None:
    result = usage(by="session", limit=1, session="s1")
    assert result.text.splitlines() == [
        "by session:",
        "  s1 (this session): 100 tokens, ~$1.25, 3 requests",
        "  and 2 more",
    ]
    assert (result.structured or {})["account"] is None
    assert (result.structured or {})["session"]["more"] == 2


@pytest.mark.parametrize(("session", "marked"), [("s2", [False, True, False]), (None, [False] * 3)])
def test_the_session_that_asks_is_marked(session: Optional[str], marked: list[bool]) -> None:
    result = usage(session=session, by="session")
    assert [row["thisSession"] for row in (result.structured or {})["session"]["rows"]] == marked


def test_nothing_was_used_yet() -> None:
    assert usage(Snapshot()).text == "by account:\nby model:\nby issue:\nby session:"
