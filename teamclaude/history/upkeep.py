"""Keep the history file small: sum up older rows, delete what is too old or too much, give the space back.

Each piece is one short transaction with a pause after it: other processes may write in between, and the
interpreter is free for requests.  Being broken off anywhere loses nothing: the next call goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Callable, Optional

from .columns import COLUMNS, SUMS, totals_of, values_of
from .day_growth import finish_days
from .retention import Limits, excess_bytes, keep_at
from .rows import Series
from .steps import DAY, HOUR, begin_of, next_after
from .store import Store

if TYPE_CHECKING:
    import sqlite3

__all__ = ["upkeep", "used_bytes"]

VACUUM_PAGES = 256  # given back in one transaction
FREE_PAGES = 64  # that may stay: they are filled again


def upkeep(store: Store, limits: Limits, now: float, pause: Callable[[], bool]) -> None:
    """Do all that is due; `pause` is called after each piece and returns True to break off.

    Raise sqlite3.Error.
    """
    for _ in _pieces(store, limits, now):
        if pause():
            return


def _pieces(store: Store, limits: Limits, now: float) -> Iterator[None]:
    keep = keep_at(limits, now)
    yield from _sum_up(store, HOUR, "hour", "hours_until", keep.hours_until)
    yield from _sum_up(store, DAY, "day", "days_until", keep.days_until)
    yield from finish_days(store, begin_of("day", now))  # before the readings are thinned out
    yield from _thin_out_readings(store, "readings_until", keep.hours_until, HOUR)
    yield from _thin_out_readings(
        store, "day_readings_until", keep.days_until, 2 * DAY
    )  # a day may have 25 hours
    deleted = 0
    for rows in chain(_delete_before(store, keep.since), _shrink(store, limits)):
        deleted += rows
        yield
    if deleted:
        _drop_unused(store)
        yield
    yield from _give_back(store.database)


# --- summing up ---------------------------------------------------------------------------------


def _sum_up(store: Store, step: int, unit: str, mark: str, until: float) -> Iterator[None]:
    """Sum the rows before `until` up to rows of `step`; `mark` in `meta` says how far that has been done."""
    # A mark of the future is that of a clock which was wrong: new rows must not be taken for old ones.
    database, done = store.database, min(store.mark(mark), until)
    while True:
        found = database.execute(
            "SELECT min(begin) FROM usage WHERE begin >= ? AND begin < ? AND step < ?", (done, until, step)
        ).fetchone()[0]
        if found is None:
            break
        begin = begin_of(unit, found)
        done = next_after(unit, begin)
        with store.changes():
            _merge(database, int(begin), int(done), step)
            store.set_mark(mark, done)
        yield
    if until != store.mark(mark):
        with store.changes():
            store.set_mark(mark, until)


def _merge(database: sqlite3.Connection, begin: int, end: int, step: int) -> None:
    """Replace the rows that begin in [begin, end) by one of `step` for each series."""
    span = "begin >= ? AND begin < ? AND step <= ?"
    rows = database.execute(
        f"SELECT series, {SUMS} FROM usage WHERE {span} GROUP BY series", (begin, end, step)
    ).fetchall()
    database.execute(f"DELETE FROM usage WHERE {span}", (begin, end, step))
    summed = [(begin, series, step, *values_of(totals_of(values))) for series, *values in rows]
    if summed:
        marks = ", ".join("?" * len(summed[0]))
        database.executemany(f"INSERT INTO usage (begin, series, step, {COLUMNS}) VALUES ({marks})", summed)


def _thin_out_readings(store: Store, mark: str, until: float, per_sec: int) -> Iterator[None]:
    """Keep of the readings before `until` the last of each window, reset and `per_sec` seconds, day by day.

    `mark` in `meta` says how far that has been done.
    """
    database, next_sql = store.database, "SELECT min(at) FROM readings WHERE at >= ?"
    first = database.execute(next_sql, (min(store.mark(mark), until),)).fetchone()[0]
    while first is not None and first < until:
        begin = begin_of("day", first)
        end = next_after("day", begin)
        with store.changes():
            span = "at >= ? AND at < ?"
            # Resets jitter by seconds: to the minute they are the same.
            database.execute(
                f"DELETE FROM readings WHERE {span} AND (at, account, axis) NOT IN "
                f"(SELECT max(at), account, axis FROM readings WHERE {span} "
                f"GROUP BY account, axis, (resets_at + 30) / 60, (at - ?) / {per_sec})",
                (begin, end, begin, end, int(begin)),
            )
            store.set_mark(mark, end)
        yield
        first = database.execute(next_sql, (end,)).fetchone()[0]


# --- deleting -----------------------------------------------------------------------------------

_WINDOW = ("account", "axis")
_DETAILS = (("usage", "begin"), ("readings", "at"), ("events", "at"))
_DAYS = (("days", "begin"), ("totals", "begin"), ("growth", "begin"))  # these agree at any time


def used_bytes(database: sqlite3.Connection) -> int:
    """Return how much of the file is in use, without what is free inside of it."""
    size, pages, free = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return int(size * (pages - free))


def _delete_before(store: Store, before: Optional[float]) -> Iterator[int]:
    """Delete what is older, day by day; yield the number of rows deleted in each piece."""
    for tables in (*((table,) for table in _DETAILS), _DAYS):
        while before is not None:
            first = _oldest(store.database, tables)
            if first is None or first >= before:
                break
            yield _delete_day(store, tables, first, before)


def _shrink(store: Store, limits: Limits) -> Iterator[int]:
    """Delete the oldest days until the rest fits; yield the number of rows deleted in each piece."""
    used = used_bytes(store.database)
    target = used - excess_bytes(limits, used)
    while used_bytes(store.database) > target:
        tables = _DETAILS if _oldest(store.database, _DETAILS) is not None else _DAYS
        first = _oldest(store.database, tables)
        if first is None:
            return
        yield _delete_day(store, tables, first)


def _oldest(database: sqlite3.Connection, tables: Iterable[tuple[str, str]]) -> Optional[float]:
    found = [database.execute(f"SELECT min({column}) FROM {table}").fetchone()[0] for table, column in tables]
    return min((at for at in found if at is not None), default=None)


def _delete_day(
    store: Store, tables: Iterable[tuple[str, str]], first: float, before: float = math.inf
) -> int:
    """Delete the rows of the day that `first` is in, as far as they are older than `before`."""
    end = min(before, next_after("day", begin_of("day", first)))
    with store.changes():
        return sum(
            store.database.execute(f"DELETE FROM {table} WHERE {column} < ?", (end,)).rowcount
            for table, column in tables
        )


def _drop_unused(store: Store) -> None:
    """Delete the series and names of no row."""
    with store.changes():
        store.database.execute(
            "DELETE FROM series WHERE id NOT IN (SELECT series FROM usage) "
            "AND id NOT IN (SELECT series FROM days) AND id NOT IN (SELECT series FROM totals)"
        )
        used = " UNION ".join(
            [
                *(f"SELECT {name} FROM series" for name in Series._fields),
                *(f"SELECT {name} FROM {table}" for table in ("readings", "growth") for name in _WINDOW),
            ]
        )
        store.database.execute(f"DELETE FROM names WHERE id NOT IN ({used})")
        store.forget()


def _give_back(database: sqlite3.Connection) -> Iterator[None]:
    """Cut the free pages off the file."""
    while database.execute("PRAGMA freelist_count").fetchone()[0] > FREE_PAGES:
        before = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        yield
        if database.execute("PRAGMA page_count").fetchone()[0] >= before:
            break
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
