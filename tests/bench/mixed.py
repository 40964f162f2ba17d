"""What thirty agents do: mostly streams, some small requests, and time to think in between.

    python -m tests.bench.mixed PORT SECONDS          its figures as JSON

Each conversation has one connection and one request at a time; what it asks and how long it thinks is drawn
from a generator of its own, the same in each round and for each route.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Optional

from tests.bench.load import HEADERS, PATH, ROOT, body, session
from tests.bench.rounds import Bench, added, medians
from tests.bench.routes import Route, node_route, routes_to
from tests.bench.servers import stream_upstream
from tests.bench.table import Row

__all__ = ["mixed_rows"]

CONVERSATIONS = 30
STREAMS_SHARE = 0.8
EVENTS, PER_SECOND = 100, 100.0
THINKING_SEC = (0.1, 0.5)
STREAM_PADDING = 20_000  # bytes of a stream's request
SECONDS, ROUNDS = 8.0, 3
GRACE_SEC = 30.0
INFLIGHT = 5


class Met(NamedTuple):
    """What the conversations met; times in milliseconds from a request to its first event."""

    first_p50: float
    first_p99: float
    requests: int
    lasted: float  # seconds
    errors: int


class Taken(NamedTuple):
    first_p50: float
    first_p99: float
    cost: Optional[float]
    """Processor time of 1,000 requests, in milliseconds."""
    switches: Optional[float]
    """Context switches per request."""
    errors: int


def mixed_rows(bench: Bench) -> list[Row]:
    title = f"{CONVERSATIONS} agents: streams of {EVENTS} events, 20 % small"
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        api = running.enter_context(stream_upstream())
        routes = [*routes_to(api, Path(name), running, INFLIGHT), *node_route(api, running)]
        found = bench.measure(title, routes, _take, min(bench.rounds, ROUNDS))
    return [
        Row(f"{title}: first event p50", "ms", medians(found, "first_p50")),
        Row(f"{title}: first event p99", "ms", medians(found, "first_p99")),
        Row(f"{title}: added p99", "ms", added(found, "first_p99")),
        Row(f"{title}: processor, 1,000 requests", "ms", medians(found, "cost")),
        Row(f"{title}: context switches per request", "", medians(found, "switches")),
    ]


def _take(route: Route) -> Taken:
    server, is_proxy = route.server, route.name != "direct"
    line = [sys.executable, "-m", "tests.bench.mixed", str(route.port), str(SECONDS)]
    before = server.cpu_sec
    with ThreadPoolExecutor(1) as beside:
        counted = beside.submit(server.switches_per_sec, 0.2 * SECONDS, 0.6 * SECONDS)
        limit = SECONDS + GRACE_SEC
        out = subprocess.run(line, check=True, capture_output=True, text=True, timeout=limit, cwd=ROOT).stdout
    met, after, switches = Met(*json.loads(out)), server.cpu_sec, counted.result()
    per_sec = met.requests / met.lasted
    known = is_proxy and before is not None and after is not None
    cost = 1e6 * (after - before) / met.requests if known else None  # type: ignore[operator]
    return Taken(
        met.first_p50,
        met.first_p99,
        cost,
        switches / per_sec if is_proxy and switches else None,
        met.errors,
    )


# --- the conversations --------------------------------------------------------------------------------


async def _converse(number: int, port: int, ends: float, first: list[float]) -> int:
    """Ask until `ends` (monotonic); return how many requests were answered, `first` gets their times."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    draw = random.Random(number)
    asked = 0
    while True:
        await asyncio.sleep(draw.uniform(*THINKING_SEC))
        if time.monotonic() >= ends:
            writer.close()
            return asked
        is_stream = draw.random() < STREAMS_SHARE
        began = time.monotonic()
        writer.write(_request(number, port, is_stream))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200 "):
            raise ConnectionError(head.partition(b"\r\n")[0].decode("latin-1"))
        if is_stream:
            first.append(await _read_stream(reader) - began)
        else:
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        asked += 1


async def _read_stream(reader: asyncio.StreamReader) -> float:
    """Read a chunked body to its end; return when its first event was there (monotonic)."""
    first = 0.0
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(size + 2)
        first = first or time.monotonic()
    await reader.readexactly(2)
    return first


def _request(number: int, port: int, is_stream: bool) -> bytes:
    content = body(STREAM_PADDING if is_stream else 0)
    fields = {**HEADERS, "X-Claude-Code-Session-Id": session(number)}
    if is_stream:
        fields["X-Bench"] = f"{EVENTS}/{PER_SECOND}"
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    length = f"Host: 127.0.0.1:{port}\r\nContent-Length: {len(content)}\r\n\r\n"
    return f"POST {PATH} HTTP/1.1\r\n{head}{length}{content}".encode()


async def _load(port: int, seconds: float) -> Met:
    first: list[float] = []
    began = time.monotonic()
    conversations = (
        _converse(number, port, began + seconds, first) for number in range(1, CONVERSATIONS + 1)
    )
    asked = await asyncio.gather(*conversations, return_exceptions=True)
    lasted = time.monotonic() - began
    answered = [count for count in asked if isinstance(count, int)]
    late = sorted(first) or [0.0]
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    return Met(1e3 * p50, 1e3 * p99, max(1, sum(answered)), lasted, len(asked) - len(answered))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_load(int(sys.argv[1]), float(sys.argv[2])))))
