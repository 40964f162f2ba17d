"""The status as scripts read it: all names are there, unknown is null, times are milliseconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy import runtime as runtime_module
from teamclaude.proxy.runtime import resident_mb
from teamclaude.threads import TURN_SEC

Build = Callable[..., Any]

TOP = """currentAccount switchThreshold policy at capacity system pins accounts sessionBindings
    sessionAggregate usageByIssue clients"""
SYSTEM = "version pid port proxyRssMB proxyUptimeSec threads connections waiting draining upstream"
TOKENS = "inputTokens outputTokens cacheReadTokens cacheWriteTokens tokens cost costEstimated unpricedTokens"
BINDING = f"""sid sid8 agent parent account reason pinned warm inflight idleSec boundAt firstSeen lastUsed
    requests moves model cachedPrefixTokens {TOKENS}"""
AGGREGATE = f"sessions conversations warm inflight requests {TOKENS}"
ISSUE = f"issue sessions requests lastSeen {TOKENS}"
ACCOUNT = """name type priority enabled lastResort status statusReason usable usableInSec live inflight
    proven streak benchSec rateLimitedUntil warmSessions burn5h capEst5h capEst7d quota pace usage"""
QUOTA = """unified5h unified7d unified5hReset unified7dReset unifiedStatus axes apiKeyLimits"""
CAPACITY = (
    """verdict headroom liveAccounts benched total warmSessions soonestResetSec accounts lastResort at"""
)
ROW = """name status reason benched benchSec streak inflight burn5h capEst5h headroomTok nearCap live
    constrained utilization5h utilization7d"""


def strict(s: Any, path: str = "/teamclaude/status") -> Any:
    """The document, by a reader that knows no NaN and no Infinity."""

    def stranger(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    reply = s.send("GET", path)
    assert reply.status == 200
    return json.loads(reply.body, parse_constant=stranger)


def missing(row: dict[str, Any], names: str) -> list[str]:
    """Names that scripts rely on and that are not there; more names do no harm."""
    return [name for name in names.split() if name not in row]


def test_every_name_is_there_before_anything_happened(stage: Build) -> None:
    status = strict(stage("a"))
    assert missing(status, TOP) == []
    assert missing(status["system"], SYSTEM) == []
    assert missing(status["capacity"], CAPACITY) == []
    assert missing(status["capacity"]["accounts"][0], ROW) == []
    assert missing(status["sessionAggregate"], AGGREGATE) == []
    (account,) = status["accounts"]
    assert missing(account, ACCOUNT) == []
    assert missing(account["quota"], QUOTA) == []
    assert missing(account["pace"], "line gap boost score") == []
    assert missing(account["usage"], f"requests {TOKENS}") == []


def test_unknown_is_null(stage: Build) -> None:
    status = strict(stage("a"))
    (account,) = status["accounts"]
    quota = account["quota"]
    unknown = ("unified5h", "unified7d", "unified5hReset", "unified7dReset", "unifiedStatus")
    assert {quota[name] for name in unknown} == {None}
    assert (quota["axes"], account["capEst5h"], account["rateLimitedUntil"]) == ({}, None, None)
    assert status["currentAccount"] is None
    row = status["capacity"]["accounts"][0]
    assert (row["utilization5h"], row["utilization7d"], row["capEst5h"], row["headroomTok"]) == (None,) * 4


def test_every_name_is_there_after_a_request(stage: Build, clock: Any) -> None:
    accounts = [{"name": "alice", "accountUuid": "u-1", "accessToken": "sk-ant-oat01-FAKE-a"}]
    s = stage("a", accounts=accounts)
    s.ask(session="3f2a91c0-1111", headers={"x-claude-code-agent-id": "agent-7"})
    s.send("POST", "/teamclaude/switch", {"account": "alice"})
    clock.now += 5.0
    status = strict(s)
    assert status["currentAccount"] == "alice"
    assert status["pins"] == [{"session": None, "account": "alice"}]
    assert status["at"] == round(clock.now * 1000)
    (binding,) = status["sessionBindings"]
    assert missing(binding, BINDING) == []
    assert (binding["sid"], binding["sid8"], binding["agent"]) == ("3f2a91c0-1111", "3f2a91c0", "agent-7")
    assert (binding["account"], binding["model"], binding["pinned"]) == ("alice", "claude-opus-4-8", True)
    assert (binding["requests"], binding["idleSec"], binding["lastUsed"]) == (
        1,
        5.0,
        round((clock.now - 5) * 1000),
    )
    assert binding["cost"] > 0
    (issue,) = status["usageByIssue"]
    assert missing(issue, ISSUE) == []
    assert issue["tokens"] == binding["tokens"] == status["sessionAggregate"]["tokens"]
    quota = status["accounts"][0]["quota"]
    assert 0 <= quota["unified5h"] < 1
    assert quota["unified5hReset"] > status["at"]
    assert missing(quota["axes"]["5h"], "utilization resetsAt status seenAt") == []
    assert status["accounts"][0]["burn5h"] > 0


def test_a_bench_counts_down(stage: Build, clock: Any) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.quota("5h", reset_in=600.0), account=home)
    s.ask(session="s1")
    until = s.account(home)["rateLimitedUntil"]
    assert until == round(clock.now * 1000) + 600_000
    clock.now += 100.0
    row = s.account(home)
    assert (row["status"], row["benchSec"], row["rateLimitedUntil"]) == ("benched", 500, until)
    assert (row["usable"], row["usableInSec"]) == (False, 500)
    capacity = strict(s, "/capacity")
    assert (capacity["verdict"], capacity["benched"], capacity["total"]) == ("yellow", 1, 2)
    assert capacity["soonestResetSec"] == 500
    clock.now += 501.0
    row = s.account(home)
    assert (row["benchSec"], row["rateLimitedUntil"], row["usable"]) == (0, None, True)


def test_an_unknown_price_is_null_and_its_tokens_are_counted(stage: Build) -> None:
    s = stage("a", pricing={"opus": {"input": 5, "output": 25}})
    s.api.script.always(
        Fault.bytes_instead(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 85\r\n\r\n"
            b'{"type":"message","model":"new-model","usage":{"input_tokens":7,"output_tokens":5}}  ',
            "keep",
        )
    )
    s.ask(model="new-model", stream=False)
    (binding,) = strict(s)["sessionBindings"]
    assert (binding["tokens"], binding["cost"], binding["unpricedTokens"]) == (12, None, 12)
    assert binding["costEstimated"] is False


@pytest.mark.parametrize(("model", "estimated"), [("claude-opus-5-5", False), ("claude-opus-9", True)])
def test_a_cost_by_the_price_of_another_version_is_flagged_wherever_it_stands(
    stage: Build, model: str, estimated: bool
) -> None:
    s = stage("a")
    s.ask(model=model)
    status = strict(s)
    places = [
        status["accounts"][0]["usage"],
        status["sessionBindings"][0],
        status["sessionAggregate"],
        status["usageByIssue"][0],
        s.records[-1],
    ]
    assert [place["costEstimated"] for place in places] == [estimated] * 5
    assert all(place["cost"] > 0 for place in places)


def test_the_switch_threshold_shown_is_the_one_in_effect(stage: Build) -> None:
    shown = [
        strict(stage("a", **config))["switchThreshold"]
        for config in ({}, {"switchThreshold": 0.98}, {"routing": {"policy": "pace"}})
    ]
    assert shown == [1.005, 0.98, 0.98]


@pytest.mark.parametrize(
    "accounts", [[], [{"name": "off", "accessToken": "sk-ant-oat01-FAKE-x", "disabled": True}]]
)
def test_a_pool_that_nothing_brings_back_is_still_json(stage: Build, accounts: Any) -> None:
    s = stage("a", accounts=accounts)
    assert strict(s, "/capacity")["verdict"] == "red"
    for path in ("/teamclaude/status", "/teamclaude/deck"):
        strict(s, path)
    reply = s.ask()
    assert reply.status == 502
    strict(s, f"/teamclaude/explain/{reply.headers['request-id']}")


def test_a_paid_key_is_reported_apart(stage: Build) -> None:
    accounts = [
        {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"},
        {"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
    ]
    s = stage("a", accounts=accounts)
    capacity = strict(s, "/capacity")
    assert [row["name"] for row in capacity["accounts"]] == ["a"]
    assert [row["name"] for row in capacity["lastResort"]["accounts"]] == ["key"]
    assert (s.account("key")["type"], s.account("key")["lastResort"]) == ("apikey", True)


def test_requests_under_way_are_in_the_deck(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    raw = s.raw().request(body=b'{"model":"claude-opus-4-8","stream":true,"messages":[]}')
    s.until(lambda: s.api.inflight == 1)
    (running,) = strict(s, "/teamclaude/deck")["inflight"]
    assert (running["model"], running["accounts"], running["outcome"]) == ("claude-opus-4-8", ["a"], "")
    raw.close()
    s.outcomes(1)
    deck = strict(s, "/teamclaude/deck")
    assert (deck["inflight"], deck["activity"][0]["outcome"]) == ([], "client gone")


def test_memory_is_reported_where_the_system_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = resident_mb()
    assert here is None or 1 < here < 100_000

    def nowhere(*_: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(runtime_module, "open", nowhere, raising=False)
    peak = resident_mb()
    assert peak is None or 1 < peak < 100_000


def test_others_run_while_a_reply_is_made(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    s = stage("a")
    turns: list[float] = []
    snapshot = s.service.runtime.snapshot
    monkeypatch.setattr(
        s.service.runtime, "snapshot", lambda **of: turns.append(sys.getswitchinterval()) or snapshot(**of)
    )
    assert s.send("GET", "/teamclaude/deck").status == 200
    assert turns == pytest.approx([TURN_SEC])
