"""The progress bar."""

from __future__ import annotations

import sys

import pytest

from teamclaude.cli.lab.progress import Progress


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], runs: int, took: float) -> str:
    """Return what is shown after the first of `runs` runs, which took so many seconds."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = [100.0]
    progress = Progress(runs, lambda: now[0])
    progress.update(0.0)
    now[0] += took
    progress.run_done()
    lines = capsys.readouterr().err.split("\r")
    progress.clear()
    assert capsys.readouterr().err.strip("\r ") == ""
    return lines[-1].strip()


@pytest.mark.parametrize(
    ("runs", "took", "words"),
    [
        (4, 10.0, "run 2 of 4 about 30 s left"),
        (11, 30.0, "run 2 of 11 about 5 minutes left"),
        (1, 10.0, "run 1 of 1"),
    ],
)
def test_the_time_that_is_left_is_told(monkeypatch, capsys, runs, took, words):
    assert shown(monkeypatch, capsys, runs, took).endswith(words)


def test_nothing_is_shown_if_nobody_looks(capsys):
    progress = Progress(2, lambda: 0.0)
    progress.update(0.5)
    progress.run_done()
    progress.clear()
    assert capsys.readouterr().err == ""
