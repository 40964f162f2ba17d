"""Small JSON requests: at one connection what one takes, at many what a full load makes of them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from load import Load, measure
from peers import peers_to
from rounds import Bench, added, medians
from servers import certificate, nginx_version, upstream
from table import Figures, Row, Target
from ways import Way, ways_to

__all__ = ["small_rows", "tls_rows"]

CONNECTIONS = (1, 16, 64)
FEWER = (1, 16)  # for the peers, and by TLS
WARM_UP_SEC = 1.0
PEER_TRIES = 30
NO_PEERS = {"direct", "nginx", "teamclaude"}

Loads = dict[int, dict[str, list[Load]]]  # by connections and way


def _adds_little(figures: Figures) -> bool:
    ours = figures["teamclaude"]
    peers = [figures[way] for way in figures.keys() - NO_PEERS]
    return ours <= min(120.0, 3 * figures["nginx"], *peers)


def _serves_many(figures: Figures) -> bool:
    ours = figures["teamclaude"]
    peers = [figures[way] for way in figures.keys() - NO_PEERS]
    return ours >= max(0.3 * figures["nginx"], *peers, 0.0)


ADDED = Target("≤ 3 × nginx, ≤ 120 µs, ahead of all peers", _adds_little)
LATE = Target("≤ 4 × nginx", lambda figures: figures["teamclaude"] <= 4 * figures["nginx"])
RATE = Target("≥ 0.3 × nginx, ahead of all peers", _serves_many)


def small_rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        api = running.enter_context(upstream(directory))
        ways = ways_to(api, directory, running)
        peers = list(peers_to(api, directory, running)) if bench.peers else []
        loads = _loads(bench, "small JSON", ways, peers, CONNECTIONS)
        proxies = [*ways[1:], *peers]
        memory = {way.name: mb for way in proxies if (mb := way.server.resident_mb) is not None}
    rows = _rows("small JSON", loads, {(1, "added"): ADDED, (16, "p99"): LATE, (16, "per_second"): RATE})
    return [*rows, Row("resident memory after this load", "MB", memory)]


def tls_rows(bench: Bench) -> list[Row]:
    """The same, by TLS to the API; how clients reach the proxies stays plain."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        pem = certificate(directory) if nginx_version() else None
        if pem is None:
            print("TLS is left out: it takes nginx and openssl", file=sys.stderr)
            return []
        api = running.enter_context(upstream(directory, pem))
        ways = ways_to(api, directory, running, ca=pem.cert)
        return _rows("small JSON by TLS", _loads(bench, "small JSON by TLS", ways, [], FEWER), {})


def _loads(
    bench: Bench, title: str, ways: Sequence[Way], peers: Sequence[Way], all_connections: Sequence[int]
) -> Loads:
    for way in ways:
        measure(way, max(FEWER), WARM_UP_SEC)
    peers = [peer for peer in peers if _answers(peer)]
    loads: Loads = {}
    for connections in all_connections:

        def take(way: Way, connections: int = connections) -> Load:
            return measure(way, connections, bench.seconds)

        chosen = [*ways, *peers] if connections in FEWER else ways
        loads[connections] = bench.measure(f"{title}, {connections} connections", chosen, take)
    return loads


def _answers(peer: Way) -> bool:
    """Whether it is warm; some load most of themselves with their first request."""
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
        ):
            if figure == "added" and connections > 1:
                continue
            figures = added(found, "p50") if figure == "added" else medians(found, figure)
            rows.append(Row(f"{at}: {words}", unit, figures, targets.get((connections, figure))))
    return rows
