"""A report that another server wrote: the same after its way as JSON, and refused when it is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.cli.usage.table import table
from teamclaude.errors import SnapshotError
from teamclaude.history.reports.question import parse_question
from teamclaude.history.reports.report import report_of
from teamclaude.history.reports.report_json import report_from_json
from teamclaude.history.rows import TRANSCRIPTS, QuotaReading
from tests.history.reports.support import AT, DAY, MadeUpHistory, facts

pytestmark = pytest.mark.usefixtures("utc")
HISTORY = MadeUpHistory(
    [
        facts(AT, 1000, 3.0),
        facts(AT - DAY, 500, None, account="bob", project="=\x1b[31mEVIL\n", model="m-1"),
        facts(AT - 2 * DAY, 10, 0.5, account="", source=TRANSCRIPTS),
        facts(AT, outcome="upstream error"),
    ],
    [QuotaReading(AT - 3600, "alice", "5h", 0.25, AT + 60), QuotaReading(AT, "alice", "5h", 0.75, AT + 60)],
)


@pytest.mark.parametrize("by", ["day", "account", "day,account", "project", "source", "hour"])
@pytest.mark.parametrize("limit", [0, 1])
def test_the_table_is_the_same_after_the_way(by: str, limit: int) -> None:
    report = report_of(HISTORY, parse_question(by, "all", None, AT, limit))
    there = report_from_json(json.loads(json.dumps(report.to_json())))
    assert table(there, 200) == table(report, 200)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((), []),
        (("by",), None),
        (("by",), ["nonsense"]),
        (("by",), []),
        (("rows",), {}),
        (("rows", 0), 3),
        (("rows", 0, "account"), []),
        (("rows", 0, "requests"), "many"),
        (("rows", 0, "requests"), 1e300),
        (("rows", 0, "cost"), float("nan")),
        (("rows", 0, "errors"), []),
        (("rows", 0, "windows"), {"5h": {"used": None}}),
        (("total",), None),
        (("since",), "yesterday"),
        (("more",), True),
    ],
)
def test_what_is_no_report_is_refused_by_its_place(place: tuple[Any, ...], value: Any) -> None:
    report: Any = report_of(HISTORY, parse_question("account", "all", None, AT)).to_json()
    if not place:
        report = value
    else:
        owner = report
        for key in place[:-1]:
            owner = owner[key]
        owner[place[-1]] = value
    with pytest.raises(SnapshotError, match="the server's report can't be read"):
        report_from_json(report)


def test_a_row_of_time_needs_its_time() -> None:
    report: Any = report_of(HISTORY, parse_question("day", "all", None, AT)).to_json()
    del report["rows"][0]["begin"]
    with pytest.raises(SnapshotError, match="begin"):
        report_from_json(report)
