"""The process: what the system tells, and nothing where it does not."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any

import pytest

from teamclaude.metrics import families as f
from teamclaude.metrics import process_metrics
from teamclaude.metrics.exposition import Collection, Family
from teamclaude.metrics.process_metrics import add_process


def samples() -> dict[Family, dict[tuple[str, ...], Any]]:
    to = Collection()
    add_process(to)
    return to.families


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_process_on_linux() -> None:
    before = samples()
    with open(os.devnull), open(os.devnull):
        after = samples()
    assert after[f.PROCESS_FDS][()] == before[f.PROCESS_FDS][()] + 2
    assert 0 < after[f.PROCESS_RESIDENT][()] < after[f.PROCESS_VIRTUAL][()]
    assert after[f.PROCESS_CPU][()] > 0
    assert after[f.PROCESS_START][()] < time.time()
    assert after[f.PROCESS_FDS][()] < after[f.PROCESS_MAX_FDS][()]
    assert after[f.PYTHON] == {(platform.python_implementation(), platform.python_version()): 1}


def test_a_system_that_tells_nothing_leaves_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(process_metrics, "open", refuse, raising=False)
    monkeypatch.setattr("os.listdir", refuse)
    monkeypatch.setattr(process_metrics, "resource", None)
    monkeypatch.setattr("platform.python_implementation", lambda: "PyPy")
    found = samples()
    absent = {f.PROCESS_FDS, f.PROCESS_MAX_FDS, f.PROCESS_VIRTUAL, f.PROCESS_RESIDENT, f.PROCESS_START}
    assert not {*absent, f.GC_COLLECTIONS} & set(found)
    assert {f.PROCESS_CPU, f.PROCESS_THREADS, f.PYTHON} <= set(found)
