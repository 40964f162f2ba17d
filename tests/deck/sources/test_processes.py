"""Whether a process lives: this one does, one that ended or began later does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from teamclaude.deck.sources.processes import process_lives

NOW = time.time()
ME = os.getpid()


def test_this_process_lives() -> None:
    assert process_lives(ME, NOW + 60)


def test_a_process_that_ended_does_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(30)
    assert not process_lives(child.pid, NOW)


@pytest.mark.parametrize("pid", [0, -1, 1 << 40])
def test_what_is_no_process_does_not(pid: int) -> None:
    assert not process_lives(pid, NOW)


def test_one_that_began_after_the_file_was_written_is_another_one(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    (tmp_path / "stat").write_bytes(b"cpu 1 2\nbtime 1000000\nprocesses 5\n")
    (tmp_path / str(ME)).mkdir()
    name = b"(a) R ) b"  # what a name may hold
    (tmp_path / str(ME) / "stat").write_bytes(
        b"%d (%s) S " % (ME, name) + b"1 " * 18 + b"%d 0 0\n" % (500 * ticks)
    )
    assert process_lives(ME, 1_000_500.0, str(tmp_path))
    assert process_lives(ME, 1_000_450.0, str(tmp_path)), "the clock may have been set"
    assert not process_lives(ME, 1_000_300.0, str(tmp_path))


def test_without_proc_it_lives(tmp_path: Path) -> None:
    assert process_lives(ME, 0.0, str(tmp_path))
