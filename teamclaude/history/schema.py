"""The tables of the history file, and how an older file becomes a current one.

`PRAGMA user_version` is the number of migrations that a file has had.  A change of the tables is one more
entry of MIGRATIONS, never a changed one; `manual/history.md` describes the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .histogram import Histogram

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "APPLICATION_ID",
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "TOTALS_VERSION",
    "add_functions",
    "migrate",
    "transaction",
    "version_of",
]

APPLICATION_ID = 0x7443_4869  # `tCHi`: tells our file from another program's

_COUNTS = """
    requests INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0,
    cache_write_5m INTEGER NOT NULL DEFAULT 0,
    cache_write_1h INTEGER NOT NULL DEFAULT 0,
    unmeasured INTEGER NOT NULL DEFAULT 0,
    cost REAL NOT NULL DEFAULT 0,
    cost_estimated INTEGER NOT NULL DEFAULT 0,
    unpriced INTEGER NOT NULL DEFAULT 0,
    upstream_errors INTEGER NOT NULL DEFAULT 0,
    clients_gone INTEGER NOT NULL DEFAULT 0,
    held_out INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    failovers INTEGER NOT NULL DEFAULT 0,
    waits INTEGER NOT NULL DEFAULT 0,
    waited REAL NOT NULL DEFAULT 0,
    ttfb TEXT NOT NULL DEFAULT '',
    duration TEXT NOT NULL DEFAULT '',
    first_at INTEGER,
    last_at INTEGER,
"""

# Rows are small because each stands for one conversation in one step of time: names and the combinations of
# them are numbers.  `days` repeats `usage` by local day without conversations: reports of months read it.
_FIRST = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL, account INTEGER NOT NULL, model INTEGER NOT NULL,
    session INTEGER NOT NULL, agent INTEGER NOT NULL,
    project INTEGER NOT NULL, client INTEGER NOT NULL, issue INTEGER NOT NULL)""",
    # Those of `days` have no session and no agent: the other columns find them.
    "CREATE INDEX series_session ON series (session, agent, issue, account, model)",
    f"CREATE TABLE usage (begin INTEGER NOT NULL, series INTEGER NOT NULL, step INTEGER NOT NULL,{_COUNTS}"
    "PRIMARY KEY (begin, series, step)) WITHOUT ROWID",
    f"CREATE TABLE days (begin INTEGER NOT NULL, series INTEGER NOT NULL,{_COUNTS}"
    "PRIMARY KEY (begin, series)) WITHOUT ROWID",
    """CREATE TABLE readings (
    at INTEGER NOT NULL, account INTEGER NOT NULL, axis INTEGER NOT NULL,
    used REAL NOT NULL, resets_at INTEGER, PRIMARY KEY (at, account, axis)) WITHOUT ROWID""",
    """CREATE TABLE events (
    id INTEGER PRIMARY KEY, at REAL NOT NULL,
    kind TEXT NOT NULL, account TEXT NOT NULL, text TEXT NOT NULL)""",
    "CREATE INDEX events_at ON events (at)",
    # For people: the same with names instead of numbers.
    """CREATE VIEW usage_named AS SELECT u.begin, u.step, source.text AS source, account.text AS account,
    model.text AS model, session.text AS session, agent.text AS agent, project.text AS project,
    client.text AS client, issue.text AS issue, u.requests, u.input, u.output, u.cache_read,
    u.cache_write_5m, u.cache_write_1h, u.unmeasured, u.cost, u.cost_estimated, u.unpriced,
    u.upstream_errors, u.clients_gone, u.held_out, u.refused, u.failovers, u.waits, u.waited, u.ttfb,
    u.duration, u.first_at, u.last_at
    FROM usage u JOIN series s ON s.id = u.series
    JOIN names source ON source.id = s.source JOIN names account ON account.id = s.account
    JOIN names model ON model.id = s.model JOIN names session ON session.id = s.session
    JOIN names agent ON agent.id = s.agent JOIN names project ON project.id = s.project
    JOIN names client ON client.id = s.client JOIN names issue ON issue.id = s.issue""",
    """CREATE VIEW readings_named AS SELECT r.at, account.text AS account, axis.text AS axis,
    r.used, r.resets_at FROM readings r JOIN names account ON account.id = r.account
    JOIN names axis ON axis.id = r.axis""",
)

# The answers that were imported from transcripts, each by 63 bits of a hash of its ids.
_IMPORTED = ("CREATE TABLE imported (key INTEGER PRIMARY KEY)",)

# `totals` repeats `days` without projects, clients and issues: 15 rows a day instead of 240.  Upkeep fills
# `growth`.
_EMPTY = "(SELECT id FROM names WHERE text = '')"
_TOTALS = (
    f"CREATE TABLE totals (begin INTEGER NOT NULL, series INTEGER NOT NULL,{_COUNTS}"
    "PRIMARY KEY (begin, series)) WITHOUT ROWID",
    f"""INSERT INTO series (source, account, model, session, agent, project, client, issue)
    SELECT DISTINCT s.source, s.account, s.model, {_EMPTY}, {_EMPTY}, {_EMPTY}, {_EMPTY}, {_EMPTY}
    FROM days d JOIN series s ON s.id = d.series WHERE NOT EXISTS (
        SELECT 1 FROM series t WHERE t.session = {_EMPTY} AND t.agent = {_EMPTY} AND t.issue = {_EMPTY}
        AND t.account = s.account AND t.model = s.model AND t.source = s.source
        AND t.project = {_EMPTY} AND t.client = {_EMPTY})""",
    f"""INSERT INTO totals SELECT d.begin, t.id, sum(requests), sum(input), sum(output), sum(cache_read),
    sum(cache_write_5m), sum(cache_write_1h), sum(unmeasured), sum(cost), max(cost_estimated),
    sum(unpriced), sum(upstream_errors), sum(clients_gone), sum(held_out), sum(refused), sum(failovers),
    sum(waits), sum(waited), merged(ttfb), merged(duration), min(first_at), max(last_at)
    FROM days d JOIN series s ON s.id = d.series
    JOIN series t ON t.session = {_EMPTY} AND t.agent = {_EMPTY} AND t.issue = {_EMPTY}
        AND t.account = s.account AND t.model = s.model AND t.source = s.source
        AND t.project = {_EMPTY} AND t.client = {_EMPTY}
    GROUP BY d.begin, t.id""",
    """CREATE TABLE growth (
    begin INTEGER NOT NULL, account INTEGER NOT NULL, axis INTEGER NOT NULL,
    used REAL NOT NULL, PRIMARY KEY (begin, account, axis)) WITHOUT ROWID""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _IMPORTED, _TOTALS)
TOTALS_VERSION = 3  # that has `totals` and `growth`
SCHEMA_VERSION = len(MIGRATIONS)


def version_of(database: sqlite3.Connection) -> int:
    """Return how many migrations the file has had: 0 for a new one.  Raise sqlite3.Error."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one transaction that holds the file's write lock; undo it all when the block raises.

    The connection is in autocommit mode.  Raise sqlite3.Error, also when another process writes too long.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite itself undoes some
            database.execute("ROLLBACK")
        raise


def migrate(database: sqlite3.Connection) -> None:
    """Bring the tables up to date, all or nothing; raise sqlite3.Error.

    Another process may migrate at the same time.
    """
    if version_of(database) >= SCHEMA_VERSION:
        return
    add_functions(database)
    with transaction(database):
        for version in range(version_of(database), SCHEMA_VERSION):
            for statement in MIGRATIONS[version]:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {version + 1}")


def add_functions(database: sqlite3.Connection) -> None:
    """Define the SQL functions that migrations call."""
    database.create_aggregate("merged", 1, _Merged)  # type: ignore[arg-type]  # the stub wants an int


class _Merged:
    """The SQL function `merged`: the sum of the texts of histograms."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def step(self, text: str) -> None:
        """Add one."""
        self._texts.append(text)

    def finalize(self) -> str:
        """Return the sum's text."""
        return Histogram.from_text(" ".join(self._texts)).to_text()
