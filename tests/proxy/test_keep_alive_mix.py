"""Small, large and streaming requests over one keep-alive connection: none breaks the next.

Every internal buffer has a limit at which a request changes hands between the event loop and a thread;
bodies of one byte less, exactly that many and one more are sent around each.
"""

from __future__ import annotations

import json
import select
from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.conftest import message
from tests.proxy.tls_stage import tls_stage

Build = Callable[..., Any]


@pytest.fixture(params=["plain", "TLS"])
def served(request: pytest.FixtureRequest, stage: Build) -> Build:
    """Build a Stage whose clients are plain or speak TLS."""
    return stage if request.param == "plain" else tls_stage(stage, request.getfixturevalue("pem"))


LIMITS = [kib * 1024 + more for kib in (16, 32, 64) for more in (-1, 0, 1)]


def body_of(size: int, **changes: Any) -> bytes:
    """A request body of exactly `size` bytes."""
    short = len(json.dumps(message("", **changes)))
    return json.dumps(message("x" * (size - short), **changes)).encode()


def small(raw: Any) -> None:
    headers = [("x-claude-code-session-id", "s1")]
    answer = raw.request("/v1/messages/count_tokens", body_of(300, stream=False), headers).answer()
    assert answer.status == 200


def turn(raw: Any, size: int) -> bytes:
    headers = [("x-claude-code-session-id", "s1")]
    answer = raw.request("/v1/messages?beta=true", body_of(size), headers).answer()
    assert answer.status == 200
    body: bytes = answer.body
    return body


@pytest.mark.parametrize("size", [*LIMITS, 40_000, 200_000])
def test_a_stream_after_two_small_requests_arrives_whole(served: Build, size: int) -> None:
    s = served("a")
    raw = s.raw()
    for _ in range(2):
        small(raw)
        small(raw)
        assert b"event: message_stop" in turn(raw, size)
    assert s.outcomes(6) == ["served"] * 6
    assert not s.warnings


@pytest.mark.parametrize("size", LIMITS)
def test_other_idle_connections_do_not_matter(served: Build, size: int) -> None:
    s = served("a")
    idle = [s.raw() for _ in range(3)]
    for each in idle:
        small(each)
        small(each)
    raw = s.raw()
    small(raw)
    small(raw)
    assert b"event: message_stop" in turn(raw, size)
    for each in idle:
        small(each)
    assert not s.warnings


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here: every request keeps its thread")
@pytest.mark.parametrize("size", [40_000, 200_000])  # with its head, and too large for one read
def test_the_upstream_connection_of_small_requests_is_used_again_by_a_large_one(
    stage: Build, size: int
) -> None:
    s = stage("a")
    raw = s.raw()
    small(raw)
    small(raw)
    turn(raw, size)
    small(raw)
    assert len({seen.connection for seen in s.seen(4)}) == 1
