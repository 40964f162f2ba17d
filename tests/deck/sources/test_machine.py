"""The gauges of this machine, from a /proc made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamclaude.deck.sources.machine import MachineLoadReader
from teamclaude.deck.sources.sources import MachineLoad

MEMORY = "MemTotal:       16000 kB\nMemFree:  100 kB\nMemAvailable:    4000 kB\nBuffers: 1 kB\n"


def write(proc: Path, stat: str, memory: str = MEMORY) -> None:
    (proc / "meminfo").write_text(memory)
    (proc / "stat").write_text(f"{stat}\ncpu0 1 2 3 4\nintr 5\n")


def test_memory_is_what_is_not_available(tmp_path: Path) -> None:
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    assert MachineLoadReader(str(tmp_path)).read() == MachineLoad(ram=0.75, cpu=None)


def test_processors_are_busy_with_what_is_neither_idle_nor_waiting(tmp_path: Path) -> None:
    gauges = MachineLoadReader(str(tmp_path))
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    gauges.read()
    write(tmp_path, "cpu  140 5 140 850 150 10 5 0 0 0")
    assert gauges.read().cpu == 0.328125  # 100 of 300, in steps of 1/64
    assert gauges.read().cpu is None  # no time has passed
    write(tmp_path, "cpu  100 0 100 700 100 0 0 0 0 0")
    assert gauges.read().cpu is None  # started anew


@pytest.mark.parametrize(
    "text", ["", "MemTotal: 5 kB\n", "MemTotal: x\nMemAvailable: y\n", "MemTotal: 0\nMemAvailable: 0\n"]
)
def test_memory_that_cant_be_told_is_unknown(tmp_path: Path, text: str) -> None:
    write(tmp_path, "cpu", text)
    assert MachineLoadReader(str(tmp_path)).read() == MachineLoad(None, None)


def test_another_system_has_no_gauges(tmp_path: Path) -> None:
    assert MachineLoadReader(str(tmp_path / "none")).read() == MachineLoad(None, None)
