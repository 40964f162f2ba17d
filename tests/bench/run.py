"""What the proxy costs: `make bench` prints one table.

The ways are measured in turn, round after round in one run, so that whatever else the machine does meets
all of them; a figure is the median of its rounds, "added" the median of the rounds' differences to direct.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Optional

from load import Load, generator, measure
from servers import Server, nginx_proxy, nginx_version, teamclaude, upstream
from table import machine, markdown, quantity

CONNECTIONS = (1, 16)
STARTS = 5
WARM_UP_SEC = 1.0

Rounds = dict[tuple[str, int], list[Load]]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=7, metavar="N", help="default: 7")
    options.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each load (1)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        ways = {"direct": api.port}
        other = nginx_proxy(directory, api.port)
        if other is not None:
            ways["nginx"] = running.enter_context(other).port
        starts = [_start(directory / f"start{number}", api.port) for number in range(STARTS)]
        proxy = running.enter_context(_start_proxy(directory / "proxy", api.port))
        ways["teamclaude"] = proxy.port
        idle = proxy.resident_mb
        rounds = _measure(ways, chosen.rounds, chosen.seconds)
        rows = [
            *_latency_rows(rounds, list(ways)),
            *_process_rows(list(ways), idle, proxy.resident_mb, starts),
        ]
    print(f"\n{_heading(chosen.rounds, chosen.seconds)}\n")
    print(markdown(["", *ways, *(f"added by {way}" for way in ways if way != "direct")], rows))
    errors = sum(load.errors for loads in rounds.values() for load in loads)
    if errors:
        print(f"\n{errors} requests were not answered with 200: the figures can't be used", file=sys.stderr)
    return 1 if errors else 0


def _heading(rounds: int, seconds: float) -> str:
    nginx = nginx_version()
    answers = f"upstream nginx {nginx}" if nginx else "upstream Python, no nginx here to compare with"
    return f"{machine()}; load by {generator()}, {answers}; median of {rounds} rounds of {seconds:g} s"


# --- measuring ----------------------------------------------------------------------------------------


def _measure(ways: dict[str, int], rounds: int, seconds: float) -> Rounds:
    for port in ways.values():
        measure(port, max(CONNECTIONS), WARM_UP_SEC)
    found: Rounds = defaultdict(list)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for connections in CONNECTIONS:
            for way, port in ways.items():
                found[way, connections].append(measure(port, connections, seconds))
    return found


def _start(directory: Path, upstream_port: int) -> tuple[float, float]:
    """Seconds that an interpreter takes which does nothing, and the proxy until its first answer."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - began
    with _start_proxy(directory, upstream_port) as server:
        return bare, server.started


def _start_proxy(directory: Path, upstream_port: int) -> Server:
    directory.mkdir()
    return teamclaude(directory, upstream_port)


# --- the table ----------------------------------------------------------------------------------------


def _latency_rows(rounds: Rounds, ways: list[str]) -> list[list[str]]:
    rows = []
    for connections in CONNECTIONS:
        plural = "" if connections == 1 else "s"
        for figure, title, unit in (
            ("p50", "p50", "µs"),
            ("p99", "p99", "µs"),
            ("per_second", "requests/s", ""),
        ):
            values = {way: [getattr(load, figure) for load in rounds[way, connections]] for way in ways}
            cells = [quantity(median(values[way]), unit) for way in ways]
            cells += [_added(values[way], values["direct"], unit) for way in ways if way != "direct"]
            rows.append([f"{title}, {connections} connection{plural}", *cells])
    return rows


def _added(values: list[float], direct: list[float], unit: str) -> str:
    if not unit:
        return ""
    return quantity(median(value - base for value, base in zip(values, direct)), unit)


def _process_rows(
    ways: list[str], idle: Optional[float], after: Optional[float], starts: list[tuple[float, float]]
) -> list[list[str]]:
    bare, started = (1000 * median(column) for column in zip(*starts))
    figures = [
        ("resident memory, idle", quantity(idle, "MB")),
        ("resident memory, after the load", quantity(after, "MB")),
        ("start to first answer", quantity(started, "ms")),
        ("of which a bare interpreter", quantity(bare, "ms")),
    ]
    blank = [""] * (len(ways) - 1)
    return [[title, *blank, value, *blank] for title, value in figures]


if __name__ == "__main__":
    raise SystemExit(main())
