"""What reports get from a history file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.errors import HistoryError
from teamclaude.history.histogram import Histogram
from teamclaude.history.reader import HistoryReader, Span
from teamclaude.history.rows import Event, QuotaReading, UsageRow
from teamclaude.routing.quota.usage import Usage
from teamclaude.values import replace

from .conftest import NOON, facts, fill

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.history.db"


def tokens(rows: list[UsageRow]) -> dict[tuple[str, ...], int]:
    return {row.key: row.totals.usage.total for row in rows}


def test_all_that_is_known_of_a_request_comes_back(path: Path) -> None:
    one = facts(
        outcome="held out",
        attempts=3,
        waited_sec=12.5,
        ttfb_sec=1.0,
        duration_sec=4.0,
        usage=Usage(1, 2, 3, 4, 5, 1),
        cost=None,
        cost_estimated=True,
    )
    (row,) = HistoryReader(str(fill(path, [one]))).usage()
    totals = row.totals
    assert (totals.requests, totals.served, totals.errors) == (1, 0, {"held out": 1})
    assert (totals.usage, totals.cost, totals.unpriced_tokens) == (Usage(1, 2, 3, 4, 5, 1), 0.0, 15)
    assert (totals.cost_estimated, totals.failovers, totals.waits, totals.waited_sec) == (True, 2, 1, 12.5)
    assert (totals.ttfb, totals.duration) == (Histogram({0: 1}, 1.0), Histogram({4: 1}, 4.0))
    assert (totals.first_at, totals.last_at) == (NOON, NOON)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ((), {(): 60}),
        (("account",), {("alice",): 30, ("bob",): 30}),
        (("session",), {("s1",): 30, ("s2",): 30}),
        (("conversation",), {("s1",): 10, ("s1/a",): 20, ("s2",): 30}),
        (("account", "project"), {("alice", "web"): 10, ("alice", ""): 20, ("bob", "web"): 30}),
        (("client",), {("",): 50, ("ci",): 10}),
        (("issue",), {("",): 50, ("ENG-1",): 10}),
        (("model", "source"), {("m1", "proxy"): 60}),
    ],
)
def test_usage_is_summed_by_what_is_asked_for(
    path: Path, by: tuple[str, ...], expected: dict[tuple[str, ...], int]
) -> None:
    fill(
        path,
        [
            facts(tokens=10, model="m1", project="web", client="ci", issue="ENG-1"),
            facts(tokens=20, model="m1", conversation="s1/a"),
            facts(tokens=30, model="m1", conversation="s2", project="web", account="bob"),
        ],
    )
    assert tokens(HistoryReader(str(path)).usage(by)) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"session": "s1"}, 30),
        ({"conversation": "s1"}, 10),
        ({"conversation": "s1/a"}, 20),
        ({"account": "bob"}, 30),
        ({"account": "bob", "session": "s1"}, 0),
        ({"account": "nobody"}, 0),
    ],
)
def test_usage_is_kept_to_what_has_a_value(path: Path, where: dict[str, str], expected: int) -> None:
    fill(
        path,
        [
            facts(tokens=10),
            facts(tokens=20, conversation="s1/a"),
            facts(tokens=30, conversation="s2", account="bob"),
        ],
    )
    assert sum(tokens(HistoryReader(str(path)).usage(where=where)).values()) == expected


def test_steps_are_those_of_local_time(path: Path, utc: Callable[[str], None]) -> None:
    utc("Asia/Kolkata")  # 5:30 ahead
    midnight = 1_799_951_400.0  # 2027-01-15 00:00 there
    fill(path, [facts(at=midnight - 1, tokens=1), facts(at=midnight, tokens=2), facts(at=midnight + DAY)])
    reader = HistoryReader(str(path))
    days = reader.usage(step="day")
    assert [(row.begin, row.totals.usage.total) for row in days] == [
        (midnight - DAY, 1),
        (midnight, 2),
        (midnight + DAY, 100),
    ]
    (hour,) = reader.usage(step="hour", since=midnight, until=midnight + HOUR)
    assert hour.begin == midnight
    assert reader.usage(step="day", by=["session"])[0].begin == midnight - DAY
    assert [row.totals.usage.total for row in reader.usage(step="month")] == [103]


def test_since_and_until_cut_to_five_minutes(path: Path) -> None:
    fill(path, [facts(at=NOON - 1, tokens=1), facts(at=NOON, tokens=2), facts(at=NOON + 300, tokens=4)])
    reader = HistoryReader(str(path))
    assert tokens(reader.usage(since=NOON, until=NOON + 300)) == {(): 2}
    assert tokens(reader.usage(since=NOON)) == {(): 6}
    assert tokens(reader.usage(until=NOON)) == {(): 1}
    assert tokens(reader.usage(by=["account"], since=NOON, step="day")) == {("alice",): 6}


@pytest.mark.parametrize("step", [None, "day", "week", "month"])
@pytest.mark.parametrize(
    ("since", "until"), [(-9.3, 0.2), (-9.5, -2.5), (-0.4, 0.1), (-40.3, -0.5), (-3.0, 0.5)]
)
def test_parts_of_days_are_those_of_the_rows_and_whole_days_of_the_days(
    path: Path, step: str | None, since: float, until: float
) -> None:
    fill(path, [facts(at=NOON - hour * HOUR, tokens=1 + hour, ttfb_sec=1.0) for hour in range(0, 60 * 24, 5)])
    reader, begin, end = HistoryReader(str(path)), NOON + since * DAY, NOON + until * DAY

    def sums(by: tuple[str, ...]) -> list[tuple[object, ...]]:
        rows = reader.usage(by, begin, end, step)
        return [(row.begin, row.totals.usage, row.totals.ttfb.count, row.totals.last_at) for row in rows]

    assert sums(("account",)) == sums(("account", "conversation")) != []


def test_the_time_before_the_first_and_after_the_last_row_costs_nothing(path: Path) -> None:
    fill(path, [facts()])
    rows = HistoryReader(str(path)).usage(since=0, until=1e12, step="hour")
    assert [row.begin for row in rows] == [NOON]


def test_groups_come_with_the_most_tokens_first(path: Path) -> None:
    fill(path, [facts(tokens=1, account="a"), facts(tokens=3, account="b"), facts(tokens=2, account="c")])
    assert [row.key for row in HistoryReader(str(path)).usage(["account"])] == [("b",), ("c",), ("a",)]


def test_readings_and_events_come_back_in_the_order_of_time(path: Path) -> None:
    readings = [
        QuotaReading(NOON + 60, "alice", "5h", 0.5, NOON + 3600),
        QuotaReading(NOON, "alice", "7d", 0.25),
        QuotaReading(NOON, "bob", "5h", 0.125, NOON + 60),
    ]
    events = [Event(NOON + 1, "bench", "alice", "429"), Event(NOON, "started", "", "1.2.3")]
    reader = HistoryReader(str(fill(path, [], readings, events)))
    assert sorted(reader.quota()) == sorted(readings)
    assert [reading.at for reading in reader.quota()] == [NOON, NOON, NOON + 60]
    assert reader.quota(since=NOON + 1) == readings[:1]
    assert reader.quota(until=NOON + 1, account="bob") == readings[2:]
    assert reader.quota(axis="7d") == readings[1:2]
    assert reader.events() == events[::-1]
    assert reader.events(kinds=["bench", "held"]) == events[:1]
    assert reader.events(since=NOON + 2) == []


def test_the_span_is_that_of_usage(path: Path) -> None:
    assert HistoryReader(str(fill(path))).span() is None
    fill(path, [facts(at=NOON - 3 * DAY), facts(at=NOON + 7)])
    assert HistoryReader(str(path)).span() == Span(NOON - 3 * DAY, NOON + 7)


def test_a_wrong_dimension_or_step_is_an_error(path: Path) -> None:
    reader = HistoryReader(str(fill(path, [facts()])))
    with pytest.raises(HistoryError, match="usage has no 'colour'"):
        reader.usage(["colour"])
    with pytest.raises(HistoryError, match="usage has no 'colour'"):
        reader.usage(where={"colour": "red"})
    with pytest.raises(HistoryError, match="usage has no the step 'year'"):
        reader.usage(step="year")


def test_a_missing_file_is_one_line(path: Path) -> None:
    with pytest.raises(HistoryError, match="there is no history yet"):
        HistoryReader(str(path))


def test_the_growth_of_windows_by_account_and_day(tmp_path: Path) -> None:
    day = 86400.0
    readings = [
        QuotaReading(NOON - 2 * day, "alice", "5h", 0.5, NOON - 2 * day + 60),
        QuotaReading(NOON - day, "alice", "5h", 0.25, NOON),
        QuotaReading(NOON - day + 60, "alice", "5h", 0.75, NOON),
        QuotaReading(NOON, "bob", "5h", 0.1, NOON + 60),
        QuotaReading(NOON + 1, "bob", "5h", 0.2, NOON + 61),
        QuotaReading(NOON + 1, "alice", "7d", 0.2, NOON + 61),
    ]
    midnight = NOON - day / 2
    with HistoryReader(str(fill(tmp_path / "x.db", readings=readings))) as reader:
        whole = reader.window_growth(["5h"])
        assert [(each.begin, each.account, round(each.used, 3)) for each in whole] == [
            (None, "alice", 0.75),
            (None, "bob", 0.1),
        ]
        by_day = reader.window_growth(["5h"], since=midnight - day, step="day")
        assert [(each.begin, each.account, round(each.used, 3)) for each in by_day] == [
            (midnight - day, "alice", 0.75),
            (midnight, "bob", 0.1),
        ]
        assert reader.window_growth(["7d"]) == reader.window_growth(["no such axis"]) == []
        assert {each.axis for each in reader.window_growth(["5h", "7d"])} == {"5h"}


def test_without_durations_all_else_is_the_same(tmp_path: Path) -> None:
    path = fill(tmp_path / "x.db", [facts(ttfb_sec=1.0, duration_sec=2.0)])
    with HistoryReader(str(path)) as reader:
        (full,), (quick,) = reader.usage(("model",)), reader.usage(("model",), durations=False)
    assert full.totals.ttfb.count == full.totals.duration.count == 1
    assert quick.totals == replace(full.totals, ttfb=Histogram(), duration=Histogram())
