from __future__ import annotations

import json

import pytest

from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.messages.access import Caller
from teamclaude.proxy.messages.body_scan import BodyFacts
from teamclaude.proxy.records.exchange import Attempt, Exchange, Outcome
from teamclaude.proxy.records.journal import activity_of
from teamclaude.proxy.records.request_wait import RequestWait
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.decision import Decision, RoutingRequest, Wait
from teamclaude.snapshot import Activity
from teamclaude.typed_json import to_json

NOON = 1_795_435_200.25


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
    cost_estimated=True,
    outcome="served",
    reason="own account",
    waited_sec=12.5,
    wait_reason="no account usable",
)


def test_the_json_names_and_units() -> None:
    assert json.loads(json.dumps(to_json(FULL))) == {
        "id": "tc-1",
        "at": 1_795_435_200_250,
        "method": "POST",
        "path": "/v1/messages",
        "model": "claude-opus-4-8",
        "effort": "high",
        "session": "3f2a91c0-0000",
        "agent": "a1d8",
        "client": "ci",
        "clientIp": "",
        "accounts": ["alice", "bob"],
        "status": 200,
        "ttfbSec": 1.4,
        "durationSec": 12.1,
        "inputTokens": 1200,
        "outputTokens": 8400,
        "cacheReadTokens": 50_000,
        "cacheWriteTokens": 0,
        "cost": 0.25,
        "costEstimated": True,
        "outcome": "served",
        "reason": "own account",
        "unmeasured": False,
        "waitedSec": 12.5,
        "waitReason": "no account usable",
    }


def test_unknown_is_null_and_never_zero() -> None:
    unknown = {
        key for key, value in to_json(Activity("r1", NOON, "POST", "/v1/messages")).items() if value is None
    }
    numbers = {"status", "ttfbSec", "durationSec", "waitedSec", "cost"}
    assert unknown == numbers | {"inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}


def test_all_that_is_known_of_an_exchange() -> None:
    target = "/v1/messages?beta=true"
    exchange = Exchange(
        RequestHead("POST", target, 1, []), classify_path("POST", target), NOON, "tc-1", started=5.0
    )
    exchange.facts = BodyFacts(model="claude-opus-4-8", effort="high")
    exchange.routing_request = RoutingRequest(session="3f2a91c0-0000", agent="a1d8")
    exchange.caller = Caller("ci", True)
    exchange.attempts = [
        Attempt("alice", Decision("key-a", "kept warm")),
        Attempt("bob", Decision("key-b", "own account")),
    ]
    exchange.status, exchange.ttfb, exchange.ended = 200, 1.4, 17.1
    exchange.usage = Usage(1200, 8400, 50_000, 20, 3)
    exchange.cost, exchange.cost_estimated = 0.25, True
    exchange.outcome = Outcome.SERVED
    paused = RequestWait(Wait(Decision(None, "no account usable")), 0.0, lambda: 12.5, 1)
    exchange.begin_wait(paused)
    exchange.end_wait()
    activity = activity_of(exchange)
    assert activity == FULL._replace(duration_sec=activity.duration_sec, cache_write_tokens=23)
    assert activity.duration_sec == pytest.approx(12.1)
    exchange.note = "left"
    assert activity_of(exchange).reason == "left"


def test_what_is_not_known_of_an_exchange() -> None:
    exchange = Exchange(
        RequestHead("GET", "/v1/models", 1, []), classify_path("GET", "/v1/models"), NOON, "tc-1"
    )
    activity = activity_of(exchange)
    known = Activity("tc-1", NOON, "GET", "/v1/models", duration_sec=activity.duration_sec)
    assert activity == known
    assert (activity.tokens, FULL.tokens) == (0, 59_600)
