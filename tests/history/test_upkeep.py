"""Older rows are summed up, too old ones deleted, and the file gets smaller: nothing that stays is lost."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamclaude.history.database import file_bytes, open_to_write
from teamclaude.history.reader import HistoryReader
from teamclaude.history.retention import Limits
from teamclaude.history.rows import Event, QuotaReading, RequestFacts, UsageTotals
from teamclaude.history.steps import DAY, FIVE_MINUTES, HOUR
from teamclaude.history.store import Batch, Store
from teamclaude.history.upkeep import upkeep, used_bytes

from .conftest import NOON, batch_of, facts

MIDNIGHT = NOON - 12 * HOUR
EVERYTHING = Limits(0.0, 1_000_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.history.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    database = open_to_write(str(path), pytest.fail, lambda: NOON)
    yield Store(database)
    database.close()


def keep_up(store: Store, limits: Limits = EVERYTHING, now: float = NOON, pieces: int = 10**9) -> None:
    """Do the upkeep, or so many pieces of it."""
    left = iter(range(pieces))
    upkeep(store, limits, now, lambda: next(left, None) is None)


def steps(store: Store) -> dict[int, int]:
    """Return how many rows there are of each length."""
    return dict(store.database.execute("SELECT step, count(*) FROM usage GROUP BY step ORDER BY step"))


def some_requests(seed: int, days: int = 60, count: int = 250) -> list[RequestFacts]:
    random_ = random.Random(seed)
    return [
        facts(
            at=NOON - random_.random() * days * DAY,
            tokens=random_.randrange(10_000),
            account=random_.choice("ab"),
            conversation=random_.choice(("s1", "s1/a", "s2", "")),
            outcome=random_.choice(("served", "served", "refused", "client gone")),
            attempts=random_.randrange(1, 4),
            waited_sec=random_.choice((0.0, 0.0, 1.5)),
            ttfb_sec=random_.random() * 10,
            duration_sec=random_.random() * 100,
        )
        for _ in range(count)
    ]


def sums(path: Path, by: tuple[str, ...], step: str | None = None) -> list[tuple[object, ...]]:
    with HistoryReader(str(path)) as reader:
        return [
            (
                row.key,
                row.begin,
                row.totals.requests,
                row.totals.usage,
                round(row.totals.cost, 9),
                row.totals.errors,
                row.totals.failovers,
                row.totals.waits,
                round(row.totals.waited_sec, 3),
                row.totals.ttfb.buckets(),
                row.totals.duration.buckets(),
                row.totals.first_at,
                row.totals.last_at,
            )
            for row in reader.usage(by, step=step)
        ]


# --- summing up ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "zone"), list(enumerate(["UTC", "Europe/Berlin", "Asia/Kathmandu"])))
def test_summing_up_changes_no_sum(
    store: Store, path: Path, seed: int, zone: str, utc: Callable[[str], None]
) -> None:
    utc(zone)
    store.write(batch_of(some_requests(seed)))
    before = [
        sums(path, by, step)
        for by in ((), ("session",), ("conversation", "account"))
        for step in (None, "day")
    ]
    rows = steps(store)
    keep_up(store)
    after = [
        sums(path, by, step)
        for by in ((), ("session",), ("conversation", "account"))
        for step in (None, "day")
    ]
    assert after == before
    assert sum(steps(store).values()) < sum(rows.values())
    assert set(steps(store)) == {FIVE_MINUTES, HOUR, DAY}


def test_each_row_gets_the_length_of_its_age(store: Store) -> None:
    ages = (0.0, 6.0, 8.0, 34.0, 36.0, 300.0)
    store.write(batch_of(facts(at=NOON - age * DAY + minute * 60) for age in ages for minute in (0, 10, 70)))
    keep_up(store)
    assert steps(store) == {FIVE_MINUTES: 6, HOUR: 4, DAY: 2}


def test_a_second_time_changes_nothing(store: Store) -> None:
    store.write(batch_of(some_requests(1)))
    keep_up(store)
    before = list(store.database.execute("SELECT * FROM usage"))
    keep_up(store)
    assert list(store.database.execute("SELECT * FROM usage")) == before


@pytest.mark.parametrize("pieces", [1, 5])
def test_upkeep_that_is_broken_off_goes_on_later(store: Store, path: Path, pieces: int) -> None:
    store.write(batch_of(some_requests(2, days=45, count=60)))
    before = sums(path, ("conversation",), "day")
    for _ in range(1000):
        done = steps(store)
        keep_up(store, pieces=pieces)
        assert sums(path, ("conversation",), "day") == before
        if steps(store) == done and FIVE_MINUTES not in {
            step
            for begin, step in store.database.execute("SELECT begin, step FROM usage")
            if begin < NOON - 9 * DAY
        }:
            break
    keep_up(store)
    assert sums(path, ("conversation",), "day") == before


def test_what_is_old_when_it_is_written_goes_where_old_rows_are(store: Store, path: Path) -> None:
    keep_up(store)
    store.write(batch_of(facts(at=NOON - 100 * DAY + minute * 60, tokens=1) for minute in range(0, 600, 20)))
    store.write(batch_of(facts(at=NOON - 20 * DAY + minute * 60, tokens=1) for minute in range(0, 60, 20)))
    assert steps(store) == {HOUR: 1, DAY: 1}
    assert sums(path, ())[0][2] == 33


@pytest.mark.parametrize(
    ("age", "left"), [(3, [0.1, 0.2, 0.9, 0.0, 0.5]), (20, [0.9, 0.0, 0.5]), (50, [0.9, 0.5])]
)
def test_older_readings_are_thinned_out_to_the_last_of_each_window_and_hour_or_day(
    store: Store, age: int, left: list[float]
) -> None:
    old = MIDNIGHT - age * DAY

    def reading(minute: float, used: float, resets: float) -> QuotaReading:
        return QuotaReading(old + minute * 60, "alice", "5h", used, old + resets)

    readings = [
        reading(0, 0.1, 600),
        reading(5, 0.2, 601),
        reading(9, 0.9, 600),
        reading(11, 0.0, 18_600),
        reading(80, 0.5, 18_601),
    ]
    recent = [QuotaReading(NOON + minute, "alice", "5h", minute / 10) for minute in range(5)]
    store.write(Batch({}, [*readings, *recent]))
    keep_up(store)
    kept = store.database.execute("SELECT used FROM readings ORDER BY at").fetchall()
    assert [used for (used,) in kept] == [*left, *(one.used for one in recent)]


# --- deleting -----------------------------------------------------------------------------------


def test_what_is_too_old_goes_from_every_table_with_its_names(store: Store) -> None:
    old, new = NOON - 20 * DAY, NOON - DAY
    store.write(
        batch_of(
            [facts(at=old, account="gone", conversation="old"), facts(at=new)],
            [QuotaReading(old, "gone", "5h", 0.1), QuotaReading(new, "alice", "5h", 0.1)],
            [Event(old, "bench", "gone"), Event(new, "bench", "alice")],
        )
    )
    keep_up(store, Limits(10.0, 10**9))
    for table in ("usage", "days", "readings", "events"):
        assert store.database.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)
    names = {text for (text,) in store.database.execute("SELECT text FROM names")}
    assert {"gone", "old"} & names == set()
    assert {"alice", "s1", "5h"} <= names
    store.write(batch_of([facts(at=new, account="gone")]))  # the number is looked up again
    assert store.database.execute("SELECT count(*) FROM usage_named WHERE account = 'gone'").fetchone() == (
        1,
    )


def large(store: Store, days: int) -> None:
    for day in range(days):
        requests = (
            facts(at=MIDNIGHT - day * DAY + number, conversation=f"session-{day}-{number}", ttfb_sec=1.0)
            for number in range(400)
        )
        store.write(batch_of(requests, (), [Event(MIDNIGHT - day * DAY, "bench", "alice", "x" * 300)]))


def test_a_file_above_its_size_loses_its_oldest_days_and_gets_smaller(store: Store, path: Path) -> None:
    large(store, 15)
    store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    limits = Limits(400.0, 750_000)
    assert path.stat().st_size > limits.max_bytes
    days = store.database.execute("SELECT count(*) FROM days").fetchone()
    keep_up(store, limits)
    assert file_bytes(str(path)) <= limits.max_bytes
    assert used_bytes(store.database) <= 0.95 * limits.max_bytes
    (first, last) = store.database.execute("SELECT min(begin), max(begin) FROM usage").fetchone()
    assert (last, store.database.execute("SELECT count(*) FROM days").fetchone()) == (MIDNIGHT + 300, days)
    assert MIDNIGHT - 14 * DAY < first < MIDNIGHT
    assert store.database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    keep_up(store, limits)
    assert store.database.execute("SELECT min(begin) FROM usage").fetchone() == (first,)


def test_a_size_that_nothing_fits_in_ends(store: Store) -> None:
    large(store, 3)
    keep_up(store, Limits(400.0, 1000))
    assert store.database.execute("SELECT count(*) FROM days").fetchone() == (0,)


def test_a_reader_in_the_middle_of_upkeep_sees_whole_sums(store: Store, path: Path) -> None:
    store.write(batch_of(some_requests(4, days=45, count=60)))
    before = sums(path, ("conversation",), "month")

    def look() -> bool:
        assert sums(path, ("conversation",), "month") == before
        return False

    upkeep(store, EVERYTHING, NOON, look)


def test_a_row_is_the_sum_of_its_requests(store: Store) -> None:
    requests = [facts(at=NOON + 1, tokens=3), facts(at=NOON + 2, tokens=4)]
    store.write(batch_of(requests[:1]))
    store.write(batch_of(requests[1:]))
    (found,) = store.database.execute("SELECT requests, input, first_at, last_at FROM usage").fetchall()
    total = UsageTotals.of(requests[0]).plus(UsageTotals.of(requests[1]))
    assert found == (2, total.usage.input_tokens, NOON + 1, NOON + 2)


def test_a_failed_write_leaves_nothing_and_the_numbers_are_looked_up_again(store: Store) -> None:
    bad = Batch(batch_of([facts()]).usage, [QuotaReading(NOON, "alice", "5h", None)])  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.write(bad)
    assert store.database.execute("SELECT count(*) FROM names").fetchone() == (0,)
    store.write(batch_of([facts()]))
    assert store.database.execute("SELECT account FROM usage_named").fetchone() == ("alice",)


def test_a_clock_that_was_ahead_leaves_new_rows_their_five_minutes(store: Store) -> None:
    store.write(batch_of([facts(NOON)]))
    keep_up(store, now=NOON + 100 * DAY)
    store.write(batch_of([facts(NOON + HOUR)]))  # the clock is right again
    keep_up(store, now=NOON + HOUR)
    store.write(batch_of([facts(NOON + 2 * HOUR), facts(NOON - 8 * DAY)]))
    assert steps(store) == {FIVE_MINUTES: 1, HOUR: 1, DAY: 1}
    (requests,) = store.database.execute("SELECT sum(requests) FROM usage").fetchone()
    assert requests == 4
