"""A history file with whatever a test needs in it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.history.columns import SUMS, totals_of
from teamclaude.history.database import open_to_write
from teamclaude.history.histogram import Histogram
from teamclaude.history.rows import Event, QuotaReading, RequestFacts, UsageTotals
from teamclaude.history.store import Batch, RowKey, Store, row_key
from teamclaude.routing.quota.usage import Usage
from teamclaude.values import replace

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the time zone to UTC; return what sets it to another."""

    def use(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    use("UTC")
    yield use
    monkeypatch.undo()
    time.tzset()


def facts(at: float = NOON, tokens: int = 100, **parts: Any) -> RequestFacts:
    """Return a request of alice's that took `tokens` input tokens."""
    made = RequestFacts(at, "alice", "claude-opus-4-8", "s1", usage=Usage(tokens), cost=tokens / 1e6)
    return made._replace(**parts)


def batch_of(
    requests: Iterable[RequestFacts] = (),
    readings: Iterable[QuotaReading] = (),
    events: Iterable[Event] = (),
) -> Batch:
    usage: dict[RowKey, UsageTotals] = {}
    for one in requests:
        key = row_key(one.at, one.series)
        usage[key] = usage[key].plus(UsageTotals.of(one)) if key in usage else UsageTotals.of(one)
    return Batch(usage, readings, events)


def fill(
    path: Path,
    requests: Iterable[RequestFacts] = (),
    readings: Iterable[QuotaReading] = (),
    events: Iterable[Event] = (),
    warn: Optional[Callable[[str], None]] = None,
) -> Path:
    """Write these into the history file at `path`; make it if it is missing."""
    database = open_to_write(str(path), warn or pytest.fail, lambda: NOON)
    try:
        Store(database).write(batch_of(requests, readings, events))
    finally:
        database.close()
    return path


def assert_totals_agree(database: sqlite3.Connection) -> None:
    """Assert that `totals` has the sums of `days`, and nothing else."""

    def sums(table: str) -> list[tuple[Any, ...]]:
        key = "t.begin, s.source, s.account, s.model"
        sql = f"SELECT {key}, {SUMS} FROM {table} t JOIN series s ON s.id = t.series GROUP BY {key}"
        found = [(row[:4], totals_of(row[4:])) for row in database.execute(sql)]
        bare = Histogram()
        return [
            (
                key,
                replace(totals, cost=0.0, waited_sec=0.0, ttfb=bare, duration=bare),
                (round(totals.cost, 9), round(totals.waited_sec, 6)),
                (totals.ttfb.buckets(), totals.duration.buckets()),
            )
            for key, totals in found
        ]

    assert sums("totals") == sums("days")
    assert database.execute("SELECT count(*) FROM totals").fetchone() == (len(sums("days")),)
