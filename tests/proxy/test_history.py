"""The history of a running server: what it writes, shows, imports and survives."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.state_place import state_path
from teamclaude.history import writer as writer_module
from teamclaude.history.reader import HistoryReader
from teamclaude.history.store import Store
from teamclaude.proxy.reporting.live_history import history_path

Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WRITE_SEC", 0.01)
    monkeypatch.setattr(writer_module, "RETRY_SEC", 0.01)


def read(s: Any) -> HistoryReader:
    return HistoryReader(str(history_path(s.path)))


def old_ledger(at: float) -> list[dict[str, Any]]:
    row = {"account": "a", "conversation": "old", "issue": "ENG-7", "requests": 3, "usage": [5]}
    return [{**row, "day": int(at // 86400), "firstSeen": at - 60, "lastSeen": at - 30}]


def start_with_state(s: Any, **more: Any) -> None:
    """Stop the server, change its state file, and start another."""
    s.service.stop(0)
    path = state_path(s.path)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **more}), "utf-8")
    s.service = s._started()


def saved(s: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(state_path(s.path).read_text("utf-8"))
    return found


def test_requests_readings_and_events_are_kept(stage: Build) -> None:
    s = stage("a", history=True)
    s.service.runtime.issue_of = {"one": "ENG-1"}.get
    s.service.runtime.project_of = {"one": "/home/me/web"}.get
    s.ask(session="one", text="a secret text")
    s.ask(session="two", headers={"x-teamclaude-project": "api"})
    s.service.stop(0)
    with read(s) as reader:
        by = ("session", "project", "issue", "account")
        rows = {row.key: row.totals for row in reader.usage(by)}
        assert set(rows) == {("one", "web", "ENG-1", "a"), ("two", "api", "", "a")}
        totals = rows["one", "web", "ENG-1", "a"]
        assert (totals.requests, totals.served, totals.ttfb.count, totals.duration.count) == (1, 1, 1, 1)
        assert totals.usage.output_tokens > 0
        assert totals.cost > 0
        assert {reading.axis for reading in reader.quota()} >= {"5h", "7d"}
        assert [event.kind for event in reader.events()] == ["started", "stopped"]
    assert b"secret" not in history_path(s.path).read_bytes()


def test_who_asks_for_the_usage_is_told_of_the_request_before(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WRITE_SEC", 3600.0)
    s = stage("a", history=True)
    looked = iter([None, None, "/home/me/web"])  # the session's files are found while the reading waits
    s.service.runtime.project_of = lambda session: next(looked, "/home/me/web")
    for requests in (1, 2):
        s.ask(session="one")
        (row,) = s.send("GET", "/teamclaude/usage?by=session,project").json()["rows"]
        assert (row["session"], row["project"], row["requests"]) == ("one", "web", requests)


def test_the_status_shows_it(stage: Build) -> None:
    s = stage("a", history=True)
    s.ask(session="one")
    s.until(lambda: s.status()["history"]["rows"])
    shown = s.status()["history"]
    assert (shown["rows"], shown["bytes"] > 0, shown["since"] > 0) == (1, True, True)
    assert (shown["on"], shown["problem"]) == (True, "")
    assert s.service.runtime.history is not None


def test_the_config_switches_it_off(stage: Build) -> None:
    s = stage("a", history=False)
    s.ask(session="one")
    s.until(lambda: s.status()["usageByIssue"])
    shown = s.status()
    assert shown["history"] == {"on": False, "bytes": 0, "rows": None, "since": None, "problem": ""}
    assert s.service.runtime.history is None
    s.service.stop(0)
    assert not history_path(s.path).exists()


def test_a_reload_says_what_needs_a_restart(stage: Build) -> None:
    s = stage("a", history=True)
    document = json.loads(s.path.read_text("utf-8"))
    s.write({**document, "history": False, "historyMaxMB": 7, "historyRetentionDays": 3})
    assert s.service.reload()["needsRestart"] == ["history"]
    assert s.service.runtime.history.limits == (3.0, 7_000_000)


def test_without_the_module_requests_are_served(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    s = stage("a", history=True)
    assert s.ask(session="one").status == 200
    s.until(lambda: not s.status()["history"]["on"])
    s.until(lambda: s.status()["usageByIssue"])
    assert [line for line in s.warnings if "history" in line] == [
        "no history is kept: this Python has no module sqlite3, in which the history is kept"
    ]


def test_a_full_disk_disturbs_no_request(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "write", full)
    s = stage("a", history=True)
    assert [s.ask(session="one").status for _ in range(3)] == [200] * 3
    s.until(lambda: s.status()["history"]["problem"])
    assert len([line for line in s.warnings if "history" in line]) == 1


def test_the_ledger_of_an_older_state_file_moves_once(stage: Build, clock: Callable[[], float]) -> None:
    s = stage("a", history=True)
    start_with_state(s, ledger=old_ledger(clock()))
    s.until(lambda: s.status()["usageByIssue"])
    (issue,) = s.status()["usageByIssue"]
    assert (issue["issue"], issue["requests"], issue["tokens"]) == ("ENG-7", 3, 5)
    s.service.stop(0)
    assert "ledger" not in saved(s)
    s.service = s._started()
    s.until(lambda: s.status()["usageByIssue"])
    s.service.stop(0)
    with read(s) as reader:
        assert [row.totals.requests for row in reader.usage()] == [3]


def test_a_ledger_that_could_not_move_stays_in_the_state_file(
    stage: Build, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", history=False)
    ledger = old_ledger(clock())
    start_with_state(s, ledger=ledger)
    s.ask(session="one")
    s.service.stop(0)
    assert saved(s)["ledger"] == ledger
    document = json.loads(s.path.read_text("utf-8"))
    s.write({**document, "history": True})
    s.service = s._started()
    s.until(lambda: any(row["issue"] == "ENG-7" for row in s.status()["usageByIssue"]))


def test_a_killed_server_has_written_what_it_had_counted(stage: Build, tmp_path: Path) -> None:
    s = stage("a", history=True)
    s.ask(session="one")

    def requests() -> int:
        with read(s) as reader:
            return sum(row.totals.requests for row in reader.usage())

    s.until(lambda: history_path(s.path).exists() and s.status()["history"]["bytes"] > 0)
    s.until(lambda: requests() == 1)  # the server has not been stopped
