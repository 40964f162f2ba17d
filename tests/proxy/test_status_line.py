"""GET /teamclaude/statusline/SESSION: its account, the pool, holds and failovers, and no other session's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.cli.status_line.proxy_query import ask, proxy_address
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.status_line import (
    AccountFacts,
    FailoverFacts,
    HeldFacts,
    PoolFacts,
    SessionFacts,
    StatusLineFacts,
    status_line_facts,
)
from teamclaude.snapshot import (
    AccountView,
    Activity,
    BindingView,
    CapacityView,
    HeldView,
    InflightView,
    QuotaView,
    Snapshot,
    SystemView,
    UsageView,
    WaitView,
    Window,
)
from tests.proxy.conftest import KEY

Build = Callable[..., Any]
WINDOWS = {"5h": Window(0.4, 9000.0)}
SNAPSHOT = Snapshot(
    at=1000.0,
    accounts=(
        AccountView(name="a", status="active", quota=QuotaView(axes=WINDOWS)),
        AccountView(name="b", status="benched", status_reason="429", bench_sec=30.0),
    ),
    capacity=CapacityView(verdict="yellow", headroom=3, live_accounts=1, total=2, soonest_reset_sec=30.0),
    session_bindings=(
        BindingView(sid="s1", agent="x", account="b", usage=UsageView(cost=0.5)),
        BindingView(sid="s1", account="a", pinned=True, usage=UsageView(cost=0.25)),
        BindingView(sid="s2", account="b", usage=UsageView(cost=None)),
        BindingView(sid="s3", account=None),
        BindingView(sid="", account="b"),
    ),
    held=(
        HeldView("r1", "s1", held_sec=3.0, reason="short"),
        HeldView("r2", "s1", held_sec=9.0, reason="long", account="b", back_at=1030.0),
        HeldView("r3", "s2", held_sec=99.0, reason="another session's"),
        HeldView("r4", "", held_sec=99.0, reason="of none"),
    ),
)
STRANGER = {"x-teamclaude-key": "x", "via": "1"}
POOL = PoolFacts("yellow", 3, 1, 2, 30.0)


def running(*accounts: str, status: Any = None, waits: bool = False) -> InflightView:
    waiting = WaitView(kind="pause") if waits else None
    return InflightView(Activity(accounts=accounts, status=status), waiting)


def test_a_session_with_its_account() -> None:
    assert status_line_facts(SNAPSHOT, [], "s1") == StatusLineFacts(
        at=1000.0,
        session=SessionFacts("a", True, 0.75),
        account=AccountFacts("a", "active", windows=WINDOWS),
        pool=POOL,
        held=HeldFacts(9.0, "long", "b", 1030.0),
    )


def test_an_account_that_is_benched_says_why() -> None:
    facts = status_line_facts(SNAPSHOT, [], "s2")
    assert facts.account == AccountFacts("b", "benched", "429", 30.0)
    assert (facts.session.cost, facts.session.pinned) == (None, False)


@pytest.mark.parametrize("session", ["", "unknown", "s3"])
def test_without_an_account_there_is_the_pool(session: str) -> None:
    facts = status_line_facts(SNAPSHOT, [], session)
    assert (facts.account, facts.held, facts.pool) == (None, None, POOL)


@pytest.mark.parametrize(
    ("requests", "failover"),
    [
        ([], None),
        ([running()], None),
        ([running("a")], None),
        ([running("a", "b")], FailoverFacts("a", "b")),
        ([running("a", "b", "c")], FailoverFacts("b", "c")),
        ([running("a", waits=True)], FailoverFacts("a")),
        ([running("a", "b", status=200)], None),
        ([running("a"), running("b", "a")], FailoverFacts("b", "a")),
    ],
)
def test_failing_over(requests: list[InflightView], failover: Any) -> None:
    assert status_line_facts(SNAPSHOT, requests, "s1").failover == failover


def test_a_server_that_stops() -> None:
    assert status_line_facts(Snapshot(system=SystemView(draining=True)), [], "").draining


# --- over HTTP ----------------------------------------------------------------------------------


def test_the_endpoint(stage: Build) -> None:
    s = stage("a", "b")
    account = s.ask(session="s1").account
    told = s.send("GET", "/teamclaude/statusline/s1").json()
    assert told["service"] == "teamclaude"
    assert told["session"]["account"] == told["account"]["name"] == account
    assert set(told["account"]["windows"]) == {"5h", "7d"}
    assert told["account"]["windows"]["5h"]["resetsAt"] > 1e12, "milliseconds"
    assert (told["pool"]["live"], told["pool"]["total"], told["held"]) == (2, 2, None)
    nobody = s.send("GET", "/teamclaude/statusline/").json()
    assert (nobody["account"], nobody["pool"]["total"]) == (None, 2)
    assert s.send("GET", "/teamclaude/statusline").status == 404


def test_a_held_request_is_shown_to_its_session_alone(stage: Build, clock: Any) -> None:
    s = stage("a")
    s.api.script.always(Fault.quota("5h", reset_in=600.0))
    body = json.dumps({"model": "claude-opus-4-8", "stream": True, "messages": []}).encode()
    s.raw().request(body=body, headers=[("x-claude-code-session-id", "s1")])
    s.until(lambda: s.service.snapshot().system.waiting)
    clock.now += 30
    mine, other = (s.send("GET", f"/teamclaude/statusline/{name}").json() for name in ("s1", "s2"))
    assert (mine["held"]["sec"], mine["held"]["account"], other["held"]) == (30, "a", None)
    assert mine["held"]["reason"]


def test_no_secret_is_told(stage: Build) -> None:
    s = stage("a")
    s.ask(session="s1")
    assert "FAKE" not in s.send("GET", "/teamclaude/statusline/s1").body.decode()
    assert (
        s.send("GET", "/teamclaude/statusline/s1", headers={"x-teamclaude-key": "x", "via": "1"}).status
        == 401
    )


def test_the_command_asks_over_tls_with_the_certificate_that_the_client_trusts(
    stage: Build, pem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.cli.status_line.proxy_query.LOOPBACK_SEC", 10.0)
    s = stage("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}, "trustLoopback": False})
    env = {"ANTHROPIC_BASE_URL": f"https://localhost:{s.service.port}", "ANTHROPIC_AUTH_TOKEN": "tc-x"}
    env["ANTHROPIC_CUSTOM_HEADERS"] = f"x-teamclaude-key: {KEY}"
    proxy = proxy_address(env)
    assert proxy is not None
    assert ask(proxy, "s1") is None, "nobody trusts it"
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", pem.cert)
    answer = ask(proxy, "s1")
    assert answer is not None
    assert answer.facts["pool"]["total"] == 1
    assert ask(proxy._replace(key="tc-x"), "s1") is None, "another key"
