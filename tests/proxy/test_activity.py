from __future__ import annotations

import dataclasses
import json
import threading
from dataclasses import replace

import pytest

from teamclaude.deck.activity import activity_line
from teamclaude.proxy.activity import Activity, ActivityRing, as_json

NOON = 1_795_435_200.25


def request(number: int) -> Activity:
    return Activity(f"r{number}", NOON + number, "POST", "/v1/messages")


def ids(activities: list[Activity]) -> list[str]:
    return [activity.id for activity in activities]


def test_finished_requests_newest_first_and_never_more_than_the_size() -> None:
    ring = ActivityRing(size=3)
    for number in range(5):
        ring.began(request(number))
        ring.ended(request(number))
    assert ids(ring.recent()) == ["r4", "r3", "r2"]
    assert ring.inflight() == []


def test_the_default_size() -> None:
    ring = ActivityRing()
    for number in range(250):
        ring.ended(request(number))
    assert len(ring.recent()) == 200


def test_a_request_in_flight_shows_what_is_known_until_it_ends() -> None:
    ring = ActivityRing()
    ring.began(request(1))
    ring.began(request(2))
    ring.changed(replace(request(1), model="claude-opus-4-8", accounts=("alice",)))
    newest, oldest = ring.inflight()
    assert (newest.id, oldest.id, oldest.accounts) == ("r2", "r1", ("alice",))
    assert ring.recent() == []

    done = replace(oldest, status=200, outcome="served")
    ring.ended(done)
    assert ids(ring.inflight()) == ["r2"]
    assert ring.recent() == [done]


def test_a_late_change_does_not_bring_a_request_back() -> None:
    ring = ActivityRing()
    ring.began(request(1))
    ring.ended(request(1))
    ring.changed(replace(request(1), model="late"))
    assert ring.inflight() == []
    assert ring.recent() == [request(1)]


def test_a_request_refused_before_it_began_is_recorded() -> None:
    ring = ActivityRing()
    ring.ended(replace(request(1), status=401, outcome="refused"))
    assert ids(ring.recent()) == ["r1"]


def test_find_sees_both_kinds() -> None:
    ring = ActivityRing()
    ring.began(request(1))
    ring.ended(request(2))
    assert ring.find("r1") == request(1)
    assert ring.find("r2") == request(2)
    assert ring.find("r3") is None


def test_a_reader_gets_a_copy() -> None:
    ring = ActivityRing()
    ring.ended(request(1))
    ring.recent().clear()
    assert ids(ring.recent()) == ["r1"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        ring.recent()[0].status = 200  # type: ignore[misc]


def test_many_threads_leave_nothing_in_flight_and_a_full_ring() -> None:
    ring = ActivityRing(size=50)

    def traffic(worker: int) -> None:
        for number in range(200):
            each = request(worker * 1000 + number)
            ring.began(each)
            ring.changed(replace(each, model="m"))
            assert len(ring.recent()) <= 50
            ring.inflight()
            ring.ended(each)

    threads = [threading.Thread(target=traffic, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert ring.inflight() == []
    assert len(set(ids(ring.recent()))) == 50


FULL = Activity(
    id="tc-1",
    at=NOON,
    method="POST",
    path="/v1/messages",
    model="claude-opus-4-8",
    effort="high",
    session="3f2a91c0-0000",
    agent="a1d8",
    client="ci",
    accounts=("alice", "bob"),
    status=200,
    ttfb_sec=1.4,
    duration_sec=12.1,
    input_tokens=1200,
    output_tokens=8400,
    cache_read_tokens=50_000,
    cache_write_tokens=0,
    cost=0.25,
    outcome="served",
    reason="own account",
)


def test_the_json_names_and_units() -> None:
    assert json.loads(json.dumps(as_json(FULL))) == {
        "id": "tc-1",
        "at": 1_795_435_200_250,
        "method": "POST",
        "path": "/v1/messages",
        "model": "claude-opus-4-8",
        "effort": "high",
        "session": "3f2a91c0-0000",
        "agent": "a1d8",
        "client": "ci",
        "accounts": ["alice", "bob"],
        "status": 200,
        "ttfbSec": 1.4,
        "durationSec": 12.1,
        "inputTokens": 1200,
        "outputTokens": 8400,
        "cacheReadTokens": 50_000,
        "cacheWriteTokens": 0,
        "cost": 0.25,
        "outcome": "served",
        "reason": "own account",
    }


def test_unknown_is_null_and_never_zero() -> None:
    unknown = {key for key, value in as_json(request(1)).items() if value is None}
    numbers = {"status", "ttfbSec", "durationSec", "cost"}
    assert unknown == numbers | {"inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}


def test_the_json_is_what_the_activity_line_reads() -> None:
    line = activity_line(as_json(FULL))
    assert "POST /v1/messages claude-opus-4-8·high" in line
    assert "3f2a91c0 → alice → bob 200 12.1s ttfb 1.4s 1.2k in 8.4k out" in line
