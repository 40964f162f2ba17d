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

import routing
from load import Load, generator, measure
from servers import Server, nginx_proxy, nginx_version, stream_upstream, teamclaude, upstream
from sse import measure_streams
from table import machine, markdown, quantity

CONNECTIONS = (1, 16, 64)
UPLOADS = (200_000, 2_000_000)  # bytes
PACED = (200, 250, 50.0)  # streams, events of each, events per second
MANY = (1_000, 5, 1.0)
MOST_STREAMS = 1_000  # at once on one account
STARTS = 5
WARM_UP_SEC = 1.0

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

Rounds = dict[tuple[str, int, int], list[Load]]  # by way, connections and padding


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=7, metavar="N", help="default: 7")
    options.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each load (1)")
    chosen = options.parse_args()
    _raise_limit()
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
            *_upload_rows(rounds, list(ways)),
            *_process_rows(list(ways), idle, proxy.resident_mb, starts),
        ]
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        rows += _stream_rows(Path(name), running, list(ways))
    print(f"\n{_heading(chosen.rounds, chosen.seconds)}\n")
    print(markdown(["", *ways, *(f"added by {way}" for way in ways if way != "direct")], rows))
    print(f"\nA routing decision:\n\n{markdown(routing.HEADS, routing.routing_rows())}")
    errors = {key: sum(load.errors for load in loads) for key, loads in rounds.items()}
    errors = {key: count for key, count in errors.items() if count}
    for (way, connections, padding), count in errors.items():
        met = f"{way}, {connections} connections, {padding} bytes more"
        print(f"{met}: {count} errors or time-outs: the figures can't be used", file=sys.stderr)
    return 1 if errors else 0


def _heading(rounds: int, seconds: float) -> str:
    nginx = nginx_version()
    answers = f"upstream nginx {nginx}" if nginx else "upstream Python, no nginx here to compare with"
    return f"{machine()}; load by {generator()}, {answers}; median of {rounds} rounds of {seconds:g} s"


def _raise_limit() -> None:
    """A thousand streams need more descriptors than a shell gives; the children inherit the limit."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- measuring ----------------------------------------------------------------------------------------


def _measure(ways: dict[str, int], rounds: int, seconds: float) -> Rounds:
    for port in ways.values():
        measure(port, max(CONNECTIONS), WARM_UP_SEC)
    found: Rounds = defaultdict(list)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for connections, padding in [*((each, 0) for each in CONNECTIONS), *((1, size) for size in UPLOADS)]:
            for way, port in ways.items():
                found[way, connections, padding].append(measure(port, connections, seconds, padding))
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
            values = {way: [getattr(load, figure) for load in rounds[way, connections, 0]] for way in ways}
            rows.append([f"{title}, {connections} connection{plural}", *_cells(values, unit)])
    return rows


def _upload_rows(rounds: Rounds, ways: list[str]) -> list[list[str]]:
    rows = []
    for size in UPLOADS:
        values = {way: [load.p50 for load in rounds[way, 1, size]] for way in ways}
        rows.append([f"p50, upload of {size / 1e6:g} MB", *_cells(values, "µs")])
    return rows


def _cells(values: dict[str, list[float]], unit: str) -> list[str]:
    cells = [quantity(median(figures), unit) for figures in values.values()]
    return cells + [_added(values[way], values["direct"], unit) for way in values if way != "direct"]


def _stream_rows(directory: Path, running: ExitStack, ways: list[str]) -> list[list[str]]:
    """One run of each: paced streams are many samples by themselves."""
    api = running.enter_context(stream_upstream())
    servers = {"direct": api}
    other = nginx_proxy(directory, api.port) if "nginx" in ways else None
    if other is not None:
        servers["nginx"] = running.enter_context(other)
    proxy_home = directory / "proxy"
    proxy_home.mkdir()
    servers["teamclaude"] = running.enter_context(teamclaude(proxy_home, api.port, MOST_STREAMS))
    rows = []
    for streams, events, rate in (PACED, MANY):
        title = f"{streams:,} streams × {rate:g}/s"
        found, busy, memory = {}, {}, {}
        for way, server in servers.items():
            print(f"{title}: {way}", file=sys.stderr)
            before = server.cpu_sec
            found[way] = measure_streams(server.port, streams, events, rate)
            after, lasted = server.cpu_sec, streams * events / max(1.0, found[way].per_second)
            busy[way] = None if before is None or after is None else 100 * (after - before) / lasted
            memory[way] = server.resident_mb
        for figure, words in (
            ("delay_p50", "delay of an event p50"),
            ("delay_p99", "delay p99"),
            ("first_p99", "first event p99"),
        ):
            values = {way: [getattr(figures, figure)] for way, figures in found.items()}
            rows.append([f"{title}, {words}", *_cells(values, "ms")])
        blank = [""] * (len(servers) - 1)
        rows.append([f"{title}, processor", "", *(quantity(busy[way], "%") for way in ways[1:]), *blank])
        rows.append([f"{title}, memory", "", *(quantity(memory[way], "MB") for way in ways[1:]), *blank])
        errors = {way: figures.errors for way, figures in found.items() if figures.errors}
        if errors:
            rows.append([f"{title}, ERRORS", *(str(errors.get(way, 0)) for way in ways), *blank])
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
