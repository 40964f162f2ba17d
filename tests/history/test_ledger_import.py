"""What older versions kept in the state file comes into the history once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.history.database import open_to_write
from teamclaude.history.issue_totals import stored_totals
from teamclaude.history.ledger_import import import_ledger
from teamclaude.history.reader import HistoryReader
from teamclaude.history.store import Store
from teamclaude.routing.quota.usage import Usage

from .conftest import NOON, assert_totals_agree

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = open_to_write(str(tmp_path / "x.history.db"), pytest.fail, lambda: NOON)
    yield Store(database)
    database.close()


def row(**parts: Any) -> dict[str, Any]:
    """Return a row as version 0.9 wrote it."""
    return {
        "conversation": "s1/a1",
        "issue": "ENG-1",
        "account": "alice",
        "day": int(NOON // DAY),
        "requests": 3,
        "usage": [1, 2, 3, 4, 5, 1],
        "cost": 0.25,
        "unpricedTokens": 7,
        "costEstimated": True,
        "models": {"claude-haiku-4-5": 5, "claude-opus-4-8": 10},
        "firstSeen": NOON - 3600.5,
        "lastSeen": NOON - 60.5,
        **parts,
    }


def state(*rows: Any, saved_at: float = NOON) -> dict[str, Any]:
    return {"version": 1, "savedAt": saved_at, "ledger": list(rows)}


def tokens(store: Store) -> int:
    found = store.database.execute("SELECT coalesce(sum(input), 0) FROM usage").fetchone()[0]
    assert found == store.database.execute("SELECT coalesce(sum(input), 0) FROM days").fetchone()[0]
    assert_totals_agree(store.database)
    return int(found)


def test_a_row_comes_with_all_it_has(store: Store, tmp_path: Path) -> None:
    assert import_ledger(store, state(row())) == 1
    by = ("account", "model", "conversation", "session", "issue", "source")
    (found,) = HistoryReader(str(tmp_path / "x.history.db")).usage(by)
    assert found.key == ("alice", "claude-opus-4-8", "s1/a1", "s1", "ENG-1", "proxy")
    totals = found.totals
    assert (totals.requests, totals.usage, totals.cost) == (3, Usage(1, 2, 3, 4, 5, 1), 0.25)
    assert (totals.unpriced_tokens, totals.cost_estimated) == (7, True)
    assert (totals.first_at, totals.last_at) == (int(NOON - 3600.5), int(NOON - 60.5))
    ((issue, conversation, loaded),) = stored_totals(store.database, NOON - DAY)
    assert (issue, conversation, loaded.requests) == ("ENG-1", "s1/a1", 3)


def test_it_is_taken_once(store: Store) -> None:
    assert [import_ledger(store, state(row())) for _ in range(3)] == [1, 0, 0]
    assert tokens(store) == 1


def test_rows_that_an_older_version_made_later_are_taken_too(store: Store) -> None:
    import_ledger(store, state(row()))
    later = row(firstSeen=NOON + 60, lastSeen=NOON + 120, usage=[10])
    assert import_ledger(store, state(row(), later, saved_at=NOON + 200)) == 1
    assert tokens(store) == 11


def test_an_import_that_fails_is_repeated_as_a_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Store.add

    def full(self: Store, batch: Any) -> None:
        add(self, batch)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(sqlite3.OperationalError):
        import_ledger(store, state(row()))
    monkeypatch.undo()
    assert tokens(store) == 0
    assert import_ledger(store, state(row())) == 1
    assert tokens(store) == 1


@pytest.mark.parametrize(
    "ledger",
    [None, 5, "x", {}, [5], [None], [{}], [row(account="")], [row(lastSeen="x")], [row(lastSeen=1e300)]],
)
def test_what_can_t_be_read_is_left_out(store: Store, ledger: Any) -> None:
    assert import_ledger(store, {"ledger": ledger, "savedAt": "x"}) == 0
    assert import_ledger(store, state(row(), saved_at=NOON + 1)) == 1


@pytest.mark.parametrize(
    "strange",
    [
        {"requests": 10**30},
        {"usage": [10**30]},
        {"firstSeen": -1e300},
        {"firstSeen": 1e300},
        {"unpricedTokens": 10**30},
        {"account": "\ud800"},
        {"conversation": "x" * 10_000},
        {"models": {}},
        {"models": [1]},
        {"usage": "x", "cost": "x"},
    ],
    ids=str,
)
def test_strange_values_do_not_stop_the_import(store: Store, strange: dict[str, Any]) -> None:
    assert import_ledger(store, state(row(**strange), row(account="bob"))) == 2


def test_rows_of_one_day_and_series_are_one(store: Store) -> None:
    assert import_ledger(store, state(row(), row(day=1))) == 2
    assert store.database.execute("SELECT count(*), sum(requests) FROM usage").fetchone() == (1, 6)
