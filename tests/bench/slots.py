"""Small JSON requests over more connections than there are slots: three accounts beside sixteen."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.load import Load, measure
from tests.bench.rounds import Bench, medians
from tests.bench.routes import Route
from tests.bench.servers import accounts, teamclaude, upstream
from tests.bench.table import Row, Target

__all__ = ["slot_rows"]

FEW, ACCOUNT_SLOTS = 3, 5
OURS, MANY = "teamclaude", "16 accounts"
CONNECTIONS = (16, 64)
WARM_UP_SEC = 1.0

KEEPS_PACE = Target("≥ 0.9 × 16 accounts", lambda figures: figures[OURS] >= 0.9 * figures[MANY])


def slot_rows(bench: Bench) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        routes = []
        for title, document in ((MANY, {}), (OURS, {"accounts": accounts(FEW)})):
            home = directory / title
            home.mkdir()
            server = teamclaude(home, api.port, ACCOUNT_SLOTS, document=document)
            routes.append(Route(title, running.enter_context(server)))
        for route in routes:
            measure(route, max(CONNECTIONS), WARM_UP_SEC)
        for connections in CONNECTIONS:

            def take(route: Route, connections: int = connections) -> Load:
                return measure(route, connections, bench.seconds, keep_sessions=True)

            at = f"small JSON, {FEW * ACCOUNT_SLOTS} slots, {connections} connections"
            found = bench.measure(at, routes, take)
            rows += [
                Row(f"{at}: p50", "µs", medians(found, "p50")),
                Row(f"{at}: p99", "µs", medians(found, "p99")),
                Row(f"{at}: requests/s", "", medians(found, "per_second"), KEEPS_PACE),
                Row(f"{at}: context switches per request", "", medians(found, "switches")),
            ]
    return rows
