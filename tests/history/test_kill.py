"""kill -9 at any moment: the file opens, and all but the last seconds is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from teamclaude.history.database import open_to_write
from teamclaude.history.reader import HistoryReader

from .conftest import NOON, assert_totals_agree

WRITER = """
import sys
from teamclaude.history import writer
from teamclaude.history.issue_totals import IssueTotals
from teamclaude.history.retention import Limits
from teamclaude.history.rows import RequestFacts
from teamclaude.routing.quota.usage import Usage
writer.WRITE_SEC = 0.0
made = writer.HistoryWriter(sys.argv[1], Limits(), IssueTotals(86400.0), 86400.0, print)
made.start()
number = 0
while True:
    number += 1
    made.add(RequestFacts(1.8e9 + number % 9000, "a", "m", f"s{number % 50}", usage=Usage(1)))
    if number % 100 == 0:
        print(number, made.view.bytes, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("lines", [1, 5, 40, 150])
def test_a_killed_writer_leaves_a_good_file(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "x.history.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.split()[1] != "0":  # it has written
                lines -= 1
            if not lines:
                break
        os.kill(process.pid, signal.SIGKILL)
    database = open_to_write(str(path), pytest.fail, lambda: NOON)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (in_usage,) = database.execute("SELECT sum(requests) FROM usage").fetchone()
    assert database.execute("SELECT sum(requests) FROM days").fetchone() == (in_usage,)
    assert_totals_agree(database)
    database.close()
    with HistoryReader(str(path)) as reader:
        assert sum(row.totals.requests for row in reader.usage()) == (in_usage or 0)
