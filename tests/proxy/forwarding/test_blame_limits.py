"""Whose fault a limit is: extra usage, overloads, absurd times, silence, ids."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.proxy.conftest import message
from tests.proxy.forwarding.test_blame import POLICY_NAMES, calls, unified

Build = Callable[..., Any]

# --- extra usage ----------------------------------------------------------------------------------------

OUT_OF_CREDITS = {
    "representative-claim": "overage",
    "overage-disabled-reason": "out_of_credits",
    "5h-status": "allowed",
    "5h-utilization": 0.4,
    "7d-status": "allowed",
    "7d-utilization": 0.5,
}


def test_a_429_for_want_of_extra_usage_caps_what_was_asked_and_nothing_else(stage: Build) -> None:
    s = stage("a", "b")
    for n in range(4):
        s.ask(session=f"warm{n}", headers={"anthropic-beta": "plain"})
    refused = Fault.status(429, "Extra usage is required.", headers=unified(**OUT_OF_CREDITS))
    s.api.script.always(
        refused.with_changes(headers=[*refused.headers, ("retry-after", "121320")]),
        account="a",
        when=lambda asked: "context-1m" in (asked.header("anthropic-beta") or ""),
    )
    wide = {"anthropic-beta": "context-1m-2025-08-07"}
    assert {s.ask(session=f"w{n}", headers=wide).account for n in range(4)} == {"b"}
    row = s.account("a")
    assert (row["status"], row["benchSec"]) == ("active", 0)
    assert s.ask(session="x", headers={"x-teamclaude-account": "a"}).status == 200


EXTRA = {
    "status": "rejected",
    "5h-status": "rejected",
    "5h-utilization": 1.0,
    "7d-status": "allowed",
    "7d-utilization": 0.3,
    "representative-claim": "five_hour",
    "overage-status": "allowed",
    "overage-in-use": "true",
}


def on_extra_usage(stage: Any, clock: Any, account: str = "a") -> None:
    headers = unified(**EXTRA, **{"5h-reset": int(clock.now) + 7200})
    stage.api.script.always(Fault(headers=headers), account=account)


def test_extra_usage_is_not_spent_unasked_and_the_refusal_names_the_setting(stage: Build, clock: Any) -> None:
    s = stage("a", allThrottledHoldBudgetSec=1800)
    on_extra_usage(s, clock)
    assert s.ask(session="s1").status == 200
    reply = s.ask(session="s1")
    assert reply.status == 429
    assert "allowExtraUsage" in reply.message
    assert "allowExtraUsage" in s.account("a")["statusReason"]
    assert 7200 <= int(reply.headers["retry-after"]) <= 7200 * 1.16
    explained = s.send("GET", "/teamclaude/explain/last").json()
    assert "allowExtraUsage" in json.dumps(explained)


@pytest.mark.parametrize("where", ["top", "account"])
def test_extra_usage_that_is_allowed_serves_when_no_other_account_can(
    stage: Build, clock: Any, where: str
) -> None:
    s = stage("a", "b", **({"allowExtraUsage": True} if where == "top" else {}))
    if where == "account":
        document = s.document()
        document["accounts"][0]["allowExtraUsage"] = True
        s.write(document)
        s.service.reload()
    on_extra_usage(s, clock)
    assert s.ask(session="s1", headers={"x-teamclaude-account": "a"}).account == "a"
    assert {s.ask(session=f"n{n}").account for n in range(3)} == {"b"}, "a last resort"
    s.send("POST", "/teamclaude/accounts/b/disable")
    assert {s.ask(session=f"m{n}").account for n in range(3)} == {"a"}


# --- what has nothing cached goes on at once --------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_a_new_conversation_does_not_wait_for_the_account_that_refused_it(stage: Build, policy: str) -> None:
    s = stage("a", "b", routing={"policy": policy})
    s.api.script.once(Fault.status(429, retry_after=12))
    reply = s.ask(session="new")
    assert reply.status == 200
    assert len(calls(s)) == 2
    assert not s.service.runtime.router.waiting


def test_eight_requests_without_a_session_spread_over_two_idle_accounts(stage: Build) -> None:
    s = stage("a", "b")
    for name in "ab":
        s.ask(session=name, headers={"x-teamclaude-account": name})
    before = calls(s)
    s.api.script.always(Fault.slow(before_head=0.4))
    threads = [threading.Thread(target=s.ask, args=("hello", None)) for _ in range(8)]
    for thread in threads:
        thread.start()
    s.until(lambda: s.api.inflight == 8)
    for thread in threads:
        thread.join()
    assert calls(s) - before == {"a": 4, "b": 4}


# --- an overloaded API -------------------------------------------------------------------------------------


def cached(tokens: int) -> Fault:
    """A good answer that tells of this much prompt cache."""
    usage = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": tokens}
    body = {"type": "message", "id": "msg_1", "model": "claude-opus-4-8", "content": [], "usage": usage}
    return Fault.status(200, body=json.dumps(body).encode(), headers=[("content-type", "application/json")])


# Not round-robin: its idea is that no conversation has a home.
@pytest.mark.parametrize(
    ("tokens", "elsewhere", "policy"),
    [*((200_000, 0, name) for name in POLICY_NAMES if name != "round-robin"), (5_000, 1, "price")],
)
def test_a_large_prompt_cache_stays_through_an_overload_and_a_small_one_comes_home_again(
    stage: Build, tokens: int, elsewhere: int, policy: str
) -> None:
    s = stage("a", "b", routing={"policy": policy})
    s.api.script.once(cached(tokens))
    home = s.ask(session="warm", stream=False).account
    s.api.script.times(2, Fault.overloaded(), account=home)
    away = s.ask(session="warm", stream=False)
    assert away.status == 200
    assert (away.account != home) == bool(elsewhere)
    assert s.ask(session="warm", stream=False).account == home
    binding = next(b for b in s.status()["sessionBindings"] if b["sid"] == "warm")
    assert (binding["account"], binding["moves"]) == (home, 0)


def test_before_an_overload_is_relayed_another_account_was_asked_however_large_the_cache(
    stage: Build,
) -> None:
    s = stage("a", "b", upstreamRetryBudgetSec=0.1)
    s.api.script.once(cached(200_000))
    home = s.ask(session="warm", stream=False).account
    s.api.script.always(Fault.overloaded(), account=home)
    assert s.ask(session="warm", stream=False).status == 200
    s.api.script.clear()
    assert s.ask(session="warm", stream=False).account == home


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        *(("overloaded_error", name) for name in POLICY_NAMES),
        *((kind, "price") for kind in ("api_error", "permission_error", "rate_limit_error")),
    ],
)
def test_streams_that_begin_with_an_error_are_served_by_another_account_and_draw_no_work(
    stage: Build, kind: str, policy: str
) -> None:
    s = stage("a", "b", routing={"policy": policy})
    s.api.script.always(Fault.stream_error(0, kind), account="a")
    replies = [s.ask(session=f"s{n}") for n in range(6)]
    assert all(b"message_stop" in reply.body for reply in replies)
    assert calls(s)["a"] <= 2
    assert s.account("a")["status"] == "active"


# --- ids that belong to a credential ------------------------------------------------------------------------


def makes(stage: Any, account: str, path: str, id: str, *below: str) -> None:
    """The fake API has this account make `id` with a POST to `path`, and finds it for that account alone."""
    found = Fault.status(
        200, body=json.dumps({"id": id}).encode(), headers=[("content-type", "application/json")]
    )
    stage.api.script.always(found, account=account, path=path, method="POST")
    for target in (f"{path}/{id}", *(f"{path}/{id}/{part}" for part in below)):
        stage.api.script.always(found, account=account, path=target)


RESOURCES = [
    ("/v1/messages/batches", "msgbatch_013Zva", ("results", "cancel")),
    ("/v1/files", "file_011CNha8", ("content",)),
    ("/v1/skills", "skill_01AbCd", ("versions", "versions/1759178010641129")),
]


@pytest.mark.parametrize(("path", "id", "below"), RESOURCES)
def test_an_id_is_asked_of_the_account_that_made_it_also_after_a_restart(
    stage: Build, path: str, id: str, below: tuple[str, ...]
) -> None:
    s = stage("a", "b", "c")
    makes(s, "b", path, id, *below)
    made = s.send("POST", path, {"x": 1}, {"x-teamclaude-account": "b"})
    assert (made.status, made.json()["id"]) == (200, id)
    for target in (f"{path}/{id}", *(f"{path}/{id}/{part}" for part in below)):
        for _ in range(3):
            assert s.send("GET", f"{target}?beta=true").account == "b"
    s.restart()
    before = len(s.seen())
    assert s.send("GET", f"{path}/{id}").account == "b"
    assert len(s.seen(before + 1)) == before + 1, "asked of nobody else"


def test_an_id_of_unknown_owner_is_asked_of_each_account_once(stage: Build) -> None:
    s = stage("a", "b", "c")
    makes(s, "c", "/v1/files", "file_9")
    assert s.send("GET", "/v1/files/file_9").account == "c"
    before = len(s.seen(3))
    assert s.send("GET", "/v1/files/file_9").account == "c"
    assert len(s.seen(before + 1)) == before + 1
    assert s.send("GET", "/v1/files/file_nowhere").status == 404
    assert len(s.seen(before + 4)) == before + 4


def test_a_message_that_names_a_file_goes_to_the_account_that_has_it(stage: Build) -> None:
    s = stage("a", "b", "c")
    makes(s, "b", "/v1/files", "file_7")
    s.send("POST", "/v1/files", {"x": 1}, {"x-teamclaude-account": "b"})
    document = {"type": "document", "source": {"type": "file", "file_id": "file_7"}}
    messages = [{"role": "user", "content": [document]}]
    assert {s.ask(session=f"s{n}", messages=messages).account for n in range(3)} == {"b"}


def test_the_owner_of_an_id_is_asked_while_it_is_benched_for_inference(stage: Build) -> None:
    s = stage("a", "b", allThrottledHoldBudgetSec=1800)
    makes(s, "b", "/v1/files", "file_7")
    s.send("POST", "/v1/files", {"x": 1}, {"x-teamclaude-account": "b"})
    s.api.script.once(Fault.status(429, retry_after=7200), account="b")
    s.ask(session="s", headers={"x-teamclaude-account": "b"})
    assert s.account("b")["status"] == "benched"
    assert s.send("GET", "/v1/files/file_7").account == "b"


def test_a_deleted_id_is_forgotten(stage: Build) -> None:
    s = stage("a", "b")
    makes(s, "b", "/v1/files", "file_7")
    s.send("POST", "/v1/files", {"x": 1}, {"x-teamclaude-account": "b"})
    assert s.send("DELETE", "/v1/files/file_7").account == "b"
    assert s.service.runtime.router.owner_of("file_7") is None


# --- times nobody means -------------------------------------------------------------------------------------


@pytest.mark.parametrize("retry_after", ["1e18", "999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_stray_retry_after_is_never_longer_than_a_week_tried_each_hour_and_lifted_by_enable(
    stage: Build, clock: Any, retry_after: str
) -> None:
    s = stage("a")
    s.api.script.once(Fault.status(429, retry_after=retry_after))
    assert s.ask(session="s1").status == 429
    assert s.account("a")["benchSec"] == 7 * 86400
    clock.now += 3601
    assert s.ask(session="s2").status == 200, "one request tries it"
    assert s.account("a")["status"] == "active"
    s.api.script.once(Fault.status(429, retry_after=retry_after))
    assert s.ask(session="s3").status == 429
    assert s.send("POST", "/teamclaude/accounts/a/enable").status == 200
    assert s.account("a")["status"] == "active"
    assert s.ask(session="s4").status == 200


def test_a_long_bench_is_tried_with_the_first_request_after_a_restart(stage: Build, clock: Any) -> None:
    s = stage("a")
    s.api.script.once(Fault.status(429, retry_after="1e18"))
    s.ask(session="s1")
    s.restart()
    clock.now += 1
    assert s.account("a")["status"] == "benched"
    assert s.ask(session="s1").status == 200
    assert s.account("a")["status"] == "active"


def test_enable_forgets_a_full_window_too(stage: Build, clock: Any) -> None:
    s = stage("a")
    reset = int(clock.now) + 6 * 86400
    s.api.script.once(
        Fault.status(429, headers=unified(status="rejected", **{"7d-status": "rejected", "7d-reset": reset}))
    )
    assert s.ask(session="s1").status == 429
    s.send("POST", "/teamclaude/accounts/a/enable")
    assert s.ask(session="s1").status == 200


# --- silence and slowness ---------------------------------------------------------------------------------


def test_a_silent_api_is_asked_once(stage: Build) -> None:
    s = stage("a", "b", headTimeoutSec=0.3)
    s.api.script.always(Fault.never_answered())
    raw = s.raw().request(body=json.dumps(message()).encode())
    assert raw.rest()[0] == b"", "no answer at all: the client's own retry is the best one left"
    assert s.outcomes(1) == ["upstream error"]
    assert sum(calls(s).values()) == 1


def test_a_refusal_that_trickles_is_answered_with_what_has_come(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.transport.KEPT_BODY_SEC", 0.2)
    s = stage("a")
    head = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    s.api.script.once(Fault.bytes_instead(head + b'{"type":"error","error":{"type":', then="hang"))
    reply = s.ask()
    assert reply.status == 413
    assert "413" in reply.message
    assert "did not arrive" in reply.message
    assert s.account("a")["inflight"] == 0


def test_a_pause_between_two_attempts_ends_when_the_server_stops(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.forwarding.retry.FIRST_BACKOFF_SEC", 20.0)
    s = stage("a", upstreamRetryBudgetSec=60)
    s.api.script.always(Fault.overloaded())
    raw = s.raw().request(body=json.dumps(message()).encode())
    s.until(lambda: s.send("GET", "/teamclaude/explain/last").json().get("attempts"))
    s.service.stop(5)
    assert raw.answer().error() == (503, "overloaded_error")
