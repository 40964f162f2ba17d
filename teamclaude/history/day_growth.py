"""What was used of the windows, by day and account, in the table `growth`: so that old readings are not read.

A row is the growth in the readings of one local day, as they were before they were thinned out; a day
without growth has none.  The mark GROWTH_UNTIL in `meta` says up to when the days have been finished: what
comes later is in the readings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from .growth import Growth, growth_of
from .steps import DAY, begin_of, next_after

if TYPE_CHECKING:
    import sqlite3

    from .store import Store

__all__ = ["GROWTH_UNTIL", "finish_days", "growth_between", "reopen_days"]

GROWTH_UNTIL = "growth_until"
_Sums = dict[tuple[Optional[float], int, int], float]  # as `growth_of` returns them


# --- writing ------------------------------------------------------------------------------------


def finish_days(store: Store, until: float) -> Iterator[None]:
    """Write the growth of the days before `until`, one in each piece; raise sqlite3.Error."""
    while store.mark(GROWTH_UNTIL) < until:
        with store.changes():
            done = store.mark(GROWTH_UNTIL)  # another process may have written since
            store.set_mark(GROWTH_UNTIL, _finish_day(store.database, done, until))
        yield


def _finish_day(database: sqlite3.Connection, done: float, until: float) -> float:
    """Write the growth of the first day with readings since `done`; return up to when all is finished."""
    sql = "SELECT min(at) FROM readings WHERE at >= ? AND at < ?"
    (first,) = database.execute(sql, (done, until)).fetchone()
    if first is None:
        return max(done, until)
    begin = begin_of("day", first)
    end = next_after("day", begin)
    # After a change of the time zone a part of the day may have been finished with the one before.
    for (_, account, axis), used in _read(database, max(begin, done), end).items():
        key = (int(begin), account, axis)
        known = "SELECT used FROM growth WHERE begin = ? AND account = ? AND axis = ?"
        found = database.execute(known, key).fetchone()
        database.execute(
            "REPLACE INTO growth VALUES (?, ?, ?, ?)", (*key, used + (found[0] if found else 0.0))
        )
    return end


def reopen_days(store: Store, at: float) -> None:
    """Have the days from that of a reading on finished again, if it comes late; within a transaction."""
    if at < store.mark(GROWTH_UNTIL):
        begin = begin_of("day", at)
        store.database.execute("DELETE FROM growth WHERE begin >= ?", (begin,))
        store.set_mark(GROWTH_UNTIL, begin)


# --- reading ------------------------------------------------------------------------------------


def growth_between(
    database: sqlite3.Connection,
    axes: Mapping[int, str],
    since: Optional[float],
    until: Optional[float],
    step: Optional[str],
) -> list[Growth]:
    """Return the growth in [since, until) by account and axis, and by step of time if one is named.

    `axes` has the texts of their numbers.  Raise sqlite3.Error.
    """
    begin, end = -1e18 if since is None else since, 1e18 if until is None else until
    first, last = _finished(database, since, until) if step != "hour" else (begin, begin)
    if first < last:
        sums = _read(database, begin, first, step, tuple(axes))
        _add(sums, _of_days(database, first, last, step, tuple(axes)))
        _add(sums, _read(database, last, end, step, tuple(axes)).items())
    else:
        sums = _read(database, begin, end, step, tuple(axes))
    texts = dict(axes)
    for account in {account for _, account, _ in sums}:
        texts.update(database.execute("SELECT id, text FROM names WHERE id = ?", (account,)))
    grown = [Growth(key[0], texts[key[1]], texts[key[2]], used) for key, used in sums.items()]
    return sorted(grown, key=lambda each: (each.begin or 0.0, each.account, each.axis))


def _finished(
    database: sqlite3.Connection, since: Optional[float], until: Optional[float]
) -> tuple[float, float]:
    """Return begin and end of the whole days that have been finished."""
    found = database.execute("SELECT value FROM meta WHERE name = ?", (GROWTH_UNTIL,)).fetchone()
    first = -1e18
    last = first if found is None else float(found[0])
    if since is not None:
        first = begin_of("day", since)
        first = next_after("day", first) if first < since else first
    return first, last if until is None or until >= last else begin_of("day", until)


def _of_days(
    database: sqlite3.Connection, first: float, last: float, step: Optional[str], axes: Sequence[int]
) -> Iterator[tuple[tuple[Optional[float], int, int], float]]:
    """Yield what the days from `first` to `last` grew: a day counts in the step that its middle is in."""
    begin: Optional[float] = None
    end, half = -1e18, DAY // 2
    span = f"begin >= ? AND begin < ? AND {_one_of(axes)}"
    sql = f"SELECT begin, account, axis, used FROM growth WHERE {span} ORDER BY begin"
    for day, account, axis, used in database.execute(sql, (first - half, last - half, *axes)):
        if step is not None and day + half >= end:
            begin = begin_of(step, day + half)
            end = next_after(step, begin)
        yield (begin, account, axis), used


def _add(sums: _Sums, grown: Iterable[tuple[tuple[Optional[float], int, int], float]]) -> None:
    for key, used in grown:
        sums[key] = sums.get(key, 0.0) + used


# --- from the readings --------------------------------------------------------------------------


def _read(
    database: sqlite3.Connection,
    begin: float,
    end: float,
    step: Optional[str] = None,
    axes: Optional[Sequence[int]] = None,
) -> _Sums:
    """Return the growth in the readings of [begin, end), of all axes or of these."""
    if begin >= end:
        return {}
    kept, values = ("", ()) if axes is None else (f"AND {_one_of(axes)} ", axes)
    sql = (
        f"SELECT at, account, axis, used, resets_at FROM readings WHERE at >= ? AND at < ? {kept}ORDER BY at"
    )
    readings = database.execute(sql, (begin, end, *values)).fetchall()
    sql = (
        "SELECT at, account, axis, used, resets_at FROM readings "
        "WHERE at < ? AND account = ? AND axis = ? ORDER BY at DESC LIMIT 1"
    )
    windows = {(account, axis) for _, account, axis, _, _ in readings}
    before = [row for window in windows for row in database.execute(sql, (begin, *window))]
    return growth_of(before, readings, step)


def _one_of(axes: Sequence[int]) -> str:
    return f"axis IN ({', '.join('?' * len(axes))})"
