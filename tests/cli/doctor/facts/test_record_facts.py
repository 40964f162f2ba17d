"""The files that a server writes, and what is left of crashes; nothing is changed."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.accounts.config.state_place import state_path
from teamclaude.cli.doctor.facts import record_facts as module
from teamclaude.cli.doctor.facts.record_facts import RecordFacts, record_facts
from teamclaude.cli.doctor.subject import Subject
from teamclaude.history.database import open_to_write
from teamclaude.proxy.reporting.live_history import history_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and locks of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "c" / "t.json"
    file.parent.mkdir(mode=0o700)
    file.write_text("{}")
    file.chmod(0o600)
    return file


def look(path: Path, config: Config | None = None) -> RecordFacts:
    return record_facts(Subject(dict(os.environ), path.parent, time.time(), path, config), config)


def private(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(0o600)
    return file


def history(path: Path) -> Path:
    file = history_path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    open_to_write(str(file), lambda line: None, time.time).close()
    return file


def test_nothing_is_there_yet(path: Path) -> None:
    facts = look(path)
    assert not facts.state.exists
    assert not facts.history.exists
    assert facts[2:] == ((), (), (), (), "", (), ())


def test_good_files_are_read_and_nothing_is_made(path: Path) -> None:
    private(state_path(path), b'{"version": 1}')
    file = history(path)
    before = {each.name: each.stat().st_mtime_ns for each in file.parent.iterdir()}
    facts = look(path)
    assert (facts.state.exists, facts.state.problem) == (True, "")
    assert (facts.history.problem, facts.history.damage, facts.history.was_checked) == ("", "", True)
    assert {each.name: each.stat().st_mtime_ns for each in file.parent.iterdir()} == before


@pytest.mark.parametrize("data", [b"", b"[]", b"\0" * 100, b"{" * 100_000])
def test_a_state_file_that_is_none(path: Path, data: bytes) -> None:
    private(state_path(path), data)
    assert look(path).state.problem == "is no JSON object"


def test_a_state_file_that_is_a_directory(path: Path) -> None:
    state_path(path).mkdir(parents=True, mode=0o700)
    assert look(path).state.problem.startswith("can't be read (")


def test_a_damaged_history(path: Path) -> None:
    file = history(path)
    data = bytearray(file.read_bytes())
    data[4096:8192] = os.urandom(4096)
    file.write_bytes(data)
    found = look(path).history
    assert found.damage or found.problem
    private(file, b"this is no database at all, but long enough to be looked at" * 20)
    assert look(path).history.damage == "file is not a database"


def test_the_history_of_a_newer_version(path: Path) -> None:
    file = history(path)
    database = sqlite3.connect(str(file))
    database.execute("PRAGMA user_version = 9999")
    database.close()
    assert look(path).history.is_newer


def test_a_long_check_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(path)
    monkeypatch.setattr(module, "CHECK_S", -1.0)
    monkeypatch.setattr(module, "PROGRESS_STEPS", 1)
    assert not look(path).history.was_checked


def test_a_history_that_a_server_writes(path: Path) -> None:
    database = open_to_write(str(history_path(path)), lambda line: None, time.time)
    try:
        assert os.path.exists(f"{history_path(path)}-wal")
        found = look(path).history
        assert (found.problem, found.damage) == ("", "")
    finally:
        database.close()


def test_what_crashes_leave(path: Path) -> None:
    old = time.time() - 3600
    for name in (".t.json.abc.tmp", ".t.json.young.tmp", ".other.json.x.tmp"):
        private(path.parent / name, b"x")
    os.utime(path.parent / ".t.json.abc.tmp", (old, old))
    os.utime(path.parent / ".other.json.x.tmp", (old, old))
    (path.parent / ".t.json.link.tmp").symlink_to(path)
    corrupt = private(Path(f"{state_path(path)}.corrupt-20260101_000000"), b"x")
    newer = private(Path(f"{state_path(path)}.newer-20260101_000000"), b"x")
    private(path.parent / "t.replaced-20260101.json", b"x")
    facts = look(path)
    assert [os.path.basename(each) for each in facts.temporary] == [".t.json.abc.tmp"]
    assert facts.corrupt == (str(corrupt), str(newer))
    assert [os.path.basename(each) for each in facts.replaced] == ["t.replaced-20260101.json"]


def test_modes(path: Path) -> None:
    private(state_path(path), b"{}").chmod(0o644)
    (path.parent / "t.tls").mkdir(mode=0o700)
    (path.parent / "t.tls").chmod(0o755)
    assert sorted(look(path).readable) == sorted(
        [(str(state_path(path)), 0o644), (str(path.parent / "t.tls"), 0o755)]
    )


def test_a_lock_that_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    lock = path.parent / "t.json.lock"
    assert look(path).held_lock == ""
    assert not lock.exists()
    with open(lock, "w") as file:
        assert look(path).held_lock == ""
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(path).held_lock == str(lock)


def config_of(**values: Any) -> Config:
    return parse_config(values, "")


def test_logs(path: Path) -> None:
    assert look(path, config_of(logDir=str(path))).log_dangers == ()
    assert look(path, config_of(logRequests=True)).log_dangers == (
        "logRequests is on, and logDir names no directory",
    )
    assert look(path, config_of(logRequests=True, logDir=str(path))).log_dangers == (
        f"logDir: {path} is no directory",
    )
    assert look(path, config_of(logRequests=True, logDir=str(path.parent / "new"))).log_dangers == ()


def test_programs_of_alerts(path: Path) -> None:
    alerts = [
        {"when": "benched", "run": ["no-such-program-here"]},
        {"when": "hold", "run": [str(path)]},
        {"when": "login lost", "run": ["/bin/sh", "-c", "true"]},
        {"when": "login lost", "url": "https://x.example"},
    ]
    assert look(path, config_of(alerts=alerts)).alert_problems == (
        "no-such-program-here is not on the PATH (alert: benched)",
        f"{path} can't be run (alert: hold)",
    )


def test_of_many_alerts_with_the_same_fault_there_are_a_few(path: Path) -> None:
    alerts = [{"when": "hold", "run": [f"no-such-program-{number}"]} for number in range(15)]
    problems = look(path, config_of(alerts=alerts)).alert_problems
    assert len(problems) == 6
    assert problems[-1] == "alerts: and 10 more like that"
