"""Large request bodies: their duration, over slow lines, too, and the effect of the largest on others."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Optional

from tests.bench.load import HEADERS, PATH, Load, body, measure, session
from tests.bench.paced import BYTES_PER_SEC, upload
from tests.bench.rounds import Bench, medians
from tests.bench.routes import Route, node_route, routes_to
from tests.bench.servers import Server, paced_upstream, upstream
from tests.bench.table import Row, Target

__all__ = ["large_rows", "upload_rows"]

SIZES = (200_000, 2_000_000)  # bytes
PACED = 2_000_000
LARGE = 50_000_000
LARGE_ROUNDS = 3
POLL_SEC = 0.002
TIMEOUT_SEC = 60.0

QUICK = Target("≤ 1.1 × nginx", lambda figures: figures["teamclaude"] <= 1.1 * figures["nginx"])
AT_ONCE = Target("≤ 1.1 × direct", lambda figures: figures["teamclaude"] <= 1.1 * figures["direct"])
LEAN = Target("≤ 2.2 × the body", lambda figures: figures["teamclaude"] <= 2.2 * LARGE / 1e6)
AWAKE = Target("≤ 20 ms", lambda figures: figures["teamclaude"] <= 20)


class Large(NamedTuple):
    """One upload, and the requests to `/health` beside it; times in milliseconds, memory in MB."""

    took: float
    peak: Optional[float]
    health_p99: Optional[float]
    errors: int


def upload_rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory, reads_bodies=True))
        routes = routes_to(api, directory, running)
        rows = []
        for size in SIZES:

            def take(route: Route, size: int = size) -> Load:
                return measure(route, 1, bench.seconds, size)

            title = f"upload of {size / 1e6:g} MB"
            found = bench.measure(title, routes, take)
            rows.append(Row(f"{title}: p50", "µs", medians(found, "p50"), QUICK if size > 10**6 else None))
    return [*rows, _paced_row(bench)]


def _paced_row(bench: Bench) -> Row:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        api = running.enter_context(paced_upstream())
        routes = [*routes_to(api, Path(name), running), *node_route(api, running)]
        title = f"upload of {PACED / 1e6:g} MB, client and API at {8 * BYTES_PER_SEC / 1e6:g} Mbit/s"
        found = bench.measure(title, routes, lambda route: upload(route, PACED))
    return Row(f"{title}: duration", "ms", medians(found, "took"), AT_ONCE)


def large_rows(bench: Bench) -> list[Row]:
    """Run each upload in a new server process, whose peak of memory is read afterwards."""

    def take(route: Route) -> Large:
        return _upload(route)

    rounds = []
    for number in range(LARGE_ROUNDS):
        with tempfile.TemporaryDirectory() as name, ExitStack() as running:
            directory = Path(name)
            api = running.enter_context(upstream(directory, reads_bodies=True))
            routes = routes_to(api, directory, running)
            title = f"upload of {LARGE / 1e6:g} MB, {number + 1} of {LARGE_ROUNDS}"
            rounds.append(bench.measure(title, routes, take, rounds=1))
    found = {route: [each[route][0] for each in rounds] for route in rounds[0]}
    title = f"upload of {LARGE / 1e6:g} MB"
    peak = {route: mb for route, mb in medians(found, "peak").items() if route != "direct"}
    return [
        Row(f"{title}: duration", "ms", medians(found, "took")),
        Row(f"{title}: most memory", "MB", peak, LEAN),
        Row(f"{title}: /health meanwhile, p99", "ms", medians(found, "health_p99"), AWAKE),
    ]


def _upload(route: Route) -> Large:
    content = body(LARGE).encode()
    over = threading.Event()
    answers: list[float] = []
    asking = threading.Thread(target=_ask, args=(route.server, over, answers))
    if route.name == "teamclaude":
        asking.start()
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", route.port, timeout=TIMEOUT_SEC)
    try:
        connection.request("POST", PATH, content, {**HEADERS, "X-Claude-Code-Session-Id": session(1)})
        answer = connection.getresponse()
        answer.read()
    finally:
        over.set()
        connection.close()
    took = 1e3 * (time.perf_counter() - began)
    if route.name == "teamclaude":
        asking.join()
    late = 1e3 * sorted(answers)[len(answers) * 99 // 100] if answers else None
    return Large(took, route.server.peak_mb, late, int(answer.status != 200))


def _ask(server: Server, over: threading.Event, answers: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SEC)
    while not over.wait(POLL_SEC):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        answers.append(time.perf_counter() - began)
    connection.close()
