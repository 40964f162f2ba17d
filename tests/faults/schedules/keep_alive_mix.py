"""Keep-alive clients that mix small, large and streaming requests on one connection: the theme `mixed`. PURE.

A connection's last request decides which thread serves the next one, and the size of a request decides which
code forwards it: sizes are drawn around every buffer limit of the proxy.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.faults.schedules import random_faults
from tests.faults.schedules.builder import ScheduleBuilder
from tests.faults.schedules.plan import SPEED, Leave, Request

__all__ = ["LIMITS", "SIZES", "mixed"]

# The limits of: a small body (connection), a body sent with its head (upstream connection), one read.
LIMITS = (16384, 32768, 65536)
SIZES = tuple(limit + beside for limit in LIMITS for beside in (-1, 0, 1))

Rng = random.Random


def _sizes(rng: Rng) -> tuple[int, str]:
    """Return a size around a limit, of the body or of the whole request; or between the last two limits."""
    if rng.random() < 0.5:
        return rng.choice(SIZES), rng.choice(["body", "request"])
    return rng.randrange(LIMITS[1], LIMITS[2]), "request"


def _small(rng: Rng) -> Request:
    """Return a request with a small answer, such as a token count."""
    return Request(kind=rng.choice(["count", "count", "models", "messages"]), stream=False)


def _large(rng: Rng) -> Request:
    """Return a turn with a long conversation, usually streamed."""
    size, sized = _sizes(rng)
    return Request(stream=rng.random() < 0.85, size=size, sized=sized)


def _turn(rng: Rng) -> list[Request]:
    """Count tokens twice, then stream the turn, as Claude Code does."""
    return [_small(rng), _small(rng), _large(rng)]


def _uploads(rng: Rng) -> list[Request]:
    """Send three large bodies with small answers."""
    return [replace(_large(rng), stream=False) for _ in range(3)]


def _streams(rng: Rng) -> list[Request]:
    """Send large and small streams, with a count between them."""
    return [_large(rng), Request(), _small(rng), _large(rng), Request()]


def _split(rng: Rng) -> list[Request]:
    """Send the same turn with head and body in two writes."""
    return [replace(request, split=rng.choice(["head", "body"])) for request in _turn(rng)]


def _anything(rng: Rng) -> list[Request]:
    """Send three to six of them in any order."""
    return [rng.choice([_small, _small, _large, _large, _plain])(rng) for _ in range(rng.randint(3, 6))]


def _plain(rng: Rng) -> Request:
    return Request(chunked=rng.random() < 0.3, stream=rng.random() < 0.7)


_CLIENTS: tuple[Callable[[Rng], list[Request]], ...] = (
    *3 * [_turn],
    *(_uploads, _streams, _split, _anything),
)


def _idler(rng: Rng) -> list[Request]:
    """Keep a connection idle on the event loop while the others work."""
    return [_small(rng), replace(_small(rng), pause=rng.choice([0.05, 0.1]))]


def mixed(builder: ScheduleBuilder) -> None:
    """Add one to three such clients and idle ones; sometimes with a fault, or a client that leaves."""
    rng = builder.rng
    builder.add_accounts()
    builder.config["maxInflightPerAccount"] = 5
    if builder.chance(0.5):
        # Events arrive one by one, as from a model.
        builder.add_trouble(lambda r: Fault.slow(between_events=0.002 * SPEED), None, count=None, nth=1)
    if builder.chance(0.3):
        builder.add_trouble(
            rng.choice(
                [
                    random_faults.framings,
                    random_faults.overloads,
                    random_faults.breaks,
                    random_faults.refusals,
                ]
            )
        )
    for number in range(rng.randint(1, 3)):
        requests = rng.choice(_CLIENTS)(rng)
        if builder.chance(0.15):
            leave = Leave(*rng.choice([("time", rng.uniform(0.0, 0.03)), ("bytes", rng.randrange(1, 3000))]))
            requests[-1] = replace(requests[-1], leave=leave)
        pipelined = builder.chance(0.2) and not any(request.split for request in requests)
        builder.add_client(*requests, session=f"s-{number}", agent="", tries=1, pipelined=pipelined)
    for number in range(rng.choice([0, 0, 1, 3])):
        builder.add_client(*_idler(rng), session=f"s-idle-{number}", at=0.0, tries=1)
