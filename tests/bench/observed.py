"""What history, metrics and alerts cost: a proxy with all of them beside one without, in the same rounds."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench.load import Load, measure
from tests.bench.rounds import Bench
from tests.bench.routes import Route
from tests.bench.servers import KEY, teamclaude, upstream
from tests.bench.table import Row, Target

__all__ = ["EVERYTHING", "more_percent", "observed_rows"]

EVERYTHING: Mapping[str, object] = {"history": True, "alerts": [{"when": "7d above 99%", "run": ["true"]}]}
NOTHING: Mapping[str, object] = {"history": False}
OURS, WITHOUT = "teamclaude", "without"
CONNECTIONS = (1, 16)
MORE_ROUNDS = 3  # times as many as of other rows: what is looked for is small
SCRAPE_SEC = 5.0  # a third of what is usual
WARM_UP_SEC = 1.0
COUNTED_SEC = 1.5  # after their end, requests have been counted by then
SESSIONS = 64  # that the router knows when a scrape is measured
SCRAPES = 50

SAME = Target("≤ 3 %", lambda figures: figures[OURS] <= 3.0)
QUICK = Target("≤ 5 ms", lambda figures: figures[OURS] <= 5.0)


def observed_rows(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        routes = []
        for title, document in ((WITHOUT, NOTHING), (OURS, EVERYTHING)):
            home = directory / title
            home.mkdir()
            routes.append(Route(title, running.enter_context(teamclaude(home, api.port, document=document))))
        for route in routes:
            measure(route, SESSIONS, WARM_UP_SEC)
        running.enter_context(scraping(routes[1].port))
        for connections in CONNECTIONS:

            def take(route: Route, connections: int = connections) -> Load:
                return measure(route, connections, bench.seconds)

            at = f"with history, metrics and alerts, {connections} connection{'s' if connections > 1 else ''}"
            before = [route.server.cpu_sec for route in routes]
            found = bench.measure(at, routes, take, MORE_ROUNDS * bench.rounds)
            time.sleep(COUNTED_SEC)
            spent = [now - then for now, then in zip(cpu_of(routes), before) if then is not None]
            rows.append(Row(f"{at}: p50, more", "%", {OURS: more_percent(*_column(found, "p50"))}, SAME))
            rate = more_percent(*reversed(_column(found, "per_second")))
            rows.append(Row(f"{at}: time for each, more", "%", {OURS: rate}))
            if len(spent) == len(routes):
                ours, without = (sum(rates) for rates in _column(found, "per_second"))
                busy = more_percent([spent[1] / ours], [spent[0] / without])
                rows.append(Row(f"{at}: processor time, more", "%", {OURS: busy}))
        took = sorted(scrape(routes[1].port) for _ in range(SCRAPES))
        rows.append(Row("a scrape of /metrics after it, p50", "ms", {OURS: 1e3 * median(took)}, QUICK))
    return rows


def _column(found: Mapping[str, Sequence[Load]], figure: str) -> tuple[list[float], list[float]]:
    """Return the figure of each round: with everything, and without."""
    return (
        [getattr(load, figure) for load in found[OURS]],
        [getattr(load, figure) for load in found[WITHOUT]],
    )


def cpu_of(routes: Sequence[Route]) -> list[float]:
    return [route.server.cpu_sec or 0.0 for route in routes]


def more_percent(ours: Sequence[float], without: Sequence[float]) -> float:
    """Return the median of the rounds' ratios, as percent above 1."""
    return 100 * (median(a / b for a, b in zip(ours, without)) - 1)


@contextmanager
def scraping(port: int) -> Iterator[None]:
    """Scrape in the background, as Prometheus does."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(SCRAPE_SEC):
            scrape(port)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def scrape(port: int) -> float:
    """Return the seconds of one scrape over a new connection."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers={"x-teamclaude-key": KEY})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or b"teamclaude_requests_total" not in body:
        raise RuntimeError(f"a scrape was answered {answer.status}")
    return time.perf_counter() - began
