"""Fake sessions against the fake API: what they send, and how they handle answers and faults."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from teamclaude.demo.plan import OPUS, SONNET, SessionPlan, Turn, plan_sessions
from teamclaude.demo.sessions import FakeSession, SessionCounts
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.clock import DemoClock, real_seconds
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace

KEY = "sk-ant-api03-FAKE"
PLAN = replace(
    plan_sessions(1, 7)[0], subscription=False, model=SONNET, start_sec=0.0, id="3f2a91c0-0000-4000-8000-0001"
)
ONE = (Turn(0, 5000, 100),)
TWO = (*ONE, Turn(1, 2000, 50))


@pytest.fixture
def api() -> Iterator[FakeApi]:
    accounts = [
        FakeAccount("a", "sk-ant-oat01-FAKE-a"),
        FakeAccount("b", "sk-ant-oat01-FAKE-b"),
        FakeAccount("key", "sk-ant-api03-FAKE", kind="apikey"),
    ]
    with FakeApi(accounts) as api:
        yield api


@pytest.fixture
def run(api: FakeApi) -> Any:
    """Return a function that runs a session on a clock so fast that waits take no time."""

    def ran(turns: Any = ONE, plan: SessionPlan = PLAN) -> SessionCounts:
        return FakeSession(api.url, plan, DemoClock(20_000.0), key=KEY).run(turns)

    return ran


def inference(api: FakeApi) -> list[Any]:
    assert api.wait_until(lambda api: api.inflight == 0)
    return [exchange for exchange in api.log if exchange.path == "/v1/messages"]


def test_the_request_is_the_clients_in_every_header_and_key(api: FakeApi, run: Any) -> None:
    run()
    asked = inference(api)[0]
    hello = api.log[0]
    assert (hello.method, hello.target) == ("HEAD", "/api/hello")
    assert (asked.method, asked.target) == ("POST", "/v1/messages?beta=true")
    assert [name for name, _ in asked.headers] == [
        "Accept",
        "Authorization",
        "Content-Type",
        "User-Agent",
        "X-Claude-Code-Session-Id",
        "X-Stainless-Arch",
        "X-Stainless-Lang",
        "X-Stainless-OS",
        "X-Stainless-Package-Version",
        "X-Stainless-Retry-Count",
        "X-Stainless-Runtime",
        "X-Stainless-Runtime-Version",
        "X-Stainless-Timeout",
        "anthropic-beta",
        "anthropic-dangerous-direct-browser-access",
        "anthropic-version",
        "x-app",
        "Connection",
        "Host",
        "Accept-Encoding",
        "Content-Length",
    ]
    assert asked.header("authorization") == f"Bearer {KEY}"
    assert asked.header("x-claude-code-session-id") == PLAN.id
    assert "oauth-2025-04-20" not in asked.header("anthropic-beta")
    body = json.loads(asked.body)
    assert list(body) == [
        "model",
        "messages",
        "system",
        "tools",
        "metadata",
        "max_tokens",
        "thinking",
        "context_management",
        "output_config",
        "stream",
    ]
    user = json.loads(body["metadata"]["user_id"])
    assert list(user) == ["device_id", "account_uuid", "session_id"]
    assert (len(user["device_id"]), user["session_id"]) == (64, PLAN.id)
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert body["output_config"] == {"effort": PLAN.effort}


def test_a_subscription_asks_for_the_one_hour_cache_with_its_own_login(api: FakeApi, run: Any) -> None:
    run(plan=replace(PLAN, subscription=True))
    asked = inference(api)[0]
    betas = asked.header("anthropic-beta").split(",")
    assert (betas[1], betas[-1]) == ("oauth-2025-04-20", "extended-cache-ttl-2025-04-11")
    assert asked.header("authorization").startswith("Bearer sk-ant-oat")
    assert asked.header("x-teamclaude-key") == KEY
    control = json.loads(asked.body)["messages"][-1]["content"][-1]["cache_control"]
    assert control == {"type": "ephemeral", "ttl": "1h"}


def test_the_context_grows_and_is_read_from_the_cache(api: FakeApi, run: Any) -> None:
    counts = run(TWO)
    first, second = (json.loads(exchange.body) for exchange in inference(api))
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    assert "cache_control" in json.dumps(first["messages"])
    assert second["messages"][0] == {
        "role": "user",
        "content": [{k: v for k, v in first["messages"][0]["content"][0].items() if k != "cache_control"}],
    }
    assert (counts.requests, counts.attempts, counts.served, counts.visible_errors) == (2, 2, 2, [])
    assert 15_900 < counts.tokens["cache_read_input_tokens"] < 16_100
    assert counts.tokens["output_tokens"] == 150


def test_a_long_conversation_is_compacted(api: FakeApi, run: Any) -> None:
    run([Turn(0, 90_000, 100), Turn(0, 90_000, 100)])
    assert len(json.loads(inference(api)[1].body)["messages"]) == 1


def test_sub_agents_run_at_once_under_the_sessions_id(api: FakeApi, run: Any) -> None:
    api.script.times(
        3, Fault.never_answered(), when=lambda asked: bool(asked.header("x-claude-code-agent-id"))
    )
    turn = Turn(0, 100, 10, agents=[[Turn(0, 4000, 20)]] * 3)
    session = FakeSession(api.url, replace(PLAN, model=OPUS), DemoClock(20_000.0), key=KEY)
    all_counts: list[SessionCounts] = []
    thread = threading.Thread(target=lambda: all_counts.append(session.run([turn])))
    thread.start()
    assert api.wait_until(lambda api: api.inflight == 3), "all at once"
    api.close_connections()
    thread.join()
    counts = all_counts[0]
    asked = [exchange for exchange in inference(api) if exchange.status]
    agents = [e for e in asked if e.header("x-claude-code-agent-id")]
    assert (len(asked), len(agents), counts.served) == (4, 3, 4)
    assert len({e.header("x-claude-code-agent-id") for e in agents}) == 3
    assert {e.header("x-claude-code-session-id") for e in asked} == {PLAN.id}
    assert {json.loads(e.body)["model"] for e in agents} == {SONNET}
    assert b"cc_is_subagent=true" in agents[0].body


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault.overloaded(), 2),
        (Fault.status(500), 2),
        (Fault.bare_429(), 2),
        (Fault.status(429, retry_after=3), 2),
        (Fault.no_head("rst"), 2),
        (Fault.no_head("fin"), 2),
        (Fault.cut_head(30, "fin"), 2),
        (Fault.cut_after_event(1, "rst"), 2),
        (Fault.cut_inside_event(5, "fin"), 2),
        (Fault.ends_early(5), 2),
        (Fault.stream_error(0), 2),
        (Fault.garbage_head(), 2),
        (Fault.ends_early(9), 1),
        (Fault.gzipped(), 1),
        (Fault(pings=3), 1),
    ],
)
def test_a_passing_trouble_is_not_seen_by_the_user(
    api: FakeApi, run: Any, fault: Fault, attempts: int
) -> None:
    api.script.once(fault, path="/v1/messages")
    counts = run(TWO)
    assert (counts.requests, counts.served, counts.attempts) == (2, 2, attempts + 1)
    assert not counts.errors


@pytest.mark.parametrize(("fault"), [Fault.html(), Fault.status(404), Fault.stream_error(4)])
def test_some_troubles_are_answered_by_asking_without_a_stream(api: FakeApi, run: Any, fault: Fault) -> None:
    api.script.once(fault, path="/v1/messages")
    assert run().served == 1
    first, second = inference(api)
    assert "stream" in json.loads(first.body)
    assert "stream" not in json.loads(second.body)
    assert second.header("x-stainless-timeout") == "300"


def test_after_a_whole_block_the_answer_is_resumed_as_a_new_turn(api: FakeApi, run: Any) -> None:
    api.script.once(Fault.cut_after_event(8), path="/v1/messages")
    assert run().served == 1
    messages = json.loads(inference(api)[1].body)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert "cut off" in messages[-1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("fault", "label", "attempts"),
    [
        (Fault.status(403), "403", 1),
        (Fault.status(429, retry_after=90), "429", 1),
        (Fault.overloaded(), "529", 11),
        (Fault.no_head(), "network", 11),
    ],
)
def test_a_lasting_trouble_becomes_one_visible_error(
    api: FakeApi, run: Any, fault: Fault, label: str, attempts: int
) -> None:
    api.script.always(fault, path="/v1/messages")
    counts = run()
    assert (counts.requests, counts.served, counts.attempts) == (1, 0, attempts)
    assert dict(counts.errors) == {label: 1}
    assert counts.visible_errors[0].began <= counts.visible_errors[0].ended


def test_retries_keep_the_connection_after_an_error_status(api: FakeApi, run: Any) -> None:
    api.script.times(3, Fault.overloaded())
    run()
    assert len({exchange.connection for exchange in inference(api)}) == 1


def test_a_refused_connection_is_retried_and_then_seen() -> None:
    api = FakeApi([]).start()
    api.stop()
    counts = FakeSession(api.url, PLAN, DemoClock(20_000.0), key=KEY).run(ONE)
    assert (counts.attempts, dict(counts.errors)) == (11, {"network": 1})


def test_stopping_ends_a_session_and_counts_no_turn_without_an_outcome(api: FakeApi) -> None:
    stop = threading.Event()
    session = FakeSession(api.url, PLAN, DemoClock(20.0), key=KEY, stop=stop)
    api.script.always(Fault.status(503))
    session.start()
    assert api.wait_until(lambda api: len(api.log) >= 2)
    stop.set()
    assert session.join(30)
    assert session.counts.requests == session.counts.served + len(session.counts.visible_errors)


def test_an_error_after_the_stop_is_not_counted(api: FakeApi) -> None:
    stop = threading.Event()
    session = FakeSession(api.url, PLAN, DemoClock(20_000.0), key=KEY, stop=stop)
    api.script.always(Fault.status(403).with_changes(before_head=0.1), path="/v1/messages")
    session.start()
    assert api.wait_until(lambda api: any(e.path == "/v1/messages" for e in api.live))
    stop.set()
    assert session.join(30)
    assert (session.counts.requests, session.counts.visible_errors) == (0, [])


def test_plans_are_the_same_for_a_seed_and_like_the_traces() -> None:
    assert plan_sessions(4, 1) == plan_sessions(4, 1)
    assert plan_sessions(4, 1) != plan_sessions(4, 2)
    plan = plan_sessions(1, 1)[0]
    turns = list(itertools.islice(plan.turns(), 4000))
    assert turns[:50] == list(itertools.islice(plan.turns(), 50))
    assert 12_000 <= turns[0].new_tokens <= 90_000
    gaps = [turn.think_sec for turn in turns[1:]]
    assert 8 < statistics.median(gaps) < 12
    assert max(gaps) <= plan.max_gap_sec
    assert 190 < statistics.median(turn.reply_tokens for turn in turns) < 260
    share = sum(bool(turn.agents) for turn in turns) / len(turns)
    assert 0.09 < share < 0.15


def test_opus_and_sonnet_and_both_logins_are_mixed() -> None:
    plans = plan_sessions(200, 3)
    opus = sum(plan.model == OPUS for plan in plans)
    assert 110 < opus < 160
    assert 70 < sum(plan.subscription for plan in plans) < 130
    assert len({plan.id for plan in plans}) == 200


def test_a_demo_clock_runs_at_its_speed() -> None:
    now = [5.0]
    clock = DemoClock(60.0, start=1000.0, timer=lambda: now[0])
    assert clock() == 1000.0
    now[0] += 2.5
    assert (clock(), clock.elapsed()) == (1150.0, 150.0)
    assert real_seconds(clock, 30) == 0.5
    with pytest.raises(ValueError, match="above 0"):
        DemoClock(0)


def test_a_session_moved_to_another_account_pays_a_cold_write(api: FakeApi) -> None:
    """The reason for routing: a turn costs 30 times more on an account without its cache."""
    second = FakeAccount("key2", "sk-ant-api03-FAKE2", kind="apikey")
    api.endpoints.add(second)
    warm = FakeSession(api.url, PLAN, DemoClock(20_000.0), key=KEY).run(TWO)
    assert warm.tokens["cache_creation_input_tokens"] < 20_000
    again = FakeSession(api.url, PLAN, DemoClock(20_000.0), key="sk-ant-api03-FAKE2").run(ONE)
    assert again.tokens["cache_read_input_tokens"] == 0
    assert again.tokens["cache_creation_input_tokens"] > 15_000
