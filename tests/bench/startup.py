"""Measure the start: time to the first answer, and idle memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.rounds import Bench
from tests.bench.servers import teamclaude, upstream
from tests.bench.table import Row, Target

__all__ = ["startup_rows"]

STARTS = 5
SOON = Target("≤ 200 ms", lambda figures: figures["teamclaude"] <= 200)
SMALL = Target("≤ 30 MB", lambda figures: figures["teamclaude"] <= 30)


def startup_rows(bench: Bench) -> list[Row]:
    bare, started, idle = [], [], []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with upstream(directory) as api:
            for number in range(STARTS):
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", "pass"], check=True)
                bare.append(time.perf_counter() - began)
                home = directory / f"start{number}"
                home.mkdir()
                with teamclaude(home, api.port) as server:
                    started.append(server.started)
                    idle.append(server.resident_mb or 0.0)
    rows = [
        Row("start to first answer", "ms", {"teamclaude": 1e3 * median(started)}, SOON),
        Row("of which a bare interpreter", "ms", {"teamclaude": 1e3 * median(bare)}),
    ]
    return (
        [*rows, Row("resident memory, idle", "MB", {"teamclaude": median(idle)}, SMALL)]
        if all(idle)
        else rows
    )
