"""Rows, sums, shares of windows, and their JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from teamclaude.errors import UsageError
from teamclaude.history.reports.question import GROUPINGS, parse_question
from teamclaude.history.reports.report import UsageReport, report_of
from teamclaude.history.reports.report_csv import csv_text
from teamclaude.history.rows import TRANSCRIPTS, QuotaReading, RequestFacts
from tests.history.reports.support import AT, DAY, MadeUpHistory, facts

pytestmark = pytest.mark.usefixtures("utc")


def report(
    by: str,
    requests: Sequence[RequestFacts] = (),
    readings: Sequence[QuotaReading] = (),
    since: str = "all",
    limit: int = 0,
) -> UsageReport:
    question = parse_question(by, since, None, AT, limit)
    return report_of(MadeUpHistory(requests, readings), question)


# --- rows -------------------------------------------------------------------------------------------------


def test_names_come_the_dearest_first_and_the_total_has_all() -> None:
    found = report("account", [facts(account="a"), facts(account="b", cost=3.0), facts(account="b")])
    assert [(row.key, row.totals.requests, row.view.cost) for row in found.rows] == [
        (("b",), 2, 4.0),
        (("a",), 1, 1.0),
    ]
    assert (found.total.totals.requests, found.total.view.tokens, found.more) == (3, 900, 0)


def test_time_comes_the_oldest_first() -> None:
    found = report("day", [facts(AT), facts(AT - 2 * DAY)])
    assert [(row.key, row.begin) for row in found.rows] == [
        (("2026-11-27",), AT - 2 * DAY - 14 * 3600),
        (("2026-11-29",), AT - 14 * 3600),
    ]


def test_two_groupings_in_any_order_have_time_first() -> None:
    found = report("account,day", [facts(account="a"), facts(account="b", cost=2.0), facts(AT - DAY)])
    assert [row.key for row in found.rows] == [
        ("2026-11-28", "alice"),
        ("2026-11-29", "b"),
        ("2026-11-29", "a"),
    ]


def test_a_limit_keeps_the_dearest_or_the_latest() -> None:
    requests = [facts(AT - day * DAY, account=f"a{day}", cost=float(day)) for day in range(5)]
    dearest, latest = report("account", requests, limit=2), report("day", requests, limit=2)
    assert [row.key for row in dearest.rows] == [("a4",), ("a3",)]
    assert [row.key for row in latest.rows] == [("2026-11-28",), ("2026-11-29",)]
    assert (dearest.more, dearest.total.totals.requests) == (3, 5)


def test_what_was_imported_is_told_apart() -> None:
    found = report("model", [facts(), facts(source=TRANSCRIPTS, account="", cost=0.5)])
    (row,) = found.rows
    assert (row.totals.requests, row.imported.requests, row.imported.cost) == (2, 1, 0.5)
    assert [row.key for row in report("source", [facts(), facts(source=TRANSCRIPTS)]).rows] == [
        ("proxy",),
        ("transcripts",),
    ]


# --- what is asked for --------------------------------------------------------------------------------------


def test_a_range_begins_with_a_whole_step() -> None:
    midnight = AT - 14 * 3600
    assert parse_question("day", "7d", None, AT).since == midnight - 7 * DAY
    assert parse_question("model", "7d", None, AT).since == AT - 7 * DAY
    assert parse_question("day", None, None, AT).since == midnight - 29 * DAY
    assert parse_question("month", None, None, AT).since is None
    assert parse_question("hour", None, None, AT + 60).since == AT - DAY
    assert parse_question("account", None, "yesterday", AT).since == midnight - 29 * DAY


@pytest.mark.parametrize(
    ("by", "since", "until", "message"),
    [
        ("colour", None, None, 'nothing is grouped by "colour"; there are: hour, day'),
        ("", None, None, 'nothing is grouped by ""'),
        ("day,week", None, None, "at most two groupings, and one of them by time"),
        ("day,model,account", None, None, "at most two groupings"),
        ("day", "today", "yesterday", "the range ends before it begins"),
        ("day", "soon", None, '"soon" is no time like'),
    ],
)
def test_what_can_not_be_asked(by: str, since: Any, until: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_question(by, since, until, AT)
    assert str(refused.value).startswith(message)


# --- windows ----------------------------------------------------------------------------------------------


def readings(account: str, *used: tuple[float, float, float], axis: str = "5h") -> list[QuotaReading]:
    """Readings of (hours after AT, share, hours of the reset)."""
    return [QuotaReading(AT + h * 3600, account, axis, share, AT + reset * 3600) for h, share, reset in used]


def shares(found: UsageReport, axis: str = "5h") -> dict[str, tuple[float, bool]]:
    return {
        row.key[-1]: (round(row.windows[axis].used, 4), row.windows[axis].estimated)
        for row in found.rows
        if axis in row.windows
    }


def test_the_growth_of_a_window_is_what_was_used_of_it() -> None:
    seen = readings("alice", (0, 0.2, 3), (1, 0.5, 3), (2, 0.45, 3), (4, 0.1, 9), (5, 0.3, 9))
    # The first reading is where it begins; less than before in the same window is no use.
    assert shares(report("account", [facts()], seen)) == {"alice": (0.6, False)}


def test_a_reset_that_passed_begins_a_new_window_even_where_it_is_not_told() -> None:
    seen = [
        QuotaReading(AT, "alice", "5h", 0.3, AT + 60),
        QuotaReading(AT + 120, "alice", "5h", 0.4, AT + 60 + 5 * 3600),
        QuotaReading(AT + 180, "alice", "5h", 0.5, None),
        QuotaReading(AT + 240, "alice", "5h", 0.1, None),
    ]
    assert shares(report("account", [facts()], seen)) == {"alice": (0.6, False)}


def test_rows_that_share_an_account_divide_its_windows_by_what_moves_them() -> None:
    seen = readings("alice", (0, 0.0, 3), (1, 0.4, 3))
    requests = [facts(model="a", tokens=300), facts(model="b", tokens=100), facts(model="c", account="bob")]
    found = report("model", requests, seen)
    assert shares(found) == {"a": (0.3, True), "b": (0.1, True)}
    assert round(found.total.windows["5h"].used, 4) == 0.4


def test_windows_of_several_accounts_add_up_in_a_day() -> None:
    seen = readings("alice", (0, 0.0, 3), (1, 0.4, 3)) + readings("bob", (0, 0.5, 3), (1, 0.75, 3))
    found = report("day", [facts(), facts(account="bob")], seen)
    assert shares(found) == {"2026-11-29": (0.65, False)}


def test_the_first_growth_of_a_range_is_from_the_reading_before_it() -> None:
    seen = readings("alice", (-20, 0.2, 3), (-3, 0.5, 3), (-1, 0.6, 3))
    assert shares(report("day", [facts()], seen, since="today")) == {"2026-11-29": (0.4, False)}


def test_what_nobody_asked_for_here_is_in_no_row() -> None:
    seen = readings("carol", (0, 0.0, 3), (1, 0.4, 3))
    assert shares(report("account", [facts()], seen)) == {}


# --- JSON and CSV -----------------------------------------------------------------------------------------


def test_the_json_has_these_keys() -> None:
    made = facts(ttfb_sec=0.5, duration_sec=3.0, waited_sec=2.0, attempts=2, outcome="held out")
    found = report("day,account", [made], readings("alice", (0, 0.0, 3), (1, 0.4, 3)), since="today")
    data = json.loads(json.dumps(found.to_json()))
    assert {key: data[key] for key in ("schema", "by", "since", "until", "more")} == {
        "schema": 1,
        "by": ["day", "account"],
        "since": round((AT - 14 * 3600) * 1000),
        "until": None,
        "more": 0,
    }
    (row,) = data["rows"]
    assert row.pop("ttfbSec").keys() == row.pop("durationSec").keys() == {"p50", "p90", "p99"}
    assert row == {
        "day": "2026-11-29",
        "account": "alice",
        "begin": round((AT - 14 * 3600) * 1000),
        "requests": 1,
        "inputTokens": 100,
        "outputTokens": 0,
        "cacheReadTokens": 200,
        "cacheWriteTokens": 0,
        "tokens": 300,
        "unmeasured": 0,
        "cost": 1.0,
        "costEstimated": False,
        "unpricedTokens": 0,
        "errors": {"held out": 1},
        "failovers": 1,
        "waits": 1,
        "waitedSec": 2.0,
        "firstAt": round(AT * 1000),
        "lastAt": round(AT * 1000),
        "imported": {"requests": 0, "tokens": 0, "cost": 0.0},
        "windows": {"5h": {"used": 0.4, "estimated": False}},
    }
    assert data["total"].keys() >= row.keys() - {"day", "account", "begin"}


def test_what_is_unknown_is_null() -> None:
    found = report("account", [facts(account="", cost=None)]).to_json()["rows"][0]
    assert (found["account"], found["cost"], found["unpricedTokens"]) == (None, None, 300)
    assert (found["ttfbSec"], found["windows"]) == (None, {})


HOSTILE = ('=HYPERLINK("http://evil")', "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", "\uff1d1", 'a"b,c', "a\nb")


def test_no_name_is_a_formula_or_a_line_of_its_own_in_csv() -> None:
    text = csv_text(report("model", [facts(model=name) for name in HOSTILE]))
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == len(lines) == len(HOSTILE) + 1
    names = {line[0] for line in lines[1:]}
    escaped = {"'+1", "'-1", "'@SUM(A1)", "'=1", "'\uff1d1", '\'=HYPERLINK("http://evil")'}
    assert names == escaped | {'a"b,c', "a b"}
    assert not [name for name in names if name[0] in "=+-@\t\r\uff1d"]


def test_a_name_in_csv_has_nothing_that_turns_or_hides_text() -> None:
    names = ("\u202eevil", "\ufeff=1+1", "a\u2066b\u200b", "\U0001f469\u200d\U0001f4bb")
    text = csv_text(report("model", [facts(model=name) for name in names]))
    found = {line[0] for line in csv.reader(io.StringIO(text, newline=""))}
    assert found == {"model", "evil", "'=1+1", "ab", "\U0001f469\u200d\U0001f4bb"}


def test_csv_has_plain_numbers_and_empty_unknowns() -> None:
    text = csv_text(report("day", [facts(cost=None)]))
    heading, row = csv.reader(io.StringIO(text, newline=""))
    found = dict(zip(heading, row))
    assert (found["day"], found["inputTokens"], found["cost"]) == ("2026-11-29", "100", "")
    assert found["begin"] == str(round((AT - 14 * 3600) * 1000))
    assert (found["costEstimated"], found["windows5h"]) == ("false", "")


def test_every_grouping_is_answered() -> None:
    for by in GROUPINGS:
        assert len(report(by, [facts(conversation="s/a")]).rows) == 1
