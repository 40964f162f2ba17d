"""The tables and their migrations."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from teamclaude.errors import HistoryError
from teamclaude.history import schema
from teamclaude.history.columns import COLUMNS
from teamclaude.history.database import open_to_write
from teamclaude.history.reader import HistoryReader
from teamclaude.history.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    SCHEMA_VERSION,
    add_functions,
    migrate,
    version_of,
)
from teamclaude.history.store import Store

from .conftest import NOON, batch_of, facts, fill

MANUAL = Path(__file__).resolve().parents[2] / "teamclaude" / "manual" / "history.md"


def made(migrations: int) -> sqlite3.Connection:
    """Return a file in memory as a version with so many migrations made it."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    add_functions(database)
    for statements in MIGRATIONS[:migrations]:
        for statement in statements:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {migrations}")
    return database


def tables(database: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@pytest.mark.parametrize("version", range(SCHEMA_VERSION + 1))
def test_every_older_version_becomes_the_current_one(version: int) -> None:
    database = made(version)
    migrate(database)
    assert version_of(database) == SCHEMA_VERSION
    assert tables(database) == tables(made(SCHEMA_VERSION))
    assert database.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_what_an_older_file_has_is_kept_by_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path / "x.history.db", [facts(tokens=5)])
    later = "ALTER TABLE usage ADD COLUMN later INTEGER NOT NULL DEFAULT 7"
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, (later,)))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    database = sqlite3.connect(path, isolation_level=None)
    migrate(database)
    assert database.execute("SELECT input, later FROM usage").fetchall() == [(5, 7)]
    assert version_of(database) == SCHEMA_VERSION + 1
    Store(database).write(batch_of([facts(tokens=6)]))
    assert database.execute("SELECT input FROM usage").fetchall() == [(11,)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*MIGRATIONS, ("ALTER TABLE usage ADD COLUMN later INTEGER", "no SQL"))
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    database = made(SCHEMA_VERSION)
    before = tables(database)
    with pytest.raises(sqlite3.OperationalError):
        migrate(database)
    assert (version_of(database), tables(database)) == (SCHEMA_VERSION, before)


def test_a_file_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "x.history.db"
    path.touch()
    database = open_to_write(str(path), pytest.fail, lambda: NOON)
    assert version_of(database) == SCHEMA_VERSION
    database.close()


def test_a_reader_of_a_file_without_a_column_says_whose_it_is(tmp_path: Path) -> None:
    path = fill(tmp_path / "x.history.db", [facts()])
    with sqlite3.connect(path) as database:
        database.execute("DROP VIEW usage_named")
        database.execute("DROP TABLE days")
    database.close()
    with pytest.raises(HistoryError, match="a newer version of teamclaude wrote it"):
        HistoryReader(str(path)).usage()


def test_the_manual_names_every_table_and_column() -> None:
    text = MANUAL.read_text("utf-8")
    names = set(re.findall(r"[a-z]\w+", text))
    database = made(SCHEMA_VERSION)
    listed = {
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    }
    columns = {row[1] for table in listed for row in database.execute(f"PRAGMA table_info({table})")}
    inner = {"id", "key", "name", "text", "value"}
    assert (listed | columns) - inner - names == set()
    assert set(COLUMNS.split(", ")) <= names


@pytest.mark.parametrize("example", re.findall(r"^    SELECT .*?;$", MANUAL.read_text("utf-8"), re.M | re.S))
def test_every_example_of_the_manual_is_good_sql(example: str) -> None:
    made(SCHEMA_VERSION).execute(example)
