from __future__ import annotations

import os
import queue
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.proxy.records import request_log
from teamclaude.proxy.records.request_log import RequestLog
from teamclaude.proxy.records.request_record import RequestRecord, render

NOON = 1_795_435_200.25
TOKEN = "sk-ant-oat01-FAKEsecret0123456789"


class LogDirectory:
    """A log in a fresh directory with a clock set by hand, and what it warned."""

    def __init__(self, parent: Path) -> None:
        self.path = parent / "logs"
        self.now = NOON
        self.warnings: list[str] = []
        self.logs: list[RequestLog] = []

    def log(
        self,
        max_body_bytes: int = 1000,
        retention_hours: float = 24.0,
        max_waiting: int = 1000,
        max_total_bytes: int = 0,
    ) -> RequestLog:
        made = RequestLog(
            str(self.path),
            max_body_bytes,
            retention_hours,
            self.warnings.append,
            lambda: self.now,
            max_waiting,
            max_total_bytes,
        )
        self.logs.append(made)
        return made

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.path.iterdir())


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogDirectory]:
    made = LogDirectory(tmp_path)
    yield made
    for log in made.logs:
        log.close()


def served(log: RequestLog, request_id: str = "r1") -> RequestRecord:
    record = log.begin(request_id, "POST", "/v1/messages", [("Authorization", f"Bearer {TOKEN}")])
    record.request.add(f'{{"text":"my key is {TOKEN}"}}'.encode())
    record.answered(200, "OK", [("content-type", "application/json")])
    record.response.add(b"{}")
    record.end("served", {"account": "alice"})
    log.finish(record)
    return record


def test_a_request_is_one_private_file_without_its_credentials(logs: LogDirectory) -> None:
    log = logs.log()
    record = served(log)
    log.close()
    (name,) = logs.names()
    assert re.fullmatch(r"2026\d{4}_\d{6}\.250_r1\.log", name)
    path = logs.path / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(logs.path.stat().st_mode) == 0o700
    content = path.read_bytes()
    assert content == render(record)
    assert b"POST /v1/messages" in content
    assert b"FAKE" not in content
    assert logs.warnings == []


def test_the_mode_does_not_depend_on_the_umask(logs: LogDirectory) -> None:
    before = os.umask(0)
    try:
        log = logs.log()
        served(log)
        log.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((logs.path / logs.names()[0]).stat().st_mode) == 0o600
    assert stat.S_IMODE(logs.path.stat().st_mode) == 0o700


def test_a_directory_others_can_read_is_kept_with_a_warning(logs: LogDirectory) -> None:
    logs.path.mkdir(mode=0o755)
    logs.path.chmod(0o755)
    log = logs.log()
    served(log)
    log.close()
    assert len(logs.names()) == 1
    assert stat.S_IMODE(logs.path.stat().st_mode) == 0o755
    (warning,) = logs.warnings
    assert "chmod 700" in warning


def test_the_directories_above_the_log_are_private_too(logs: LogDirectory) -> None:
    logs.path = logs.path / "a" / "b"
    before = os.umask(0)
    try:
        logs.log().close()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (logs.path, logs.path.parent)] == [0o700] * 2


def test_a_directory_others_can_write_to_is_a_warning_with_the_remedy(logs: LogDirectory) -> None:
    logs.path.mkdir()
    logs.path.chmod(0o777)
    logs.log().close()
    assert logs.warnings == [
        f"request log: other users can replace the files in {logs.path}; run: chmod go-w {logs.path}"
    ]


def test_an_identifier_never_leaves_the_directory_and_always_fits_the_pattern(logs: LogDirectory) -> None:
    log = logs.log()
    for identifier in ("../../etc/x", "a b\n", "", "x" * 300, "zoë"):
        served(log, identifier)
    log.close()
    names = logs.names()
    assert len(names) == 5
    assert all(request_log._OURS.fullmatch(name) for name in names)


def test_close_writes_everything_that_waits(logs: LogDirectory) -> None:
    log = logs.log()
    for number in range(50):
        served(log, f"r{number}")
    log.close()
    assert len(logs.names()) == 50
    served(log, "late")
    assert len(logs.names()) == 50
    log.close()


class Gate:
    """Holds the writing thread inside its first write until opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

        def slow_render(record: RequestRecord) -> bytes:
            self.reached.set()
            assert self.open.wait(30)
            return render(record)

        monkeypatch.setattr(request_log, "render", slow_render)


def test_a_slow_disk_blocks_no_request_and_costs_records_with_one_warning(
    logs: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    log = logs.log(max_waiting=3)
    served(log, "first")
    assert gate.reached.wait(30)
    for number in range(10):
        served(log, f"r{number}")  # returns although nothing is written
    gate.open.set()
    log.close()
    assert sorted(name.split("_")[2] for name in logs.names()) == ["first.log", "r0.log", "r1.log", "r2.log"]
    (warning,) = logs.warnings
    assert "keep up" in warning


def test_what_waits_is_bounded_in_bytes_too(logs: LogDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MAX_WAITING_BYTES", 10_000)
    gate = Gate(monkeypatch)
    log = logs.log()
    served(log, "first")
    assert gate.reached.wait(30)
    for number in range(10):
        served(log, f"r{number}")  # some 4 kB each
    gate.open.set()
    log.close()
    assert len(logs.names()) == 3


class FullDisk:
    """An open file that takes half of what it is given."""

    def __init__(self, handle: int, mode: str) -> None:
        self._file = os.fdopen(handle, mode)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        self._file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_log_with_one_warning_and_no_half_file(
    logs: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdopen
    log = logs.log()
    served(log, "good")
    log.close()

    log = logs.log()

    def full(handle: int, mode: str) -> FullDisk:
        monkeypatch.setattr(os, "fdopen", real)
        return FullDisk(handle, mode)

    monkeypatch.setattr(os, "fdopen", full)
    for number in range(5):
        served(log, f"bad{number}")
    log.close()
    assert not log.active
    served(log, "after")
    assert [name.split("_")[2] for name in logs.names()] == ["good.log"]
    (warning,) = logs.warnings
    assert "No space left" in warning
    assert str(logs.path) in warning


def test_a_place_that_cannot_be_a_directory_turns_the_log_off(logs: LogDirectory) -> None:
    logs.path.write_text("a file")
    log = logs.log()
    assert not log.active
    served(log)
    log.close()
    assert logs.path.read_text() == "a file"
    assert len(logs.warnings) == 1


def test_a_directory_that_is_cleaned_away_comes_back(logs: LogDirectory) -> None:
    log = logs.log()
    logs.path.rmdir()
    served(log)
    log.close()
    assert len(logs.names()) == 1
    assert logs.warnings == []


def test_a_link_somebody_put_in_the_way_is_not_followed(logs: LogDirectory, tmp_path: Path) -> None:
    log = logs.log()
    served(log)
    log.close()
    (name,) = logs.names()
    (logs.path / name).unlink()
    (logs.path / name).symlink_to(tmp_path / "victim")
    log = logs.log()
    served(log)
    served(log, "r2")
    log.close()
    assert not (tmp_path / "victim").exists()
    assert len(logs.names()) == 2
    assert len(logs.warnings) == 1


def test_a_record_that_cannot_be_rendered_does_not_end_the_log(
    logs: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(record: RequestRecord) -> bytes:
        if record.request_id == "bad":
            raise KeyError("bad")
        return render(record)

    monkeypatch.setattr(request_log, "render", faulty)
    log = logs.log()
    for identifier in ("bad", "good", "bad"):
        served(log, identifier)
    log.close()
    assert [name.split("_")[2] for name in logs.names()] == ["good.log"]
    assert len(logs.warnings) == 1


OLD = [
    "20261101_120000.000_r1.log",
    "20261101_120000.999_tc-0-9_Zz.log",
]
FOREIGN = [
    "20261101_120000.000_r1.log.gz",
    "20261101_120000.000_r1.txt",
    "x20261101_120000.000_r1.log",
    "20261101_120000_r1.log",
    "20261101_120000.000_.log",
    "20261101_120000.000_r1.log\n",
    "teamclaude.json",
    "state.json",
    "ledger.log",
]


def test_pruning_deletes_old_files_of_ours_and_nothing_else(logs: LogDirectory, tmp_path: Path) -> None:
    log = logs.log()
    log.close()  # its own round is over
    for name in OLD + FOREIGN:
        (logs.path / name).write_text("x")
        os.utime(logs.path / name, (0, 0))
    young = logs.path / "20261101_120000.000_young.log"
    young.write_text("x")
    os.utime(young, (NOON - 3600, NOON - 3600))
    directory = logs.path / "20261101_120000.000_dir.log"
    directory.mkdir()
    os.utime(directory, (0, 0))
    target = tmp_path / "20261101_120000.000_target.log"
    target.write_text("x")
    os.utime(target, (0, 0))
    (logs.path / "20261101_120000.000_link.log").symlink_to(target)

    assert log.prune() == len(OLD)
    kept = {*FOREIGN, young.name, directory.name, "20261101_120000.000_link.log"}
    assert set(logs.names()) == kept
    assert target.exists()

    logs.now += 25 * 3600
    assert log.prune() == 1
    assert young.name not in logs.names()


def test_a_retention_of_zero_keeps_everything(logs: LogDirectory) -> None:
    log = logs.log(retention_hours=0)
    (logs.path / OLD[0]).write_text("x")
    os.utime(logs.path / OLD[0], (0, 0))
    assert log.prune() == 0
    assert logs.names() == [OLD[0]]


def test_the_log_prunes_by_itself_at_its_start_and_every_ten_minutes(
    logs: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.path.mkdir(mode=0o700)
    (logs.path / OLD[0]).write_text("x")
    os.utime(logs.path / OLD[0], (0, 0))
    rounds: queue.Queue[float] = queue.Queue()
    prune = RequestLog.prune

    def watched(log: RequestLog) -> int:
        deleted = prune(log)
        rounds.put(logs.now)
        return deleted

    monkeypatch.setattr(RequestLog, "prune", watched)
    log = logs.log()
    assert rounds.get(timeout=30) == NOON
    assert logs.names() == []
    logs.now = NOON + 599
    served(log, "a")
    log.close()
    assert rounds.empty()

    log = logs.log()
    assert rounds.get(timeout=30) == NOON + 599
    logs.now = NOON + 1199
    served(log, "b")
    assert rounds.get(timeout=30) == NOON + 1199


def test_beyond_the_size_the_oldest_files_go_and_no_other_file_counts(logs: LogDirectory) -> None:
    log = logs.log(retention_hours=0, max_total_bytes=2500)
    log.close()  # its thread prunes, too
    names = [f"20261122_12000{number}.000_r{number}.log" for number in range(4)]
    for age, name in enumerate(reversed(names)):
        (logs.path / name).write_bytes(b"x" * 1000)
        os.utime(logs.path / name, (NOON - 100 * age, NOON - 100 * age))
    (logs.path / "notes.txt").write_bytes(b"x" * 9000)
    assert log.prune() == 2
    assert logs.names() == [*names[2:], "notes.txt"]
    assert log.prune() == 0


def test_a_busy_log_prunes_before_its_ten_minutes_but_not_with_each_request(
    logs: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    monkeypatch.setattr(RequestLog, "prune", lambda log: rounds.append(log._written_bytes))
    log = logs.log(max_total_bytes=8 * 1500)
    for number in range(20):
        served(log, f"r{number}")
    log.close()
    size = sum(path.stat().st_size for path in logs.path.iterdir())
    assert size / 3000 <= len(rounds) <= 1 + size / 1500 < 20
