"""`usage`: tokens and cost, from the history or, without one, from the status."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.cli.mcp.tool import ToolResult, checked_arguments
from teamclaude.cli.mcp.usage_tool import USAGE
from teamclaude.errors import BadRequestError, NotFoundError, UsageError
from teamclaude.history.reports.question import parse_question
from teamclaude.history.reports.report import report_of
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
from tests.history.reports.support import AT, MadeUpHistory, facts


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
    def ask(path: str) -> Any:
        if path.startswith("/teamclaude/usage"):
            raise NotFoundError("that is not an endpoint of this proxy.")
        return answers({"/teamclaude/status": seen.to_json(requests=False)})(path)

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


@pytest.mark.parametrize("arguments", [{"since": "7d"}, {"by": "project"}, {"by": "day"}])
def test_without_a_history_there_is_no_since_and_no_project(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="this proxy keeps no history: ask without since, by account, model"):
        usage(**arguments)


# --- from the history -------------------------------------------------------------------------------------


class History:
    """A proxy with a history: what it was asked, and rows of each grouping."""

    def __init__(self, *names: Optional[str], more: int = 0) -> None:
        self.names, self.more = names, more
        self.asked: list[str] = []

    def __call__(self, path: str) -> Any:
        self.asked.append(path)
        by = path.partition("by=")[2].partition("&")[0]
        requests = [facts(account="", conversation=name or "") for name in self.names]
        rows = report_of(MadeUpHistory(requests), parse_question("session", "all", None, AT)).to_json()[
            "rows"
        ]
        return {"rows": [{**row, by: row["session"]} for row in rows], "more": self.more}


def from_history(history: History, session: Optional[str] = None, **arguments: Any) -> ToolResult:
    result = USAGE.run(history, checked_arguments(USAGE.input_schema, arguments), session)
    assert result.structured is not None
    assert faults(result.structured, USAGE.output_schema) == []
    return result


def test_one_grouping_is_one_question() -> None:
    history = History("s1", more=3)
    result = from_history(history, session="s1", by="session", since="yesterday", limit=5)
    assert history.asked == ["/teamclaude/usage?by=session&since=yesterday&limit=5"]
    assert result.text.splitlines() == [
        "by session:",
        "  s1 (this session): 300 tokens, $1.00, 1 requests",
        "  and 3 more",
    ]


def test_all_groupings_of_the_last_30_days() -> None:
    history = History(None)
    result = from_history(history)
    groups = ("account", "model", "issue", "session", "project")
    assert history.asked == [f"/teamclaude/usage?by={by}&since=30d&limit=10" for by in groups]
    assert (result.structured or {})["day"] is None
    assert rows(result, "project") == [(None, 1, 300, 1.0)]


def test_what_the_proxy_refuses_is_said() -> None:
    def ask(path: str) -> Any:
        raise BadRequestError('"soon" is no time')

    with pytest.raises(BadRequestError, match="soon"):
        USAGE.run(ask, checked_arguments(USAGE.input_schema, {"since": "soon"}), None)
