"""Reports of long spans read small tables, and get what the detailed rows would give."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.history import reader as reader_module
from teamclaude.history.database import open_to_write
from teamclaude.history.day_growth import GROWTH_UNTIL
from teamclaude.history.reader import HistoryReader
from teamclaude.history.retention import Limits
from teamclaude.history.rows import QuotaReading, RequestFacts
from teamclaude.history.schema import TOTALS_VERSION, version_of
from teamclaude.history.steps import DAY, HOUR, begin_of
from teamclaude.history.store import Batch, Store
from teamclaude.history.upkeep import upkeep
from teamclaude.routing.quota.usage import Usage

from .conftest import NOON, assert_totals_agree, batch_of, facts
from .reports.support import MadeUpHistory

MIDNIGHT = NOON - 12 * HOUR
ZONES = ("Europe/Berlin", "Australia/Lord_Howe")
NAMES = ("source", "account", "model")
STEPS = (None, "day", "week", "month")
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"account": "a"},
    {"model": "m1", "source": "proxy"},
    {"account": "nobody"},
)
AXES = ("5h", "7d")
ALL = Limits(0.0, 10**9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.history.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    database = open_to_write(str(path), pytest.fail, lambda: NOON)
    yield Store(database)
    database.close()


def some_requests(random_: random.Random, days: int, count: int) -> list[RequestFacts]:
    return [
        facts(
            at=NOON - random_.random() * days * DAY,
            usage=Usage(random_.randrange(9999), 1, random_.randrange(9), 2, 3, random_.randrange(2)),
            cost=random_.choice((None, 0.25, 0.5)),
            cost_estimated=random_.random() < 0.1,
            account=random_.choice("ab"),
            model=random_.choice(("m1", "m2")),
            source=random_.choice(("proxy", "proxy", "transcripts")),
            project=random_.choice(("web", "")),
            client=random_.choice(("ci", "")),
            issue=random_.choice(("ENG-1", "ENG-2", "")),
            conversation=random_.choice(("s1", "s1/a", "s2", "")),
            outcome=random_.choice(("served", "served", "refused", "client gone")),
            attempts=random_.randrange(4),
            waited_sec=random_.choice((0.0, 1.5)),
            ttfb_sec=random_.choice((None, 0.5, 2.0)),
            duration_sec=random_.random() * 100,
        )
        for _ in range(count)
    ]


def keep_up(store: Store, limits: Limits = ALL, now: float = NOON, pieces: int = 10**9) -> None:
    left = iter(range(pieces))
    upkeep(store, limits, now, lambda: next(left, None) is None)


ALL_GROUPINGS = [by for size in range(4) for by in combinations(NAMES, size)]


def reports(
    path: Path,
    groupings: Sequence[tuple[str, ...]] = (NAMES, ("account",)),
    filters: Sequence[dict[str, str]] = FILTERS[:2],
) -> list[Any]:
    """Return reports that `totals` has the columns for."""
    found: list[Any] = []
    with HistoryReader(str(path)) as reader:
        for by, step, where in product(groupings, STEPS, filters):
            for since, until in ((None, None), (NOON - 40 * DAY, NOON - 0.7 * DAY)):
                rows = reader.usage(by, since, until, step, where)
                found.append(sorted(map(rounded, rows), key=repr))
    return found


def rounded(row: Any) -> tuple[Any, ...]:
    totals = row.totals
    return (
        row.key,
        row.begin,
        *(
            totals.requests,
            totals.usage,
            round(totals.cost, 9),
            totals.cost_estimated,
            totals.unpriced_tokens,
        ),
        *(totals.errors, totals.failovers, totals.waits, round(totals.waited_sec, 6)),
        *(totals.ttfb.buckets(), round(totals.ttfb.sum, 1), totals.duration.buckets()),
        *(totals.first_at, totals.last_at),
    )


def assert_same_from_all_tables(path: Path, monkeypatch: pytest.MonkeyPatch, *which: Any) -> None:
    """Compare what is read from `totals`, from `days`, and from `usage`."""
    quick = reports(path, *which)
    assert any(quick)
    with monkeypatch.context() as patch:
        patch.setattr(reader_module, "version_of", lambda _: TOTALS_VERSION - 1)
        assert reports(path, *which) == quick
    with monkeypatch.context() as patch:
        patch.setattr(HistoryReader, "_table_of_days", lambda *_: "")
        assert reports(path, *which) == quick


def test_every_grouping_and_filter_is_the_same_from_every_table(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(batch_of(some_requests(random.Random(1), 5, 80)))
    keep_up(store)
    assert_same_from_all_tables(path, monkeypatch, ALL_GROUPINGS, FILTERS)


@pytest.mark.parametrize("zone", ZONES)
def test_reports_are_the_same_from_every_table_at_any_time(
    store: Store, path: Path, zone: str, utc: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    utc(zone)
    random_ = random.Random(zone)
    store.write(batch_of(some_requests(random_, 90, 40)))
    keep_up(store, pieces=20)  # broken off
    store.write(batch_of(some_requests(random_, 90, 40)))
    assert_totals_agree(store.database)
    assert_same_from_all_tables(path, monkeypatch)
    keep_up(store)
    assert_same_from_all_tables(path, monkeypatch)
    keep_up(store, Limits(60.0, 10**9))
    assert_totals_agree(store.database)
    assert_same_from_all_tables(path, monkeypatch)


@pytest.mark.parametrize("limits", [Limits(50.0, 10**9), Limits(0.0, 1000)])
def test_deleting_that_is_broken_off_anywhere_leaves_the_tables_in_step(store: Store, limits: Limits) -> None:
    random_ = random.Random(5)
    readings = [QuotaReading(NOON - hour * HOUR, "a", "5h", hour % 7 / 9) for hour in range(0, 2400, 19)]
    store.write(Batch(batch_of(some_requests(random_, 100, 60)).usage, readings))

    oldest = "SELECT min(begin) FROM {}"
    seen = list(store.database.execute(oldest.format("days")).fetchone())

    def look() -> bool:
        (first,) = store.database.execute(oldest.format("days")).fetchone()
        if first != seen[-1]:
            (grown,) = store.database.execute(oldest.format("growth")).fetchone()
            assert grown is None or grown > seen[-1]
            assert_totals_agree(store.database)
            seen.append(first)
        return False

    upkeep(store, limits, NOON, look)
    assert len(seen) > 3
    unnamed = "SELECT count(*) FROM {} WHERE account NOT IN (SELECT id FROM names)"
    for table in ("growth", "readings", "series"):
        assert store.database.execute(unnamed.format(table)).fetchone() == (0,)
    lost = "SELECT count(*) FROM totals WHERE series NOT IN (SELECT id FROM series)"
    assert store.database.execute(lost).fetchone() == (0,)


def test_the_days_that_lost_their_details_are_in_reports_of_months(store: Store, path: Path) -> None:
    store.write(
        batch_of(
            facts(at=NOON - day * DAY, conversation=f"s{day}-{n}") for day in range(60) for n in range(60)
        )
    )
    readings = [QuotaReading(NOON - hour * HOUR, "alice", "5h", -hour % 5 / 5) for hour in range(1000)]
    gone = [QuotaReading(NOON - 55 * DAY + minute * 60, "carol", "5h", minute / 60) for minute in range(9)]
    store.write(Batch({}, gone + readings))
    keep_up(store)
    with HistoryReader(str(path)) as reader:
        before = [*reader.usage(step="month"), *reader.window_growth(AXES, step="month")]
        assert "carol" in {growth.account for growth in reader.window_growth(AXES)}
        keep_up(store, Limits(0.0, 450_000))
        assert store.database.execute("SELECT min(begin) FROM usage").fetchone()[0] > NOON - 50 * DAY
        assert [*reader.usage(step="month"), *reader.window_growth(AXES, step="month")] == before


def test_the_smallest_table_is_read(store: Store, path: Path) -> None:
    store.write(batch_of([facts(at=MIDNIGHT - DAY, tokens=7, project="web")]))
    for place, table in enumerate(("totals", "days", "usage")):
        store.database.execute(f"UPDATE {table} SET input = ?", (place,))
    with HistoryReader(str(path)) as reader:
        for by, step, expected in (
            (("account", "source"), "month", 0),
            (("model",), None, 0),
            (("project",), "day", 1),
            (("session",), "day", 2),
            (("account",), "hour", 2),
        ):
            (row,) = reader.usage(by, step=step)
            assert row.totals.usage.total == expected
        (row,) = reader.usage(("account",), where={"project": "web"})
        assert row.totals.usage.total == 1


# --- older files --------------------------------------------------------------------------------


def made_older(store: Store) -> None:
    """Take away what the version before did not have."""
    database = store.database
    database.execute(
        "DELETE FROM series WHERE id IN (SELECT series FROM totals EXCEPT SELECT series FROM days)"
    )
    database.execute("DROP TABLE totals")
    database.execute("DROP TABLE growth")
    database.execute("DELETE FROM meta WHERE name = ?", (GROWTH_UNTIL,))
    database.execute(f"PRAGMA user_version = {TOTALS_VERSION - 1}")
    store.forget()


def test_an_older_file_is_read_as_it_is_and_filled_when_it_is_opened(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = [QuotaReading(NOON - hour * HOUR, "a", "5h", -hour % 5 / 5) for hour in range(1000)]
    store.write(Batch(batch_of(some_requests(random.Random(1), 60, 100)).usage, readings))
    store.write(batch_of([facts(at=NOON - 3 * DAY)]))  # its series in `days` is that of `totals`
    expected = reports(path)
    made_older(store)
    assert reports(path) == expected
    with HistoryReader(str(path)) as reader:
        assert reader.window_growth(AXES, step="month") != []
    database = open_to_write(str(path), pytest.fail, lambda: NOON)
    assert version_of(database) >= TOTALS_VERSION
    assert_totals_agree(database)
    assert_same_from_all_tables(path, monkeypatch)
    Store(database).write(batch_of(some_requests(random.Random(2), 60, 50)))
    assert_totals_agree(database)
    twice = (
        "SELECT count(*) FROM series GROUP BY source, account, model, session, agent, project, client, issue"
    )
    assert {count for (count,) in database.execute(twice)} == {1}
    database.close()


# --- growth of windows --------------------------------------------------------------------------


def some_readings(random_: random.Random, begin: float, end: float) -> list[QuotaReading]:
    """Return readings of two accounts' windows, which grow, reset, and now and then shrink a little."""
    found = []
    for account in ("alice", "bob"):
        for axis, length in (("5h", 5 * HOUR), ("7d", 7 * DAY)):
            at, used = begin + random_.random() * HOUR, 0.0
            resets = at + length
            while at < end:
                if at >= resets:
                    used, resets = 0.0, at + length
                used = max(0.0, used + random_.choice((0.0, 0.01, 0.02, -0.01)))
                found.append(QuotaReading(int(at), account, axis, used, round(resets)))
                at += 60 + random_.random() * 9 * HOUR
    return found


def assert_growth_is_that_of(readings: list[QuotaReading], path: Path, at: float) -> None:
    """Compare with all readings that there have ever been."""
    made_up = MadeUpHistory((), readings)
    with HistoryReader(str(path)) as reader:
        for since, until in (
            (None, None),
            (begin_of("day", at - 20.4 * DAY), None),
            (at - 2.3 * DAY, at - DAY),
        ):
            for step in (*STEPS, "hour") if since is not None and at - since < 3 * DAY else STEPS:
                expected = made_up.window_growth(AXES, since, until, step)
                found = reader.window_growth(AXES, since, until, step)
                assert shown(found) == shown(expected)
                assert found or until is not None


def shown(grown: Any) -> dict[tuple[Optional[float], str, str], float]:
    return {(each.begin, each.account, each.axis): round(each.used, 6) for each in grown}


@pytest.mark.parametrize("zone", ZONES)
def test_the_growth_of_finished_days_is_that_of_all_their_readings(
    store: Store, path: Path, zone: str, utc: Callable[[str], None]
) -> None:
    utc(zone)
    random_ = random.Random(zone)
    readings = some_readings(random_, NOON - 50 * DAY, NOON)
    late = {reading for reading in readings if random_.random() < 0.02}
    now, written = NOON - 50 * DAY, set[QuotaReading]()
    while now < NOON:
        now += (1 + random_.random() * 9) * DAY
        some = {each for each in readings if each.at < now - 2 * DAY * (each in late)} - written
        store.write(Batch({}, some))
        written |= some
        assert_growth_is_that_of(sorted(written), path, now)
        keep_up(store, now=now, pieces=random_.randrange(12))
        keep_up(store, now=now)
        assert_growth_is_that_of(sorted(written), path, now)
    kept = store.database.execute("SELECT count(*) FROM readings").fetchone()[0]
    assert kept < 0.85 * len(written)  # they have been thinned out


def test_no_readings_are_read_for_finished_days(store: Store, path: Path) -> None:
    store.write(Batch({}, some_readings(random.Random(1), NOON - 50 * DAY, NOON)))
    keep_up(store)
    with HistoryReader(str(path)) as reader:
        before = reader.window_growth(AXES, step="month")
        last = "SELECT max(at) FROM readings WHERE at < ? GROUP BY account, axis"
        store.database.execute(
            f"DELETE FROM readings WHERE at < ? AND at NOT IN ({last})", (MIDNIGHT, MIDNIGHT)
        )
        assert reader.window_growth(AXES, step="month") == before
