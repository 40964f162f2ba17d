"""Read the history file: usage by whatever tells it apart, quota readings, events.

Rules that hold in this file:

1. Any process may read while the server writes; nothing is ever changed.  A reader belongs to one thread.
2. Only HistoryError is raised, with one line that says what to do.
3. Steps are those of local time.  A row counts in the step that the middle of its own time is in: older rows
   are of an hour or a day, as of the time zone in which they were written.
4. Whole days are read from the smallest table that tells apart what is asked for: `totals`, then `days`.
   Conversations, hours and parts of days are read from `usage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Optional, TypeVar

from ..errors import HistoryError
from ..values import NamedTuple
from .columns import QUICK_SUMS, SUMS, totals_of
from .database import damage_text, is_damage, open_to_read
from .day_growth import growth_between
from .growth import Growth
from .rows import DIMENSIONS, STEPS, TRANSCRIPTS, Event, QuotaReading, UsageRow, UsageTotals
from .schema import TOTALS_VERSION, version_of
from .steps import DAY, HOUR, begin_of, next_after, steps_between

__all__ = ["HistoryReader", "Span"]

T = TypeVar("T")

_OF_CONVERSATIONS = frozenset(("conversation", "session"))
_OF_TOTALS = frozenset(("source", "account", "model"))
# Each dimension as SQL: the columns of `series` with the numbers of its names, and its text.
_COLUMNS: dict[str, tuple[str, ...]] = {name: (name,) for name in DIMENSIONS if name != "conversation"}
_COLUMNS["conversation"] = ("session", "agent")
_TEXTS = {name: f"(SELECT text FROM names WHERE id = s.{name})" for name in DIMENSIONS}
_TEXTS["conversation"] = (
    "(SELECT CASE a.text WHEN '' THEN o.text ELSE o.text || '/' || a.text END "
    "FROM names o, names a WHERE o.id = s.session AND a.id = s.agent)"
)


class Span(NamedTuple):
    """From when to when there is usage."""

    since: float
    until: float


class HistoryReader:
    """The history file at `path`, open for reading until `close` or the end of a `with` block."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._database = open_to_read(path)

    def __enter__(self) -> HistoryReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- usage ------------------------------------------------------------------------------------

    def usage(
        self,
        by: Sequence[str] = (),
        since: Optional[float] = None,
        until: Optional[float] = None,
        step: Optional[str] = None,
        where: Mapping[str, str] = {},
        durations: bool = True,
    ) -> list[UsageRow]:
        """Return the usage in [since, until) for each group of `by`, and each step of time if one is named.

        `where` keeps what has these values.  Without `durations` their histograms are empty: reading them
        takes longer than all the rest.  Both ends are moved out to the rows' own steps: 5 minutes for
        the last days, hours and then days for what is older.  Rows come in the order of time, the largest
        number of tokens first; steps without usage are left out.
        """
        unknown = [name for name in (*by, *where) if name not in DIMENSIONS]
        if unknown or step not in (None, *STEPS):
            what = f"the step {step!r}" if not unknown else repr(unknown[0])
            raise HistoryError(f"usage has no {what}: it has {', '.join((*DIMENSIONS, *STEPS))}")
        span = self.span()
        if span is None:
            return []
        begin, end = begin_of("day", span.since), next_after("day", begin_of("day", span.until))
        begin = begin if since is None else max(since, begin)
        end = end if until is None else min(until, end)
        return self._guarded(lambda: list(self._usage(tuple(by), begin, end, step, where, durations)))

    def _usage(
        self,
        by: Sequence[str],
        since: float,
        until: float,
        step: Optional[str],
        where: Mapping[str, str],
        durations: bool,
    ) -> Iterator[UsageRow]:
        of_days = self._table_of_days({*by, *where}, step)
        values, counted = _values(where), SUMS if durations else QUICK_SUMS
        pieces: Iterable[tuple[float, float]] = ((since, until),)
        if step is not None:
            pieces = ((max(a, since), min(b, until)) for a, b in steps_between(step, since, until))
        for begin, end in pieces:
            sums: dict[tuple[str, ...], UsageTotals] = {}
            for table, first, last in _parts(of_days, begin, end) if of_days else [("usage", begin, end)]:
                sql = _usage_sql(by, where, table, step, counted)
                for row in self._database.execute(sql, {"begin": first, "end": last, **values}):
                    if row[-1] is not None:  # else it is the sum of no rows
                        key, totals = tuple(row[: len(by)]), totals_of(row[len(by) :])
                        sums[key] = sums[key].plus(totals) if key in sums else totals
            shown = None if step is None else begin_of(step, begin)
            rows = [UsageRow(key, shown, totals) for key, totals in sums.items()]
            yield from sorted(rows, key=lambda row: (-row.totals.usage.total, row.key))

    def _table_of_days(self, names: Set[str], step: Optional[str]) -> str:
        """Return the table for whole days; empty: there is none for this."""
        if step == "hour" or names & _OF_CONVERSATIONS:
            return ""
        # A file that no newer server has opened yet lacks `totals`.
        return "totals" if names <= _OF_TOTALS and version_of(self._database) >= TOTALS_VERSION else "days"

    # --- the rest ---------------------------------------------------------------------------------

    def quota(
        self,
        since: Optional[float] = None,
        until: Optional[float] = None,
        account: Optional[str] = None,
        axis: Optional[str] = None,
    ) -> list[QuotaReading]:
        """Return the readings in [since, until) in the order of time."""
        sql = (
            "SELECT r.at, a.text, x.text, r.used, r.resets_at FROM readings r "
            "JOIN names a ON a.id = r.account JOIN names x ON x.id = r.axis "
            "WHERE r.at >= :since AND r.at < :until "
            "AND (:account IS NULL OR a.text = :account) AND (:axis IS NULL OR x.text = :axis) ORDER BY r.at"
        )
        values = {"since": _from(since), "until": _to(until), "account": account, "axis": axis}
        return [QuotaReading(*row) for row in self._rows(sql, values)]

    def burned_by_hour(self, since: float, until: float) -> list[tuple[float, float]]:
        """Return the tokens that the server's accounts burned by the hour: (begin, tokens), in order.

        One query, whatever the time.  Hours are whole ones of local time within [since, until); those without
        a request are left out, and so is what is kept by the day only.
        """
        first, last = begin_of("hour", since + HOUR - 1), begin_of("hour", until)
        sql = (
            "SELECT begin - (begin - :shift) % :hour AS at, "
            "sum(input + output + cache_write_5m + cache_write_1h) FROM usage "
            "WHERE begin >= :since AND begin < :until AND step <= :hour AND series NOT IN "
            "(SELECT id FROM series WHERE source = (SELECT id FROM names WHERE text = :imported)) "
            "GROUP BY at ORDER BY at"
        )
        values = {"shift": int(last) % HOUR, "hour": HOUR, "since": first, "until": last}
        rows = self._rows(sql, {**values, "imported": TRANSCRIPTS})
        return [(float(begin), float(tokens)) for begin, tokens in rows]

    def has_imports(self) -> bool:
        """Return whether anything is from transcripts."""
        # Without such a name nothing is looked at: a year has 270,000 series.
        sql = "SELECT 1 FROM names JOIN series ON series.source = names.id WHERE names.text = ? LIMIT 1"
        return bool(self._rows(sql, (TRANSCRIPTS,)))

    def window_growth(
        self,
        axes: Sequence[str],
        since: Optional[float] = None,
        until: Optional[float] = None,
        step: Optional[str] = None,
    ) -> list[Growth]:
        """Return how much of the windows of these axes each account used, in each step if one is named."""
        marks = ", ".join("?" * len(axes))
        numbers = dict(self._rows(f"SELECT id, text FROM names WHERE text IN ({marks})", axes))

        def read() -> list[Growth]:
            self._database.execute("BEGIN")  # one state of the file: a late reading undoes finished days
            try:
                return growth_between(self._database, numbers, since, until, step)
            finally:
                self._database.execute("COMMIT")

        return self._guarded(read)

    def events(
        self, since: Optional[float] = None, until: Optional[float] = None, kinds: Sequence[str] = ()
    ) -> list[Event]:
        """Return the events in [since, until) in the order of time; of these kinds, if some are named."""
        marks = ", ".join(f":k{place}" for place in range(len(kinds)))
        sql = (
            "SELECT at, kind, account, text FROM events WHERE at >= :since AND at < :until "
            + (f"AND kind IN ({marks}) " if kinds else "")
            + "ORDER BY at, id"
        )
        named = {f"k{place}": kind for place, kind in enumerate(kinds)}
        return [Event(*row) for row in self._rows(sql, {"since": _from(since), "until": _to(until), **named})]

    def span(self) -> Optional[Span]:
        """Return from when to when there is usage; None without any."""
        ends = "(SELECT min(begin) FROM days)", "(SELECT max(begin) FROM days)"
        ((first, last),) = self._rows(
            f"SELECT (SELECT min(first_at) FROM days WHERE begin = {ends[0]}), "
            f"(SELECT max(last_at) FROM days WHERE begin = {ends[1]})"
        )
        return None if first is None or last is None else Span(float(first), float(last))

    def _rows(self, sql: str, values: Any = ()) -> list[Any]:
        return self._guarded(lambda: self._database.execute(sql, values).fetchall())

    def _guarded(self, read: Callable[[], T]) -> T:
        import sqlite3

        try:
            return read()
        except sqlite3.OperationalError as error:
            what = str(error)
            newer = "no such" in what
            hint = "a newer version of teamclaude wrote it: read it with that one" if newer else what
            raise HistoryError(f"the history file {self.path} can't be read ({hint})") from None
        except sqlite3.DatabaseError as error:
            text = damage_text(self.path, error) if is_damage(error) else f"{self.path}: {error}"
            raise HistoryError(text) from None


def _usage_sql(
    by: Sequence[str], where: Mapping[str, str], table: str, step: Optional[str], counted: str
) -> str:
    """Return the query for one piece of time, with the parameters begin, end, w0, w1, ..."""
    if table != "usage":
        span = f"u.begin >= :begin - {DAY // 2} AND u.begin < :end - {DAY // 2}"
    elif step == "hour":
        span = "u.begin >= :begin AND u.begin < :end"
    else:
        middle = "u.begin + u.step / 2"
        span = f"u.begin >= :begin - {DAY} AND u.begin < :end AND {middle} >= :begin AND {middle} < :end"
    columns = [column for name in where for column in _COLUMNS[name]]
    kept = "".join(
        f" AND s.{column} = (SELECT id FROM names WHERE text = :w{place})"
        for place, column in enumerate(columns)
    )
    shown = "".join(f"{_TEXTS[name]}, " for name in by)
    grouped = ", ".join(f"s.{column}" for name in by for column in _COLUMNS[name])
    # To look up the series of every row takes as long as all the sums.
    source = f"{table} u JOIN series s ON s.id = u.series" if by or where else f"{table} u"
    return f"SELECT {shown}{counted} FROM {source} WHERE {span}{kept}" + (
        f" GROUP BY {grouped}" if grouped else ""
    )


def _values(where: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters w0, w1, ... of `_usage_sql`."""
    texts: list[str] = []
    for name, value in where.items():
        session, _, agent = value.partition("/")
        texts += [session, agent] if name == "conversation" else [value]
    return {f"w{place}": text for place, text in enumerate(texts)}


def _parts(of_days: str, begin: float, end: float) -> Iterator[tuple[str, float, float]]:
    """Yield the table for each part of a time: `of_days` for its whole days, `usage` for what is around."""
    first, last = begin_of("day", begin), begin_of("day", end)
    if first < begin:
        first = next_after("day", first)
    if first >= last:
        yield "usage", begin, end
        return
    if begin < first:
        yield "usage", begin, first
    yield of_days, first, last
    if last < end:
        yield "usage", last, end


def _from(at: Optional[float]) -> float:
    return -1e18 if at is None else at


def _to(at: Optional[float]) -> float:
    return 1e18 if at is None else at
