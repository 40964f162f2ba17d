"""Measure what the Deck costs: processor time when idle, a frame at 300 sessions, its effect on requests.

    python -m tests.bench.deck [--seconds S]          Markdown lines; about 3 minutes

The server with its Deck runs on a terminal of its own (120x40), in a home with 2,000 transcripts.
"""

from __future__ import annotations

import argparse
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.ui import DeckUi
from tests.bench import load, servers
from tests.bench.routes import Route
from tests.deck.claude_home import ClaudeHome, session_id
from tests.deck.snapshot_json import binding, deck, request, sid

TRANSCRIPTS, SESSIONS, MANY = 2000, 30, 300
ROUNDS = 5
SIZE = (120, 40)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of idling (60)")
    seconds = options.parse_args().seconds
    model, draw = frames()
    print(f"- a frame at {MANY} sessions, {SIZE[0]}x{SIZE[1]}: model {model:.1f} ms, drawing {draw:.1f} ms")
    with tempfile.TemporaryDirectory(prefix="teamclaude-bench-") as path, ExitStack() as stack:
        home = Path(path)
        fill(home)
        upstream = stack.enter_context(servers.upstream(home))
        headless = stack.enter_context(servers.teamclaude(made(home / "plain"), upstream.port))
        shown = stack.enter_context(Shown(home, made(home / "deck"), upstream.port))
        share = shown.idle_share(seconds)
        print(
            f"- idle {seconds:.0f} s, {SESSIONS} sessions, {TRANSCRIPTS:,} transcripts: {share:.2%} of a core"
        )
        for connections in (1, 16):
            without, beside = paired_p99((headless, shown), connections)
            print(f"- p99 at {connections} connections: without {without:.2f} ms, with it {beside:.2f} ms")
    return 0


def paired_p99(pair: tuple[servers.Server, Shown], connections: int) -> list[float]:
    """Return the median p99 of each server in ms, measured in turn."""
    routes = [Route("", cast("servers.Server", each)) for each in pair]  # only the port is read
    rounds = [[load.measure(route, connections, 2.0).p99 / 1e3 for route in routes] for _ in range(ROUNDS)]
    return [statistics.median(figures) for figures in zip(*rounds)]


def made(path: Path) -> Path:
    path.mkdir()
    return path


def frames() -> tuple[float, float]:
    """Return the median processor time in ms of the model and of the lines of one frame."""
    state = deck(*(binding(sid(n)) for n in range(MANY)), activity=[request(sid(n)) for n in range(100)])
    model = statistics.median(spent(lambda: deck_model(state)) for _ in range(50))
    board = DeckUi(deck_model(state))
    return model, statistics.median(spent(lambda: board.draw(*SIZE)) for _ in range(50))


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def fill(home: Path) -> None:
    """Write Claude Code's directory as it is after some months: 30 present sessions, the rest older."""
    claude = ClaudeHome(home / ".claude")
    now = time.time()
    for number in range(TRANSCRIPTS):
        recent = number < SESSIONS
        at = now - 60 if recent else now - 3600 * (1 + number)
        claude.transcript(session_id(number + 1), at, title=f"Session {number}")
        if recent:
            claude.register(
                session_id(number + 1), emoji="🦜", pid=os.getpid(), intent="work", started=now - 900
            )


class Shown:
    """The server with its Deck on a pseudo-terminal whose output is read."""

    def __init__(self, home: Path, directory: Path, upstream_port: int, inflight: int = 5) -> None:
        self.port, env = servers.configured(directory, upstream_port, inflight)
        master, slave = pty.openpty()
        shown = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        size = {"COLUMNS": str(SIZE[0]), "LINES": str(SIZE[1])}
        env = {**env, **shown, **size, "HOME": str(home)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "teamclaude", "server"], stdin=slave, stdout=slave, stderr=slave, env=env
        )
        self.painted = 0
        threading.Thread(target=self._read, args=(master,), daemon=True).start()
        deadline = time.monotonic() + 20
        while not self.painted and time.monotonic() < deadline:
            time.sleep(0.01)

    def _read(self, master: int) -> None:
        while True:
            try:
                self.painted += len(os.read(master, 1 << 16))
            except OSError:
                return

    def switches_per_sec(self, after: float, during: float) -> None:
        """Return None: they are not counted here."""

    def idle_share(self, seconds: float) -> float:
        """Return the share of one core, measured after the disk has been read for the first time."""
        time.sleep(10)
        clock = (~self._child.pid << 3) | 2  # Linux: the clock of a process
        began, before = time.monotonic(), time.clock_gettime(clock)
        time.sleep(seconds)
        return (time.clock_gettime(clock) - before) / (time.monotonic() - began)

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(10)


if __name__ == "__main__":
    raise SystemExit(main())
