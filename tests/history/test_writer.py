"""The writer: what is added comes into the file, and no disk stops anybody."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from teamclaude.errors import HistoryError
from teamclaude.history import database as database_module
from teamclaude.history import writer as writer_module
from teamclaude.history.database import SUFFIXES
from teamclaude.history.issue_totals import IssueTotals
from teamclaude.history.reader import HistoryReader
from teamclaude.history.retention import Limits
from teamclaude.history.rows import Event, QuotaReading, RequestFacts
from teamclaude.history.schema import SCHEMA_VERSION
from teamclaude.history.store import Store
from teamclaude.history.writer import HistoryWriter
from tests.waiting import until

from .conftest import NOON, facts, fill

WEEK = 7 * 86400.0
Make = Callable[[], HistoryWriter]


class Stage:
    """Writers of one file, and what they warn of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self.issues = IssueTotals(WEEK)
        self.state: dict[str, Any] = {}
        self.started: list[HistoryWriter] = []

    def make(self) -> HistoryWriter:
        made = HistoryWriter(str(self.path), Limits(), self.issues, WEEK, self.lines.append, lambda: NOON)
        made.state = self.state
        self.started.append(made)
        return made

    def write(self, *requests: RequestFacts) -> HistoryWriter:
        """Let a writer live for these requests."""
        writer = self.make()
        for one in requests:
            writer.add_all([one])
        writer.start()
        writer.close()
        return writer

    def tokens(self) -> int:
        with HistoryReader(str(self.path)) as reader:
            return sum(row.totals.usage.total for row in reader.usage())


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(writer_module, "WRITE_SEC", 0.01)
    monkeypatch.setattr(writer_module, "RETRY_SEC", 0.01)
    stage = Stage(tmp_path / "x.history.db")
    yield stage
    for writer in stage.started:
        writer.close()


def test_what_was_added_is_in_the_file_after_a_close(stage: Stage) -> None:
    writer = stage.make()
    writer.start()
    writer.add_all([facts(tokens=1)])
    writer.add_all([facts(tokens=2, conversation="s2")])
    writer.add_readings([QuotaReading(NOON, "alice", "5h", 0.5)])
    writer.add_event(Event(NOON, "bench", "alice", "429"))
    writer.close()
    assert stage.tokens() == 3
    reader = writer.reader()
    assert (reader.quota(), reader.events()) == (
        [QuotaReading(NOON, "alice", "5h", 0.5)],
        [Event(NOON, "bench", "alice", "429")],
    )
    assert stage.lines == []


def test_it_is_written_while_the_server_runs(stage: Stage) -> None:
    writer = stage.make()
    writer.start()
    writer.add_all([facts(tokens=1)])
    until(lambda: stage.path.exists() and writer.view.bytes > 0)
    until(lambda: stage.tokens() == 1)
    writer.add_all([facts(tokens=2)])
    until(lambda: stage.tokens() == 3)


def test_who_wants_to_read_does_not_wait_for_the_next_write(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WRITE_SEC", 3600.0)
    writer = stage.make()
    writer.start()
    for tokens in (1, 2):
        writer.add_all([facts(tokens=tokens)])
        writer.write_now(60.0)
        assert stage.tokens() == 2 * tokens - 1
    writer.write_now(60.0)  # nothing is new


def test_who_wants_to_read_does_not_wait_for_a_disk_that_hangs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = threading.Event()
    write = Store.write

    def hang(store: Store, batch: Any) -> None:
        works.wait(60.0)
        write(store, batch)

    monkeypatch.setattr(Store, "write", hang)
    writer = stage.make()
    writer.add_all([facts(tokens=1)])
    writer.write_now(60.0)  # it has not been started
    writer.start()
    writer.write_now(0.01)
    with suppress(HistoryError):  # there may be no file yet
        assert stage.tokens() == 0
    works.set()
    writer.close()
    assert stage.tokens() == 1


def test_a_restart_adds_to_what_is_there(stage: Stage) -> None:
    for _ in range(3):
        stage.write(facts(tokens=5))
    assert stage.tokens() == 15


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_only_the_owner_may_read_the_file_and_what_is_beside_it(stage: Stage) -> None:
    old = os.umask(0)
    try:
        writer = stage.make()
        writer.add_all([facts()])
        writer.start()
        until(lambda: writer.view.bytes > 0)
        present = [Path(f"{stage.path}{suffix}") for suffix in SUFFIXES]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in present if path.exists()}
        assert set(modes.values()) == {0o600}
        assert f"{stage.path.name}-wal" in modes
    finally:
        os.umask(old)


@pytest.mark.skipif(os.name == "nt", reason="modes")
def test_a_file_that_others_may_read_is_taken_from_them(stage: Stage) -> None:
    stage.write(facts())
    stage.path.chmod(0o644)
    stage.write(facts())
    assert stat.S_IMODE(stage.path.stat().st_mode) == 0o600


# --- bad files ----------------------------------------------------------------------------------


def other_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()


def broken_inside(path: Path) -> None:
    fill(path, [facts(conversation=f"s{number}") for number in range(2000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 1000), "is damaged"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + os.urandom(8192)), "is damaged"),
        (other_program, "another program's database"),
        (broken_inside, "is damaged"),
        (lambda path: path.mkdir(), "is no file"),
    ],
    ids=["text", "noise", "foreign", "broken inside", "directory"],
)
def test_a_bad_file_is_set_aside_with_one_line(
    stage: Stage, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(stage.path)
    stage.write(facts(tokens=7))
    (line,) = stage.lines
    assert why in line
    assert "beginning a new one" in line
    (aside,) = stage.path.parent.glob("*.corrupt-*[0-9]")
    assert str(aside) in line
    assert stage.tokens() == 7


@pytest.mark.skipif(os.name == "nt", reason="open files can't be removed")
def test_a_file_that_was_removed_is_begun_anew(stage: Stage) -> None:
    writer = stage.make()
    writer.start()
    writer.add_all([facts(tokens=1)])
    until(lambda: writer.view.bytes > 0 and stage.tokens() == 1)
    for suffix in SUFFIXES:
        Path(f"{stage.path}{suffix}").unlink(missing_ok=True)
    writer.add_all([facts(tokens=2)])
    until(lambda: len(stage.lines) == 1)
    assert "was removed or replaced" in stage.lines[0]
    writer.add_all([facts(tokens=3)])
    writer.close()
    assert (stage.tokens(), len(stage.lines)) == (5, 1)


@pytest.mark.skipif(os.name == "nt", reason="open files can't be replaced")
def test_a_database_of_others_that_took_its_place_is_set_aside(stage: Stage, tmp_path: Path) -> None:
    writer = stage.make()
    writer.start()
    writer.add_all([facts(tokens=1)])
    until(lambda: writer.view.bytes > 0 and stage.tokens() == 1)
    other_program(tmp_path / "theirs")
    os.replace(tmp_path / "theirs", stage.path)
    writer.add_all([facts(tokens=2)])
    until(lambda: len(stage.lines) == 2)
    assert "another program's database" in stage.lines[1]
    writer.close()
    assert stage.tokens() == 2


def test_a_file_that_breaks_meanwhile_is_set_aside(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = stage.make()
    writer.start()
    writer.add_all([facts(tokens=1)])
    until(lambda: writer.view.bytes > 0 and stage.tokens() == 1)

    def damaged(*_: object) -> None:
        monkeypatch.undo()
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(Store, "write", damaged)
    writer.add_all([facts(tokens=2)])
    until(lambda: len(stage.lines) == 1)
    assert "is damaged (database disk image is malformed)" in stage.lines[0]
    writer.close()
    assert stage.tokens() == 2  # what was being written is not lost


def test_a_newer_file_is_left_alone_and_still_read(stage: Stage) -> None:
    stage.write(facts(tokens=3))
    with sqlite3.connect(stage.path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.execute("ALTER TABLE usage ADD COLUMN later INTEGER")
    database.close()
    writer = stage.write(facts(tokens=4))
    assert len(stage.lines) == 1
    assert "was written by a newer version" in stage.lines[0]
    assert (writer.view.on, stage.tokens()) == (False, 3)


def test_without_the_module_it_is_said_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    writer = stage.write(facts())
    assert stage.lines == [
        "no history is kept: this Python has no module sqlite3, in which the history is kept"
    ]
    assert not writer.view.on
    assert not stage.path.exists()


# --- bad disks ----------------------------------------------------------------------------------


def test_a_full_disk_is_one_warning_and_nothing_is_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = stage.make()
    writer.start()
    until(lambda: writer.view.bytes > 0)
    tries: list[int] = []
    write = Store.write

    def full(store: Store, *rest: Any) -> None:
        tries.append(1)
        if len(tries) < 4:
            raise sqlite3.OperationalError("database or disk is full")
        write(store, *rest)

    monkeypatch.setattr(Store, "write", full)
    writer.add_all([facts(tokens=1)])
    until(lambda: bool(tries))
    writer.add_all([facts(tokens=2)])
    until(lambda: len(stage.lines) == 2)
    assert "is not written to" in stage.lines[0]
    assert "(database or disk is full); trying again" in stage.lines[0]
    assert "is written to" in stage.lines[1]
    writer.close()
    assert stage.tokens() == 3


def test_a_missing_directory_is_one_warning(tmp_path: Path, stage: Stage) -> None:
    stage.path = tmp_path / "gone" / "x.history.db"
    writer = stage.make()
    writer.add_all([facts(tokens=1)])
    writer.start()
    until(lambda: bool(stage.lines))
    assert "No such file or directory" in stage.lines[0]
    stage.path.parent.mkdir()
    until(lambda: len(stage.lines) == 2)
    assert stage.tokens() == 1


def test_a_disk_that_hangs_stops_nobody_and_is_one_warning(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, hanging = threading.Event(), threading.Event()
    write = Store.write

    def hang(store: Store, *rest: Any) -> None:
        hanging.set()
        release.wait(10)
        write(store, *rest)

    monkeypatch.setattr(Store, "write", hang)
    monkeypatch.setattr(writer_module, "CLOSE_TIMEOUT_SEC", 0.01)
    writer = stage.make()
    writer.add_all([facts(tokens=1)])
    writer.start()
    assert hanging.wait(30)
    writer.check()
    assert stage.lines == []
    monkeypatch.setattr(writer_module, "HANGS_SEC", 0.0)
    for _ in range(3):
        writer.add_all([facts(tokens=2)])
        writer.check()
    writer.close()  # gives up
    assert len(stage.lines) == 1
    assert "the disk has not answered" in stage.lines[0]
    release.set()
    until(lambda: not writer_alive(writer))
    assert stage.tokens() == 7


def writer_alive(writer: HistoryWriter) -> bool:
    return writer._thread.is_alive()


def test_a_batch_that_can_never_be_written_is_given_up(stage: Stage) -> None:
    writer = stage.make()
    writer.start()
    until(lambda: writer.view.bytes > 0)
    writer.add_event(Event(NOON, "bench", "alice", b"\xff"))  # type: ignore[arg-type]
    until(lambda: len(stage.lines) >= 1)
    writer.add_all([facts(tokens=5)])
    writer.close()
    assert stage.tokens() == 5


def test_the_file_is_checked_once_a_day(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.write(facts())
    with sqlite3.connect(stage.path) as database:
        before = database.execute("SELECT value FROM meta WHERE name = 'checked_at'").fetchone()
    database.close()
    assert float(before[0]) == NOON
    assert database_module.CHECK_SEC == 86400.0


# --- usage by issue -----------------------------------------------------------------------------


def test_the_usage_by_issue_is_that_of_the_last_days_after_a_restart(stage: Stage) -> None:
    stage.write(
        facts(at=NOON - 8 * 86400, tokens=1, issue="OLD"),
        facts(at=NOON - 3 * 86400, tokens=2, issue="ENG-1"),
        facts(at=NOON, tokens=4, issue="ENG-1", conversation="s1/a", outcome="refused"),
    )
    stage.issues = IssueTotals(WEEK)
    stage.write()
    (issue,) = stage.issues.view()
    assert (issue.issue, issue.sessions, issue.requests) == ("ENG-1", 2, 1)
    assert (issue.usage.tokens, issue.last_seen) == (6, NOON)
