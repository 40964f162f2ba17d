"""Event streams: many at once, paced like a model's output, and as fast as possible."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Optional, cast

from tests.bench.rounds import Bench, added, medians
from tests.bench.routes import Route, routes_to
from tests.bench.servers import Server, stream_upstream
from tests.bench.sse import measure_streams
from tests.bench.table import Figures, Row, Target

try:
    from tests.bench import deck, page
except ImportError:  # Windows
    deck = None  # type: ignore[assignment]

__all__ = ["stream_rows"]

UNPACED = (200, 100, 0.0)  # streams, events of each, events per second
PACED = (200, 200, 50.0)
MANY = (1_000, 3, 1.0)
MOST_STREAMS = 1_000  # at once on one account
WATCHED = "watched"  # with its Deck on a terminal and three pages open
MOST_ROUNDS = 3  # one is many samples by itself


class Taken(NamedTuple):
    """The result of streams (times in milliseconds), and their cost."""

    delay_p50: float
    delay_p99: float
    first_p99: float
    per_second: float
    errors: int
    busy: Optional[float]
    """Percent of a core."""
    memory: Optional[float]
    """Resident, in MB, when they have ended."""
    threads: Optional[float]


class At(NamedTuple):
    """Return a row of one kind of stream."""

    figure: str
    words: str
    unit: str
    target: Optional[Target] = None


def _at_most(limit: float, words: str) -> Target:
    return Target(words, lambda figures: figures["teamclaude"] <= limit)


def _is_steady(figures: Figures) -> bool:
    return max(figures["teamclaude"], figures[WATCHED]) <= 3.0


STEADY = Target("≤ 3 ms, watched, too", _is_steady)
SHAPES = {
    UNPACED: [At("per_second", "events/s", "")],
    PACED: [
        At("delay_p50", "delay of an event p50", "ms"),
        At("delay_p99", "delay p99", "ms"),
        At("added", "added delay p99", "ms", STEADY),
        At("busy", "processor", "%", _at_most(20.0, "≤ 20 %")),
    ],
    MANY: [
        At("first_p99", "first event p99", "ms", _at_most(20.0, "≤ 20 ms")),
        At("memory", "memory", "MB", _at_most(60.0, "≤ 60 MB")),
    ],
}


def stream_rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        api = running.enter_context(stream_upstream())
        routes = routes_to(api, Path(name), running, MOST_STREAMS)
        rows = []
        for (streams, events, rate), lines in SHAPES.items():

            def take(route: Route, shape: tuple[int, int, float] = (streams, events, rate)) -> Taken:
                return _take(route, *shape)

            pace = f"{rate:g} events/s" if rate else f"{events} events, unpaced"
            title = f"{streams:,} streams of {pace}"
            with ExitStack() as watching:
                watched = _watched(api.port, Path(name), watching) if rate == PACED[2] else []
                found = bench.measure(title, [*routes, *watched], take, min(bench.rounds, MOST_ROUNDS))
            for line in lines:
                figures = added(found, "delay_p99") if line.figure == "added" else medians(found, line.figure)
                rows.append(Row(f"{title}: {line.words}", line.unit, figures, line.target))
    return rows


def _watched(upstream_port: int, directory: Path, running: ExitStack) -> list[Route]:
    """Start another proxy with its Deck and its pages; an empty list where there is no terminal for it."""
    if deck is None:
        return []
    home = directory / "claude"
    deck.fill(home)
    shown = deck.Shown(home, deck.made(directory / WATCHED), upstream_port, MOST_STREAMS)
    running.enter_context(shown)
    running.enter_context(page.viewers(shown.port))
    return [Route(WATCHED, cast("Server", shown))]  # only the port is read


def _take(route: Route, streams: int, events: int, rate: float) -> Taken:
    server, is_proxy = route.server, route.name not in ("direct", WATCHED)
    before = server.cpu_sec if is_proxy else None
    met = measure_streams(route.port, streams, events, rate)
    after, lasted = server.cpu_sec if is_proxy else None, streams * events / max(1.0, met.per_second)
    known = is_proxy and before is not None and after is not None
    busy = 100 * (after - before) / lasted if known else None  # type: ignore[operator]
    return Taken(*met, busy, server.resident_mb if is_proxy else None, server.threads if is_proxy else None)
