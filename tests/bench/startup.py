"""Measure the start, with history and alerts on: time to the first answer, and memory once all is loaded."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.observed import EVERYTHING
from tests.bench.rounds import Bench
from tests.bench.servers import teamclaude, upstream
from tests.bench.table import Row, Target

__all__ = ["startup_rows"]

STARTS = 5
IDLE_SEC = 10.0  # by then each thread has done its first work; at the first answer none has
SOON = Target("≤ 120 ms", lambda figures: figures["teamclaude"] <= 120)
SMALL = Target("≤ 30 MB", lambda figures: figures["teamclaude"] <= 30)


def startup_rows(bench: Bench) -> list[Row]:
    bare, started, idle = [], [], None
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with upstream(directory) as api:
            for number in range(STARTS):
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", "pass"], check=True)
                bare.append(time.perf_counter() - began)
                home = directory / f"start{number}"
                home.mkdir()
                with teamclaude(home, api.port, document=EVERYTHING) as server:
                    started.append(server.started)
                    if number == STARTS - 1:  # the first start may have compiled all modules
                        time.sleep(IDLE_SEC)
                        idle = server.resident_mb
    rows = [
        Row("start to first answer", "ms", {"teamclaude": 1e3 * median(started)}, SOON),
        Row("of which a bare interpreter", "ms", {"teamclaude": 1e3 * median(bare)}),
    ]
    if idle is not None:
        rows.append(Row(f"resident memory, idle for {IDLE_SEC:g} s", "MB", {"teamclaude": idle}, SMALL))
    return rows
