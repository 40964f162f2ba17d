"""Write batches into the history file: names and series become numbers, counts are added to what is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Optional

from ..values import NamedTuple
from .columns import COLUMNS, totals_of, values_of
from .day_growth import reopen_days
from .rows import Event, QuotaReading, Series, UsageTotals
from .schema import transaction
from .steps import DAY, FIVE_MINUTES, HOUR, begin_of

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Batch", "RowKey", "Store", "row_key"]

MAX_KNOWN = 5000  # names and series whose numbers are kept in memory


class RowKey(NamedTuple):
    """A row of `usage`."""

    begin: int
    series: Series
    step: int = FIVE_MINUTES


class Batch(NamedTuple):
    """What is written in one transaction."""

    usage: Mapping[RowKey, UsageTotals] = {}
    readings: Iterable[QuotaReading] = ()
    events: Iterable[Event] = ()


def row_key(at: float, series: Series) -> RowKey:
    """Return the row that a request of this time is counted in."""
    return RowKey(int(at // FIVE_MINUTES) * FIVE_MINUTES, series)


class Store:
    """The tables, through the one connection that writes.  Methods raise sqlite3.Error."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._names: dict[str, int] = {}
        self._series: dict[Series, int] = {}
        self._marks: dict[str, float] = {}
        self._version = -1  # of the file, as other connections change it

    def write(self, batch: Batch) -> None:
        """Add a batch, all or nothing."""
        with self.changes():
            self.add(batch)

    @contextlib.contextmanager
    def changes(self) -> Iterator[None]:
        """Run the block in one transaction, in which `add` may be called."""
        try:
            with transaction(self.database):
                self._forget_if_changed()
                yield
        except BaseException:
            self.forget()
            raise

    def add(self, batch: Batch) -> None:
        """Add a batch within `changes`."""
        self._add_usage(batch.usage)
        self._add_readings(batch.readings)
        self._add_events(batch.events)

    def _add_readings(self, readings: Iterable[QuotaReading]) -> None:
        for at, account, axis, used, resets_at in readings:
            row = (int(at), self.name_id(account), self.name_id(axis), used, _whole(resets_at))
            self.database.execute("REPLACE INTO readings VALUES (?, ?, ?, ?, ?)", row)
            reopen_days(self, row[0])

    def _add_events(self, events: Iterable[Event]) -> None:
        for event in events:
            row = (event.at, *map(_stored, event[1:]))
            self.database.execute("INSERT INTO events (at, kind, account, text) VALUES (?, ?, ?, ?)", row)

    def _add_usage(self, usage: Mapping[RowKey, UsageTotals]) -> None:
        days: dict[RowKey, UsageTotals] = {}
        for key, totals in usage.items():
            self._add("usage", self._row_of(key), totals)
            day = RowKey(int(begin_of("day", key.begin)), key.series._replace(session="", agent=""))
            known = days.get(day)
            days[day] = totals if known is None else known.plus(totals)
        sums: dict[RowKey, UsageTotals] = {}
        for day, totals in days.items():
            self._add("days", (day.begin, self.series_id(day.series)), totals)
            key = RowKey(day.begin, day.series._replace(project="", client="", issue=""))
            known = sums.get(key)
            sums[key] = totals if known is None else known.plus(totals)
        for key, totals in sums.items():
            self._add("totals", (key.begin, self.series_id(key.series)), totals)

    def _add(self, table: str, key: tuple[int, ...], totals: UsageTotals) -> None:
        """Add to the row, or make it; in Python, because histograms are merged."""
        where = "begin = ? AND series = ?" + (" AND step = ?" if len(key) > 2 else "")
        found = self.database.execute(f"SELECT {COLUMNS} FROM {table} WHERE {where}", key).fetchone()
        values = values_of(totals if found is None else totals_of(found).plus(totals))
        keys = "begin, series" + (", step" if len(key) > 2 else "")
        marks = ", ".join("?" * (len(key) + len(values)))
        self.database.execute(f"REPLACE INTO {table} ({keys}, {COLUMNS}) VALUES ({marks})", (*key, *values))

    def series_id(self, series: Series) -> int:
        """Return the number of a series, made if it is new; within a transaction."""
        number = self._series.get(series)
        if number is None:
            columns, names = ", ".join(Series._fields), [self.name_id(text) for text in series]
            same = " AND ".join(f"{column} = ?" for column in Series._fields)
            found = self.database.execute(f"SELECT id FROM series WHERE {same}", names).fetchone()
            if found is None:
                marks = ", ".join("?" * len(names))
                made = self.database.execute(f"INSERT INTO series ({columns}) VALUES ({marks})", names)
                number = int(made.lastrowid or 0)
            else:
                number = int(found[0])
            if len(self._series) >= MAX_KNOWN:
                self._series.clear()
            self._series[series] = number
        return number

    def name_id(self, text: str) -> int:
        """Return the number of a name, made if it is new; within a transaction."""
        number = self._names.get(text)
        if number is None:
            stored = _stored(text)
            self.database.execute("INSERT OR IGNORE INTO names (text) VALUES (?)", (stored,))
            found = self.database.execute("SELECT id FROM names WHERE text = ?", (stored,)).fetchone()
            number = int(found[0])
            if len(self._names) >= MAX_KNOWN:
                self._names.clear()
            self._names[text] = number
        return number

    def forget(self) -> None:
        """Look every number up again: rows were removed, or a transaction was undone."""
        self._names.clear()
        self._series.clear()
        self._marks.clear()

    def mark(self, name: str) -> float:
        """Return how far upkeep has come in something, epoch seconds; 0 if it has not begun."""
        at = self._marks.get(name)
        if at is None:
            found = self.database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
            at = self._marks[name] = 0.0 if found is None else float(found[0])
        return at

    def set_mark(self, name: str, at: float) -> None:
        """Note how far upkeep has come; within a transaction."""
        self.database.execute("REPLACE INTO meta VALUES (?, ?)", (name, str(at)))
        self._marks[name] = at

    def _row_of(self, key: RowKey) -> tuple[int, int, int]:
        """Return begin, series and step of the row for a key: what is old goes where old rows are."""
        begin, step = key.begin, key.step
        if begin < self.mark("days_until"):
            begin, step = int(begin_of("day", begin)), DAY
        elif begin < self.mark("hours_until") and step < HOUR:
            begin, step = int(begin_of("hour", begin)), HOUR
        return begin, self.series_id(key.series), step

    def _forget_if_changed(self) -> None:
        (version,) = self.database.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self.forget()


def _whole(at: Optional[float]) -> Optional[int]:
    return None if at is None else round(at)


def _stored(text: str) -> str:
    """Return the text as SQLite takes it: a lone surrogate (of a file name, of a header) is none."""
    return text.encode("utf-8", "replace").decode("utf-8")
