"""What waits to be written: counted together by row, so that it stays small however long the disk hangs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Optional

from .rows import Event, QuotaReading, RequestFacts, RunningTotals, UsageTotals
from .store import Batch, RowKey, row_key

__all__ = ["Pending"]

MAX_ROWS = 5_000  # of usage: 30 agents' conversations of 7 hours, 8 MB
MAX_OTHERS = 5_000  # readings, and events


class Pending:
    """A batch that grows.  One thread at a time; the writer guards it with a lock."""

    def __init__(self) -> None:
        self._usage: dict[RowKey, _Row] = {}
        self._readings: list[QuotaReading] = []
        self._events: list[Event] = []
        self.lost = 0  # rows, readings and events for which there was no room

    def __bool__(self) -> bool:
        return bool(self._usage or self._readings or self._events)

    def add_all(self, all_facts: Iterable[RequestFacts]) -> None:
        """Count requests, each in the row of its time and series."""
        by_row: dict[RowKey, list[RequestFacts]] = defaultdict(list)
        for facts in all_facts:
            by_row[row_key(facts.at, facts.series)].append(facts)
        for key, of_row in by_row.items():
            self._row(key).running.add_all(of_row)

    def add_readings(self, readings: Iterable[QuotaReading]) -> None:
        """Append readings; the oldest give way."""
        self._readings.extend(readings)
        self._cut(self._readings)

    def add_event(self, event: Event) -> None:
        """Append an event; the oldest gives way."""
        self._events.append(event)
        self._cut(self._events)

    def take(self) -> Batch:
        """Return all of it and begin anew."""
        usage = {key: row.totals() for key, row in self._usage.items()}
        batch = Batch(usage, self._readings, self._events)
        self._usage, self._readings, self._events = {}, [], []
        return batch

    def put_back(self, batch: Batch) -> None:
        """Take a batch back that could not be written."""
        later = self.take()
        for usage in (batch.usage, later.usage):
            for key, totals in usage.items():
                self._row(key).put_back(totals)
        for older in (batch, later):
            self.add_readings(older.readings)
            self._events.extend(older.events)
        self._cut(self._events)

    def _row(self, key: RowKey) -> _Row:
        row = self._usage.get(key)
        if row is None:
            if len(self._usage) >= MAX_ROWS:
                del self._usage[_oldest(self._usage)]
                self.lost += 1
            row = self._usage[key] = _Row()
        return row

    def _cut(self, items: list[QuotaReading] | list[Event]) -> None:
        beyond = len(items) - MAX_OTHERS
        if beyond > 0:
            del items[:beyond]
            self.lost += beyond


class _Row:
    """What is counted in one row, and what of it could not be written before."""

    def __init__(self) -> None:
        self.running = RunningTotals()
        self._returned: Optional[UsageTotals] = None

    def put_back(self, totals: UsageTotals) -> None:
        self._returned = totals if self._returned is None else self._returned.plus(totals)

    def totals(self) -> UsageTotals:
        totals = self.running.totals()
        return totals if self._returned is None else self._returned.plus(totals)


def _oldest(usage: Mapping[RowKey, object]) -> RowKey:
    return min(usage, key=lambda key: key.begin)
