"""Keep-alive clients that mix small, large and streaming requests on one connection: the theme `mixed`. PURE.

What a connection's last request was decides which thread serves the next one, and how much of a request
comes in one read decides who sends it on: sizes lie around every limit of a buffer within the proxy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from teamclaude.fakeapi.fault import Fault
from tests.faults.schedules import random_faults
from tests.faults.schedules.builder import ScheduleBuilder
from tests.faults.schedules.plan import SPEED, Leave, Request

__all__ = ["LIMITS", "SIZES", "mixed"]

# Of a small body (SMALL of front), of what is sent with its head (JOIN_LIMIT of upstream), of one read.
LIMITS = (16384, 32768, 65536)
SIZES = tuple(limit + beside for limit in LIMITS for beside in (-1, 0, 1))

Rng = random.Random


def _sizes(rng: Rng) -> tuple[int, str]:
    """Around a limit, of the body or of all that comes in one write; or anywhere between the last two."""
    if rng.random() < 0.5:
        return rng.choice(SIZES), rng.choice(["body", "request"])
    return rng.randrange(LIMITS[1], LIMITS[2]), "request"


def _small(rng: Rng) -> Request:
    """One that is answered whole, as a token count is."""
    return Request(kind=rng.choice(["count", "count", "models", "messages"]), stream=False)


def _large(rng: Rng) -> Request:
    """A turn with a conversation behind it, streamed mostly."""
    size, sized = _sizes(rng)
    return Request(stream=rng.random() < 0.85, size=size, sized=sized)


def _turn(rng: Rng) -> list[Request]:
    """What Claude Code does: its tokens are counted, then the turn is streamed."""
    return [_small(rng), _small(rng), _large(rng)]


def _uploads(rng: Rng) -> list[Request]:
    """Large bodies whose answers are small, one after the other."""
    return [replace(_large(rng), stream=False) for _ in range(3)]


def _streams(rng: Rng) -> list[Request]:
    """Streams in turn, large and small, a count between them."""
    return [_large(rng), Request(), _small(rng), _large(rng), Request()]


def _split(rng: Rng) -> list[Request]:
    """The same turn from a client whose head and body come in two writes."""
    return [replace(request, split=rng.choice(["head", "body"])) for request in _turn(rng)]


def _anything(rng: Rng) -> list[Request]:
    """Any order of them."""
    return [rng.choice([_small, _small, _large, _large, _plain])(rng) for _ in range(rng.randint(3, 6))]


def _plain(rng: Rng) -> Request:
    return Request(chunked=rng.random() < 0.3, stream=rng.random() < 0.7)


_CLIENTS: tuple[Callable[[Rng], list[Request]], ...] = (
    *3 * [_turn],
    *(_uploads, _streams, _split, _anything),
)


def _idler(rng: Rng) -> list[Request]:
    """A connection that is kept and waits, aboard the same loop, while the others work."""
    return [_small(rng), replace(_small(rng), pause=rng.choice([0.05, 0.1]))]


def mixed(draft: ScheduleBuilder) -> None:
    """One to three such clients, beside idle ones; now and then something goes wrong, or one leaves."""
    rng = draft.rng
    draft.add_accounts()
    draft.config["maxInflightPerAccount"] = 5
    if draft.chance(0.5):
        # Its events come one by one, as those of a model do.
        draft.add_trouble(lambda r: Fault.slow(between_events=0.002 * SPEED), None, count=None, nth=1)
    if draft.chance(0.3):
        draft.add_trouble(
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
        if draft.chance(0.15):
            leave = Leave(*rng.choice([("time", rng.uniform(0.0, 0.03)), ("bytes", rng.randrange(1, 3000))]))
            requests[-1] = replace(requests[-1], leave=leave)
        pipelined = draft.chance(0.2) and not any(request.split for request in requests)
        draft.add_client(*requests, session=f"s-{number}", agent="", tries=1, pipelined=pipelined)
    for number in range(rng.choice([0, 0, 1, 3])):
        draft.add_client(*_idler(rng), session=f"s-idle-{number}", at=0.0, tries=1)
