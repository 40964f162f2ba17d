"""Transcripts are counted in the history: once, and only what the proxy did not count itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.errors import HistoryError
from teamclaude.history import schema
from teamclaude.history.database import open_to_write
from teamclaude.history.reader import HistoryReader
from teamclaude.history.rows import TRANSCRIPTS, Event
from teamclaude.history.store import Store
from teamclaude.history.transcripts import importing
from teamclaude.history.transcripts.importing import (
    MARGIN_SEC,
    ImportCounts,
    default_directories,
    import_answers,
)
from teamclaude.routing.quota.model_prices import PriceTable
from teamclaude.routing.quota.usage import Usage
from tests.history.conftest import assert_totals_agree, facts, fill
from tests.history.transcripts.support import SESSION, answer, tokens, write

TEN = 1793527200.0  # of the entries, 2026-11-01 10:00 UTC
NOW = TEN + 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.history.db"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".claude"


def run(path: Path, *homes: Path, days: float = 400.0, shown: Optional[list[int]] = None) -> ImportCounts:
    progress = (lambda counts: None) if shown is None else (lambda counts: shown.append(counts.counted))
    return import_answers(
        str(path), [str(home) for home in homes], PriceTable({}), days, lambda: NOW, pytest.fail, progress
    )


def transcript(home: Path, *entries: Any, name: str = SESSION) -> Path:
    return write(home / "projects" / "-home-ann-work-site" / f"{name}.jsonl", *entries)


def usage(path: Path, *by: str) -> dict[tuple[str, ...], tuple[int, int]]:
    """Requests and tokens of each group."""
    with closing(sqlite3.connect(path)) as database:
        assert_totals_agree(database)
    with HistoryReader(str(path)) as reader:
        rows = reader.usage(by)
    return {row.key: (row.totals.requests, row.totals.usage.total) for row in rows}


def test_an_answer_is_counted_with_its_model_session_and_project(path: Path, home: Path) -> None:
    transcript(
        home, answer(usage=tokens(1_000_000, 0, 0, 0, 0)), answer("2", agentId="a1", usage=tokens(1, 1))
    )
    counts = run(path, home)
    assert (counts.counted, counts.files, counts.broken) == (2, 1, 0)
    by = ("source", "account", "model", "conversation", "project", "client", "issue")
    assert usage(path, *by) == {
        (TRANSCRIPTS, "", "claude-opus-5-5", SESSION, "site", "", ""): (1, 1_000_000),
        (TRANSCRIPTS, "", "claude-opus-5-5", f"{SESSION}/a1", "site", "", ""): (1, 2),
    }
    assert counts.cost == pytest.approx(4.000024)
    assert counts.usage == Usage(1_000_001, 1)
    assert (counts.first_at, counts.last_at) == (TEN, TEN)


def test_a_model_without_a_price_is_counted_as_such(path: Path, home: Path) -> None:
    transcript(home, answer(message={"model": "mystery-1"}), answer("2", message={"model": "claude-opus-9"}))
    counts = run(path, home)
    assert (counts.unpriced_tokens, counts.cost_estimated) == (30, True)
    with HistoryReader(str(path)) as reader:
        (row,) = reader.usage()
    assert (row.totals.unpriced_tokens, row.totals.cost_estimated) == (30, True)


def test_a_second_import_adds_nothing_and_then_only_what_is_new(path: Path, home: Path) -> None:
    transcript(home, answer("1"), answer("2"))
    run(path, home)
    before = usage(path, "session")
    counts = run(path, home)
    assert (counts.counted, counts.known) == (0, 2)
    assert usage(path, "session") == before
    transcript(home, answer("1"), answer("2"), answer("3"))
    assert run(path, home).counted == 1
    assert usage(path) == {(): (3, 90)}


def test_copies_in_other_files_and_folders_are_the_same_answer(
    path: Path, home: Path, tmp_path: Path
) -> None:
    os.utime(transcript(home, answer("1"), answer("2")), (1000, 1000))
    transcript(home, answer("1", sessionId="fork"), answer("3", sessionId="fork"), name="fork")
    backup = tmp_path / "backup"
    transcript(backup, answer("1"), answer("2"))
    assert run(path, home, backup).counted == 3
    assert usage(path, "session") == {(SESSION,): (2, 60), ("fork",): (1, 30)}


def test_what_the_proxy_counted_itself_is_not_taken(path: Path, home: Path) -> None:
    fill(path, [facts(TEN + MARGIN_SEC), facts(TEN + 7 * 86400)])
    transcript(
        home, answer("1", at="2026-11-01T09:59:59.000Z"), answer("2"), answer("3", at="2026-11-05T00:00:00Z")
    )
    counts = run(path, home)
    assert (counts.counted, counts.served, counts.proxy_since) == (1, 2, TEN)
    assert usage(path, "source") == {("proxy",): (2, 200), (TRANSCRIPTS,): (1, 30)}


def test_without_a_request_a_servers_start_is_the_limit(path: Path, home: Path) -> None:
    fill(path, events=[Event(TEN - 60, "started"), Event(TEN, "started")])
    transcript(home, answer("1", at="2026-11-01T09:59:59.000Z"), answer("2"))
    counts = run(path, home)
    assert (counts.counted, counts.served) == (1, 1)


def test_imports_are_no_limit_for_the_next_import(path: Path, home: Path) -> None:
    transcript(home, answer("1"))
    run(path, home)
    transcript(home, answer("1"), answer("2", at="2026-11-01T11:00:00Z"))
    assert run(path, home).counted == 1


def test_rows_are_as_long_as_the_proxys_of_that_age(path: Path, home: Path) -> None:
    transcript(
        home,
        answer("1", at="2026-09-02T10:58:00Z"),
        answer("2", at="2026-10-20T10:01:00Z"),
        answer("3", at="2026-10-20T10:59:00Z"),
        answer("4", at="2026-11-01T10:07:00Z"),
    )
    run(path, home)
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT begin, step, requests FROM usage ORDER BY begin").fetchall()
    midnight, hour = int(TEN) - 60 * 86400 - 36000, int(TEN) - 12 * 86400
    assert rows == [(midnight, 86400, 1), (hour, 3600, 2), (int(TEN) + 300, 300, 1)]
    assert usage(path) == {(): (4, 120)}


def test_what_is_older_than_the_retention_is_left_out(path: Path, home: Path) -> None:
    transcript(home, answer("1"), answer("2", at="2026-10-01T10:00:00Z"))
    counts = run(path, home, days=10.0)
    assert (counts.counted, counts.expired) == (1, 1)
    assert run(path, home, days=0.0).counted == 1


def test_an_answer_of_tomorrow_has_a_wrong_time(path: Path, home: Path) -> None:
    transcript(home, answer("1", at="2126-11-01T10:00:00Z"))
    assert run(path, home).counted == 0


def test_it_is_written_in_short_transactions(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    transcript(home, *(answer(str(number)) for number in range(25)))
    shown: list[int] = []
    assert run(path, home, shown=shown).counted == 25
    assert shown == [10, 20, 20, 25]
    assert usage(path) == {(): (25, 750)}


def test_an_import_that_breaks_off_can_be_repeated(
    path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    transcript(home, *(answer(str(number)) for number in range(25)))

    def interrupt(counts: ImportCounts) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_answers(str(path), [str(home)], PriceTable({}), 0.0, lambda: NOW, pytest.fail, interrupt)
    assert usage(path) == {(): (10, 300)}
    counts = run(path, home)
    assert (counts.counted, counts.known) == (15, 10)
    assert usage(path) == {(): (25, 750)}


def test_a_batch_that_fails_counts_nothing(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript(home, answer("1"))

    def fails(self: Store, batch: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "add", fails)
        with pytest.raises(HistoryError, match=r"can't be written \(database or disk is full\)"):
            run(path, home)
    assert run(path, home).counted == 1


def test_a_server_writes_at_the_same_time(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 5)
    transcript(home, *(answer(str(number)) for number in range(20)))
    server = open_to_write(str(path), pytest.fail, lambda: NOW)
    store = Store(server)

    def serve(counts: ImportCounts) -> None:
        from tests.history.conftest import batch_of

        store.write(batch_of([facts(NOW, conversation=f"s{counts.counted}")]))

    import_answers(str(path), [str(home)], PriceTable({}), 0.0, lambda: NOW, pytest.fail, serve)
    server.close()
    assert usage(path, "source") == {("proxy",): (5, 500), (TRANSCRIPTS,): (20, 600)}


def test_no_text_gets_into_the_file(path: Path, home: Path) -> None:
    transcript(home, answer("1"), answer("2", cwd="/home/SECRET/site"))
    run(path, home)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"SECRET" not in path.read_bytes()


def test_a_newer_file_is_left_alone(path: Path, home: Path) -> None:
    fill(path, [facts()])
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    transcript(home, answer("1"))
    with pytest.raises(HistoryError, match="newer version"):
        run(path, home)


def test_without_transcripts_no_file_is_made(path: Path, home: Path) -> None:
    assert run(path, home).all_files == 0
    assert not path.exists()


def test_hostile_names_are_stored_as_they_are(path: Path, home: Path) -> None:
    hostile = "\ud800\x1b[31m'); DROP TABLE usage;--"
    transcript(home, answer("1", cwd="/x/" + hostile.replace("/", ""), message={"model": hostile}))
    assert run(path, home).counted == 1
    assert usage(path, "model") == {("?" + hostile[1:],): (1, 30)}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"HOME": "/h"}, ["/h/.claude", "/h/.config/claude"]),
        ({"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c"}, ["/c", "/h/.claude", "/h/.config/claude"]),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, ["/h/.claude", "/x/claude"]),
    ],
)
def test_where_transcripts_are(env: dict[str, str], expected: Sequence[str]) -> None:
    assert default_directories(env) == [f"{directory}/projects" for directory in expected]
