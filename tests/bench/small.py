"""Small JSON requests: the latency of one connection, and many connections under full load."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.load import Load, measure
from tests.bench.peers import peers_to
from tests.bench.rounds import Bench, added, medians
from tests.bench.routes import Route, node_route, routes_to
from tests.bench.servers import certificate, nginx_version, upstream
from tests.bench.table import Figures, Row, Target

__all__ = ["small_rows", "tls_rows"]

CONNECTIONS = (1, 16, 64)
FEWER = (1, 16)  # for the peers, and by TLS
WARM_UP_SEC = 1.0
PEER_TRIES = 30
NO_PEERS = {"direct", "nginx", "node", "teamclaude"}

Loads = dict[int, dict[str, list[Load]]]  # by connections and route


def _adds_little(figures: Figures) -> bool:
    ours = figures["teamclaude"]
    peers = [figures[route] for route in figures.keys() - NO_PEERS]
    return ours <= min(90.0, 2.5 * figures["nginx"], *peers)


def _serves_many(figures: Figures) -> bool:
    ours = figures["teamclaude"]
    peers = [figures[route] for route in figures.keys() - NO_PEERS]
    return ours >= max(0.3 * figures["nginx"], figures["node"], *peers)


def _times_node(factor: float) -> Target:
    words = f"≥ {factor:g} × node"
    return Target(words, lambda figures: figures["teamclaude"] >= factor * figures["node"])


ADDED = Target("≤ 2.5 × nginx, ≤ 90 µs, ahead of all peers", _adds_little)
LATE = Target("≤ 3 × nginx", lambda figures: figures["teamclaude"] <= 3 * figures["nginx"])
RATE = Target("≥ 0.3 × nginx, ≥ 1 × node, ahead of all peers", _serves_many)
TARGETS = {
    (1, "added"): ADDED,
    (1, "per_second"): _times_node(1.3),
    (16, "p99"): LATE,
    (16, "per_second"): RATE,
    (64, "per_second"): _times_node(1.0),
}


def small_rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        routes = [*routes_to(api, directory, running), *node_route(api, running)]
        peers = list(peers_to(api, directory, running)) if bench.peers else []
        loads = _loads(bench, "small JSON", routes, peers, CONNECTIONS)
        proxies = [*routes[1:], *peers]
        memory = {route.name: mb for route in proxies if (mb := route.server.resident_mb) is not None}
    rows = _rows("small JSON", loads, TARGETS)
    return [*rows, Row("resident memory after this load", "MB", memory)]


def tls_rows(bench: Bench) -> list[Row]:
    """Measure the same with TLS to the API; clients still reach the proxies without TLS."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        pem = certificate(directory) if nginx_version() else None
        if pem is None:
            print("TLS is left out: it takes nginx and openssl", file=sys.stderr)
            return []
        api = running.enter_context(upstream(directory, pem))
        routes = routes_to(api, directory, running, ca=pem.cert)
        return _rows("small JSON by TLS", _loads(bench, "small JSON by TLS", routes, [], FEWER), {})


def _loads(
    bench: Bench, title: str, routes: Sequence[Route], peers: Sequence[Route], all_connections: Sequence[int]
) -> Loads:
    for route in routes:
        measure(route, max(FEWER), WARM_UP_SEC)
    peers = [peer for peer in peers if _answers(peer)]
    loads: Loads = {}
    for connections in all_connections:

        def take(route: Route, connections: int = connections) -> Load:
            return measure(route, connections, bench.seconds)

        chosen = [*routes, *peers] if connections in FEWER else routes
        loads[connections] = bench.measure(f"{title}, {connections} connections", chosen, take)
    return loads


def _answers(peer: Route) -> bool:
    """Warm a route up; some proxies load most of their code with the first request."""
    if any(measure(peer, max(FEWER), WARM_UP_SEC).per_second for _ in range(PEER_TRIES)):
        return True
    print(f"{peer.name} is left out: it answers nothing", file=sys.stderr)
    return False


def _rows(title: str, loads: Loads, targets: dict[tuple[int, str], Target]) -> list[Row]:
    rows = []
    for connections, found in loads.items():
        at = f"{title}, {connections} connection{'s' if connections > 1 else ''}"
        for figure, words, unit in (
            ("p50", "p50", "µs"),
            ("added", "added p50", "µs"),
            ("p99", "p99", "µs"),
            ("per_second", "requests/s", ""),
            ("switches", "context switches per request", ""),
        ):
            if figure == "added" and connections > 1:
                continue
            figures = added(found, "p50") if figure == "added" else medians(found, figure)
            if figure == "switches":
                figures = {route: count for route, count in figures.items() if route != "direct"}
            rows.append(Row(f"{at}: {words}", unit, figures, targets.get((connections, figure))))
    return rows
