"""Random faults by family (refusals, logins, overloads, …), each cut at a drawn point. PURE."""

from __future__ import annotations

import random
from typing import Callable

from teamclaude.fakeapi.fault import Fault
from tests.faults.schedules.plan import SPEED

__all__ = [
    "BIG",
    "EVENTS",
    "breaks",
    "framings",
    "logins",
    "never_read_connects",
    "overloads",
    "refusals",
    "requests",
]

# Events of a scripted stream: message_start to message_stop.
EVENTS = 10
# Larger than the socket buffers of a loopback connection.
BIG = b'{"padding":"' + b"y" * 7_000_000 + b'"}'

Rng = random.Random
Maker = Callable[[Rng], Fault]


def _how(rng: Rng) -> str:
    return rng.choice(["rst", "fin"])


def _broken(rng: Rng) -> str:
    return rng.choice(["rst", "fin", "hang"])


def _pick(rng: Rng, makers: list[Maker]) -> Fault:
    return rng.choice(makers)(rng)


def _echo(code: int) -> Maker:
    """Return a refusal whose message repeats the credential."""
    return lambda rng: Fault.status(code, "The token sk-ant-oat01-FAKE-alice-v1 may not do this.")


_REFUSALS: list[Maker] = [
    lambda rng: Fault.quota("5h", reset_in=rng.choice([4.0, 9.0, 3600.0])),
    lambda rng: Fault.quota("7d", reset_in=rng.choice([5.0, 50_000.0])),
    lambda rng: Fault.quota("7d_oi", reset_in=rng.choice([6.0, 40_000.0])),
    lambda rng: Fault.status(429, retry_after=rng.choice([0, 1, 3, 30, 61, 900])),
    lambda rng: Fault.status(429, retry_after=rng.choice(["-1", "nan", "soon", "1e400", "2.5"])),
    lambda rng: Fault.bare_429(),
    lambda rng: Fault.bare_429().with_changes(gzip=True),
]

_LOGINS: list[Maker] = [
    lambda rng: Fault.status(401),
    lambda rng: Fault.status(403),
    _echo(401),
    _echo(403),
    lambda rng: Fault.status(403, "OAuth authentication is currently not allowed for this organization."),
]

_OVERLOADS: list[Maker] = [
    lambda rng: Fault.status(rng.choice([500, 502, 503, 504, 529])),
    lambda rng: Fault.status(503, retry_after=rng.choice([1, 120])),
    lambda rng: Fault.html(502),
    lambda rng: Fault.stream_error(rng.choice([0, 0, 1, 2, 5, 9])),
    lambda rng: Fault.stream_error(rng.choice([0, 0, 4]), "rate_limit_error"),
    lambda rng: Fault.overloaded().with_changes(cut=None, gzip=True),
]

_REQUESTS: list[Maker] = [
    lambda rng: Fault.status(rng.choice([400, 402, 404, 408, 409, 413, 422])),
    lambda rng: Fault.status(400, "prompt is too long: 9 tokens > 8 maximum"),
    lambda rng: Fault.status(307, headers=[("location", "http://127.0.0.1:9/elsewhere")]),
    lambda rng: Fault.html(200),
    lambda rng: Fault.status(418, body=b""),
]

_BREAKS: list[Maker] = [
    lambda rng: Fault.no_head(_broken(rng)),
    lambda rng: Fault.cut_head(rng.randrange(1, 300), _broken(rng)),
    lambda rng: Fault.cut_after_event(rng.randrange(EVENTS + 1), _broken(rng)),
    lambda rng: Fault.cut_inside_event(rng.randrange(1, EVENTS + 1), _broken(rng)),
    lambda rng: Fault.cut_inside_event(rng.randrange(1, EVENTS + 1), _broken(rng)),
    lambda rng: Fault.cut_body(rng.randrange(3000), _broken(rng)),
    lambda rng: Fault.cut_after_event(rng.randrange(EVENTS + 1), _how(rng)).with_changes(gzip=True),
    lambda rng: Fault.cut_after_event(rng.randrange(EVENTS + 1), _broken(rng)).with_changes(framing="close"),
    lambda rng: Fault.ends_early(rng.randrange(EVENTS)),
    lambda rng: Fault.status(500).with_changes(cut=Fault.cut_body(rng.randrange(60), _how(rng)).cut),
    lambda rng: Fault.bare_429().with_changes(cut=Fault.cut_body(rng.randrange(60), _how(rng)).cut),
    lambda rng: Fault.closes_after(_how(rng)),
    lambda rng: Fault.garbage_head(),
    lambda rng: Fault.bytes_instead(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"
    ),
    lambda rng: Fault.bytes_instead(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
    lambda rng: Fault.bytes_instead(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "hang"),
    lambda rng: Fault.bytes_instead(b"", _how(rng)),
    lambda rng: Fault.never_answered(),
]

_FRAMINGS: list[Maker] = [
    lambda rng: Fault.gzipped(),
    lambda rng: Fault.unframed(),
    lambda rng: Fault.http10(),
    lambda rng: Fault.with_interim(rng.choice([100, 102, 103])),
    lambda rng: Fault.huge_headers(rng.choice([20_000, 60_000, 100_000])),
    lambda rng: Fault.small_writes(rng.choice([1, 7, 100]), 0.0),
    lambda rng: Fault.small_writes(rng.choice([200, 500]), 0.002 * SPEED),
    lambda rng: Fault.slow(before_head=0.04 * SPEED),
    lambda rng: Fault.slow(between_events=0.006 * SPEED),
    lambda rng: Fault(pings=rng.choice([1, 5])),
    lambda rng: Fault.gzipped().with_changes(framing="close"),
    lambda rng: Fault.bytes_instead(b"HTTP/1.1 204 No Content\r\n\r\n", "keep"),
]

_DEAF: list[Maker] = [
    lambda rng: Fault.never_read(),
    lambda rng: Fault.closed_on_accept(_how(rng)),
    lambda rng: Fault.slow(before_read=0.03 * SPEED),
]


def refusals(rng: Rng) -> Fault:
    """Return a 429 of any kind."""
    return _pick(rng, _REFUSALS)


def logins(rng: Rng) -> Fault:
    """Return a refusal of the credential."""
    return _pick(rng, _LOGINS)


def overloads(rng: Rng) -> Fault:
    """Return an overload of the API, as a status or as the first or a later event."""
    return _pick(rng, _OVERLOADS)


def requests(rng: Rng) -> Fault:
    """Return an answer about the request itself."""
    return _pick(rng, _REQUESTS)


def breaks(rng: Rng) -> Fault:
    """Return an answer that is missing, cut at an exact point, or not HTTP."""
    return _pick(rng, _BREAKS)


def framings(rng: Rng) -> Fault:
    """Return a good answer in an unusual form."""
    return _pick(rng, _FRAMINGS)


def never_read_connects(rng: Rng) -> Fault:
    """Return a fault of a connection before its first request."""
    return _pick(rng, _DEAF)
