"""The lock: one holder among threads and processes, a timeout in injected time, no stale locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from teamclaude.accounts.config.file_lock import FileLock

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys, time
from teamclaude.accounts.config.file_lock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_holder_times_out_with_path_and_time(tmp_path: Path) -> None:
    clock = Clock()
    path = str(tmp_path / "x.lock")
    with FileLock(path), pytest.raises(TimeoutError, match=f"has held {path} for 3 s"):
        FileLock(path, 3.0, clock, clock.sleep).__enter__()
    assert clock.now == pytest.approx(103.0)
    assert max(clock.slept) <= 0.05


def test_a_timeout_of_zero_is_one_attempt(tmp_path: Path) -> None:
    clock = Clock()
    path = str(tmp_path / "x.lock")
    with FileLock(path), pytest.raises(TimeoutError):
        FileLock(path, 0.0, clock, clock.sleep).__enter__()
    assert clock.slept == []
    with FileLock(path, 0.0, clock, clock.sleep):
        pass


def test_the_lock_is_free_after_an_error_inside(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "x.lock"), 0.0)
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock:
        pass


def test_a_failed_wait_leaks_no_descriptor(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    with FileLock(path):
        before = os.open(os.devnull, os.O_RDONLY)
        os.close(before)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                FileLock(path, 0.0).__enter__()
        after = os.open(os.devnull, os.O_RDONLY)
        os.close(after)
    assert after == before


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_threads_sharing_one_lock_exclude_each_other(tmp_path: Path, timeout_s: float | None) -> None:
    lock = FileLock(str(tmp_path / "x.lock"), timeout_s)
    inside: list[int] = []
    overlaps: list[int] = []

    def work() -> None:
        for _ in range(20):
            with lock:
                inside.append(1)
                overlaps.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert overlaps == [1] * 120


def test_another_process_excludes_us_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    child = hold_elsewhere(path)
    try:
        with pytest.raises(TimeoutError):
            FileLock(str(path), 0.0).__enter__()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with FileLock(str(path), 0.0):
        assert path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    reading, writing = os.pipe()
    with FileLock(path):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # lives on, with all our open files
            os._exit(0)
    try:
        with FileLock(path, 0.0):
            pass
    finally:
        os.close(reading)
        os.close(writing)
        os.waitpid(child, 0)


def test_a_lock_file_left_by_an_earlier_run_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text("left over")
    with FileLock(str(path), 0.0):
        assert path.read_text() == "left over"


def test_the_directory_is_made_private(tmp_path: Path) -> None:
    with FileLock(str(tmp_path / "new" / "x.lock")):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "new" / "x.lock").stat().st_mode & 0o777 == 0o600
