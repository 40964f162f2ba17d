"""The whole demo in two and a half seconds: the real proxy between fake sessions and the fake API."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import stat
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teamclaude.demo import runner
from teamclaude.demo.runner import DemoOptions

run_demo = partial(runner.run_demo, render_request=lambda activity: activity.id)

QUICK = DemoOptions(sessions=6, accounts=3, speed=240.0, seconds=2.5)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_short_run_shows_bindings_a_limit_a_failover_and_a_reset(scratch: Path) -> None:
    out = io.StringIO()
    assert run_demo(QUICK, out) == 0
    text = out.getvalue()
    # Beside other load the last of them have not begun when the time is over.
    assert 3 <= len(re.findall(r"· bound to \w+: new session", text)) <= 6
    assert re.search(r"LIMIT alice: the 5h window is full \(102%\)", text)
    assert re.search(r"· (failover alice → \w+|moved alice → \w+): ", text)
    assert "RESET alice" in text
    assert re.search(
        r"^its page: teamclaude web --port (\d+) · its metrics: http://\S+:\1/metrics$", text, re.M
    )
    assert re.search(r"client-visible errors       0 \(0 while an account was usable\)", text)
    requests, served = (
        int(re.search(rf"^  {name} +([\d,]+)$", text, re.M).group(1).replace(",", ""))  # type: ignore[union-attr]
        for name in ("requests", "served")
    )
    assert requests == served > 50
    assert list(scratch.iterdir()) == [], "nothing is left behind"
    assert "sk-ant" not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_the_table_and_leaves_nothing(scratch: Path, number: int) -> None:
    out = io.StringIO()
    options = DemoOptions(sessions=1, accounts=1, speed=400.0)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    before = signal.getsignal(number)

    def refused(*_: object) -> None:
        raise AssertionError("the signal came before or after the run")

    signal.signal(number, refused)
    try:
        timer.start()
        assert run_demo(options, out) == 0
        assert signal.getsignal(number) is refused
    finally:
        signal.signal(number, before)
    assert "1 session, 0 s" in out.getvalue()
    assert list(scratch.iterdir()) == []


def test_the_config_is_private_and_ctrl_c_ends_in_the_table(scratch: Path) -> None:
    found: dict[str, Any] = {}

    def interrupted(server: Any, finished: threading.Event) -> None:
        (directory,) = scratch.iterdir()
        path = directory / "teamclaude.json"
        found["mode"] = stat.S_IMODE(os.stat(path).st_mode)
        found["config"] = json.loads(path.read_text())
        found["accounts"] = [account.name for account in server.snapshot().accounts]
        assert not finished.is_set()
        raise KeyboardInterrupt

    out = io.StringIO()
    assert run_demo(QUICK, out, deck=interrupted) == 0
    assert found["mode"] == 0o600
    assert found["config"]["upstream"].startswith("http://127.0.0.1:")
    assert found["accounts"] == ["alice", "bob", "carol"]
    assert out.getvalue().lstrip().startswith("6 sessions, "), "with a deck only the table is printed"
    assert list(scratch.iterdir()) == []


class OneLineSampler:
    def __init__(self) -> None:
        self.seen: list[tuple[int, bool]] = []

    def sample(self, server: Any) -> None:
        disk = server.config_file.path.parent / "claude" / "state" / "sessions.json"
        self.seen.append((len(server.snapshot().accounts), disk.exists()))

    def lines(self) -> list[str]:
        return [f"looked {len(self.seen)} times"]


def test_the_deck_ends_with_the_run_and_the_samplers_lines_are_printed(scratch: Path) -> None:
    out, sampler = io.StringIO(), OneLineSampler()
    options = DemoOptions(sessions=1, accounts=2, speed=400.0, seconds=0.2)
    seen: list[bool] = []
    assert (
        run_demo(options, out, sampler=sampler, deck=lambda server, finished: seen.append(finished.wait(5)))
        == 0
    )
    assert seen == [True]
    assert sampler.seen
    assert set(sampler.seen) == {(2, True)}
    assert f"looked {len(sampler.seen)} times\n" in out.getvalue()


def test_an_avoidable_error_is_exit_status_1(scratch: Path) -> None:
    def killed(server: Any, finished: threading.Event) -> None:
        server.stop(0)
        finished.wait(5)

    out = io.StringIO()
    options = DemoOptions(sessions=1, accounts=1, speed=2000.0, seconds=2.0)
    assert run_demo(options, out, deck=killed) == 1
    assert re.search(
        r"client-visible errors +[1-9].* × .*; [1-9]\d* while an account was usable", out.getvalue()
    )


def test_a_closed_pipe_ends_the_demo_quietly(scratch: Path) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    before = threading.active_count()
    assert run_demo(QUICK, Closed()) == 0
    assert list(scratch.iterdir()) == []
    assert threading.active_count() < before + 20
