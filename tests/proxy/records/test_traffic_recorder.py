"""Recorded traffic: what is in it, what is not, and when."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.lab.recording import read_recording
from teamclaude.proxy.records.traffic_recorder import TraceFile, TrafficRecorder, trace_directory, trace_row
from tests.proxy.conftest import Clock, Stage
from tests.proxy.records.test_journal import exchange_of

SECRET = "SECRET-text-of-a-person"
DAY = 86400.0


def rows(stage: Stage) -> list[dict[str, Any]]:
    directory = trace_directory(stage.path)
    return [json.loads(line) for file in sorted(directory.glob("*.jsonl")) for line in file.open()]


def recorded(stage: Stage, count: int) -> list[dict[str, Any]]:
    stage.until(lambda: trace_directory(stage.path).exists() and len(rows(stage)) >= count)
    return rows(stage)


def switch(stage: Stage, on: bool) -> dict[str, Any]:
    state: dict[str, Any] = stage.send("POST", "/teamclaude/record", {"on": on}).json()
    return state


def test_nothing_is_recorded_unless_switched_on(stage: Callable[..., Stage]) -> None:
    one = stage("alice")
    one.ask()
    assert one.send("GET", "/teamclaude/record").json()["on"] is False
    assert not trace_directory(one.path).exists()


def test_a_request_is_counts_times_and_windows_without_text_or_names(stage: Callable[..., Stage]) -> None:
    one = stage("alice")
    assert switch(one, True)["on"] is True
    headers = {"x-claude-code-agent-id": "agent-of-it"}
    one.ask(SECRET, session="session-of-it")
    one.ask(SECRET, session="session-of-it", headers=headers)
    first, second = recorded(one, 2)
    assert (first["m"], first["o"], first["st"], first["t"]) == ("opus", "served", 200, 1_800_000_000.0)
    assert first["in"] > 0
    assert first["out"] > 0
    assert first["s"] >= 0.0
    assert first["wait"] >= 0.0
    assert first["q"]["5h"][0] is not None
    assert first["q"]["7d"][1] > 1_800_000_000.0
    assert second["p"] == first["c"] != second["c"]
    assert second["a"] == first["a"]
    text = json.dumps(rows(one))
    for secret in (SECRET, "session-of-it", "agent-of-it", "alice", "claude-opus", "FAKE", "tc-"):
        assert secret not in text


def test_it_goes_on_after_a_restart_and_conversations_keep_their_hash(stage: Callable[..., Stage]) -> None:
    one = stage("alice")
    switch(one, True)
    one.ask()
    recorded(one, 1)
    assert one.document()["record"] is True
    one.restart()
    one.ask()
    first, second = recorded(one, 2)
    assert first["c"] == second["c"]
    assert switch(one, False)["on"] is False
    one.ask()
    assert one.document()["record"] is False
    assert len(rows(one)) == 2


def test_the_lab_reads_what_was_recorded(stage: Callable[..., Stage]) -> None:
    one = stage("alice", record=True)
    one.ask(session="parent")
    one.ask(session="parent")
    one.ask(session="parent", headers={"x-claude-code-agent-id": "agent"})
    recorded(one, 3)
    recording = read_recording(trace_directory(one.path))
    (plan,) = recording.plans
    assert (len(plan.session.requests), len(plan.agents), recording.requests) == (2, 1, 3)
    assert len(recording.accounts) == 1
    assert recording.accounts[0].resets_at is not None
    first, second = plan.session.requests
    assert second.cached_prefix > 0
    assert first.cached_prefix == 0


def test_other_paths_are_not_recorded_but_refused_requests_are(stage: Callable[..., Stage]) -> None:
    one = stage("alice", record=True, allThrottledHoldBudgetSec=0)
    one.send("POST", "/v1/messages/count_tokens", {"model": "claude-opus-4-8", "messages": []})
    one.api.script.once(Fault.quota("5h", reset_in=7200.0))
    one.ask()
    (row,) = recorded(one, 1)
    assert (row["st"], row["o"], row["in"], row["out"]) == (429, "held out", 0, 0)
    assert row["q"]["5h"][0] > 1.0


def test_a_switch_without_a_value_is_refused(stage: Callable[..., Stage]) -> None:
    one = stage("alice")
    for body in ({}, {"on": "yes"}, {"on": 1}):
        assert one.send("POST", "/teamclaude/record", body).status == 400


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_files_are_private(tmp_path: Path) -> None:
    directory = tmp_path / "traffic"
    file = TraceFile(directory)
    salt = file.salt()
    file.append(b"{}\n", DAY)
    file.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}
    assert modes == {"traffic": 0o700, ".salt": 0o600, "19700102-001.jsonl": 0o600}
    assert TraceFile(directory).salt() == salt


def test_a_new_file_each_day_and_when_one_is_long_and_old_ones_go(tmp_path: Path) -> None:
    file = TraceFile(tmp_path, max_bytes=8)
    for day in (1, 1, 1, 2, 3, 100):
        file.append(b"12345\n", day * DAY)
        if day == 3:
            assert [path.name for path in file.files()] == [
                "19700102-001.jsonl",
                "19700102-002.jsonl",
                "19700103-001.jsonl",
                "19700104-001.jsonl",
            ]
    (tmp_path / "mine.txt").touch()
    assert [path.name for path in file.files()] == ["19700411-001.jsonl"]
    file.close()
    again = TraceFile(tmp_path, max_bytes=8)
    again.append(b"12345\n", 100 * DAY)
    again.append(b"12345\n", 100 * DAY)
    again.close()
    assert [path.stat().st_size for path in again.files()] == [12, 6]


def test_a_line_that_a_crash_has_cut_off_gets_its_end(tmp_path: Path) -> None:
    file = TraceFile(tmp_path)
    file.append(b'{"n":1}\n', DAY)
    file.close()
    (path,) = file.files()
    path.write_bytes(path.read_bytes() + b'{"n":2')
    for _ in range(2):
        again = TraceFile(tmp_path)
        again.append(b'{"n":3}\n', DAY)
        again.close()
    assert path.read_bytes() == b'{"n":1}\n{"n":2\n{"n":3}\n{"n":3}\n'


def test_a_line_that_a_full_disk_has_cut_off_gets_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = TraceFile(tmp_path), os.write
    left = [4]

    def full(handle: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return write(handle, bytes(data)[: left.pop()])

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(OSError, match="No space"):
            file.append(b'{"n":1}\n', DAY)
    file.append(b'{"n":2}\n', DAY)
    file.close()
    assert file.files()[0].read_bytes() == b'{"n"\n{"n":2}\n'


def test_a_directory_that_cant_be_written_is_one_warning_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    warnings: list[str] = []
    recorder = TrafficRecorder(tmp_path / "taken", warnings.append, lambda: DAY)
    recorder.switch(True)
    recorder.record(exchange_of())
    assert recorder.status()["on"] is False
    assert len(warnings) == 1
    assert "traffic is not recorded" in warnings[0]


def test_a_request_that_makes_no_row_does_not_end_the_recording(tmp_path: Path) -> None:
    recorder = TrafficRecorder(tmp_path / "traffic", lambda line: None, lambda: DAY)
    recorder.switch(True)
    broken = exchange_of("/v1/messages", "alice")
    del broken.at
    recorder.record(broken)
    recorder.record(exchange_of("/v1/messages", "alice"))
    recorder.switch(False)
    assert recorder.status()["requests"] == 1


def test_the_same_conversation_has_another_hash_with_another_salt(clock: Clock) -> None:
    exchange = exchange_of("/v1/messages", "alice")
    exchange.routing_request = exchange.routing_request._replace(session="s")
    assert trace_row(exchange, b"1" * 16)["c"] != trace_row(exchange, b"2" * 16)["c"]
    assert "a" not in trace_row(exchange, b"1" * 16)  # nothing was answered with windows


def test_tokens_that_could_not_be_read_are_null(stage: Callable[..., Stage]) -> None:
    one = stage("alice")
    switch(one, True)
    one.api.script.once(Fault(headers=(("content-encoding", "br"),)))
    one.ask(headers={"Accept-Encoding": "br"})
    (row,) = recorded(one, 1)
    assert [row[name] for name in ("in", "out", "read", "write")] == [None] * 4
