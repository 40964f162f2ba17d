"""Clients with TLS: what an event and a handshake cost, beside the same without."""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple, Optional

from tests.bench.rounds import Bench, medians
from tests.bench.routes import Route
from tests.bench.servers import Server, certificate, stream_upstream, teamclaude
from tests.bench.sse import Secure, measure_streams, open_tunnel
from tests.bench.table import Row, Target

__all__ = ["client_tls_rows"]

STREAMS, EVENTS, RATE = 100, 500, 50.0  # ten seconds: a turn of a model
HOST = "api.anthropic.com"
INFLIGHT = 200  # on one account
HANDSHAKES = 100
OURS = "teamclaude"  # without TLS
TUNNEL = "first-party"
ROUNDS = 2

CHEAP = Target("≤ 1.6 × plain", lambda figures: max(figures.values()) <= 1.6)
QUICK = Target("≤ 5 ms", lambda figures: max(figures.values()) <= 5.0)


class Taken(NamedTuple):
    """The cost of one event in microseconds, and the delay of events in milliseconds."""

    cost: Optional[float]
    delay_p99: float
    errors: int


class Shaken(NamedTuple):
    """Milliseconds of handshakes, as the client sees them and of the server's processor."""

    full: float
    resumed: float
    full_busy: Optional[float]
    resumed_busy: Optional[float]
    errors: int


def client_tls_rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        pem = certificate(directory)
        if pem is None:
            print("clients with TLS are left out: that takes openssl", file=sys.stderr)
            return []
        api = running.enter_context(stream_upstream())

        def start(kind: str, **more: object) -> Route:
            home = directory / kind
            home.mkdir()
            return Route(kind, running.enter_context(teamclaude(home, api.port, INFLIGHT, more=more)))

        plain = start(OURS)
        tls = start("proxy.tls", tls={"cert": str(pem.cert), "key": str(pem.key)})
        tunnel = start(TUNNEL, forward=True)
        secure = {
            tls.name: Secure(pem.cert),
            tunnel.name: Secure(directory / tunnel.name / "teamclaude.tls" / "ca.pem", HOST),
        }
        return [
            *_stream_rows(bench, [plain, tls, tunnel], secure),
            *_handshake_rows(bench, [tls, tunnel], secure),
        ]


def _stream_rows(bench: Bench, routes: list[Route], secure: dict[str, Secure]) -> list[Row]:
    title = f"{STREAMS} streams of {RATE:g} events/s, the client by TLS"

    def take(route: Route) -> Taken:
        before = route.server.cpu_sec
        found = measure_streams(route.port, STREAMS, EVENTS, RATE, secure.get(route.name))
        after = route.server.cpu_sec
        known = before is not None and after is not None
        cost = 1e6 * (after - before) / (STREAMS * EVENTS) if known else None  # type: ignore[operator]
        return Taken(cost, found.delay_p99, found.errors)

    found = bench.measure(title, routes, take, min(bench.rounds, ROUNDS))
    costs = medians(found, "cost")
    rows = [
        Row(f"{title}: processor for an event", "µs", costs),
        Row(f"{title}: delay p99", "ms", medians(found, "delay_p99")),
    ]
    if OURS in costs:
        ratios = {name: cost / costs[OURS] for name, cost in costs.items()}
        rows.append(Row(f"{title}: × plain", "", ratios, CHEAP))
    return rows


def _handshake_rows(bench: Bench, routes: list[Route], secure: dict[str, Secure]) -> list[Row]:
    def take(route: Route) -> Shaken:
        return _shake(route.server, secure[route.name])

    found = bench.measure("TLS handshakes", routes, take, min(bench.rounds, ROUNDS))
    rows = []
    for figure, words, target in (
        ("full", "full", None),
        ("resumed", "resumed", QUICK),
        ("full_busy", "full, processor", None),
        ("resumed_busy", "resumed, processor", None),
    ):
        figures = {OURS if name == TUNNEL else name: ms for name, ms in medians(found, figure).items()}
        rows.append(Row(f"TLS handshake of a first-party client: {words}", "ms", figures, target))
    return rows


def _connection(port: int, tunnel_to: str) -> socket.socket:
    if tunnel_to:
        sock = open_tunnel(port, tunnel_to)
        sock.settimeout(10.0)
    else:
        sock = socket.create_connection(("127.0.0.1", port), 10.0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _shake(server: Server, secure: Secure) -> Shaken:
    context = ssl.create_default_context(cafile=str(secure.ca))
    session: Optional[ssl.SSLSession] = None
    times: dict[bool, list[float]] = {}
    busy: dict[bool, Optional[float]] = {}
    errors = 0
    for resuming in (False, True):
        times[resuming] = []
        before = server.cpu_sec
        for _ in range(HANDSHAKES):
            sock = _connection(server.port, secure.tunnel_to)
            began = time.perf_counter()
            name, offered = secure.tunnel_to or "localhost", session if resuming else None
            with context.wrap_socket(sock, server_hostname=name, session=offered) as client:
                times[resuming].append(time.perf_counter() - began)
                client.sendall(f"GET /health HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                while client.recv(65536):
                    pass
                errors += client.session_reused is not resuming
                session = client.session
        after = server.cpu_sec
        busy[resuming] = None if before is None or after is None else 1e3 * (after - before) / HANDSHAKES
    return Shaken(1e3 * median(times[False]), 1e3 * median(times[True]), busy[False], busy[True], errors)
