"""Whose fault a refusal is: what it does to the account, and what the client gets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.routing.policies.registry import POLICIES
from tests.proxy.conftest import message

Build = Callable[..., Any]

DISABLED = "This organization has been disabled."
POLICY_NAMES = sorted(POLICIES, key=lambda name: name != "price")
UNIFIED = "anthropic-ratelimit-unified-"

REFUSALS = [
    Fault.status(400, DISABLED),
    Fault.status(400, "Your credit balance is too low to access the Anthropic API."),
    Fault.status(400, "You have reached your specified workspace API usage limits."),
    Fault.status(400, "The long context beta is not yet available for this subscription."),
    Fault.status(402, "Payment is required."),
    Fault.status(404, "model: claude-opus-4-8"),
]


def calls(stage: Any) -> Counter[str]:
    """How often each account was asked for inference."""
    assert stage.api.wait_until(lambda api: not api.live)
    return Counter(e.account for e in stage.api.log if e.path == "/v1/messages")


def unified(**fields: object) -> list[tuple[str, str]]:
    return [(UNIFIED + name.replace("__", "-"), str(value)) for name, value in fields.items()]


def page(status: int) -> Fault:
    """What an edge says in place of the API."""
    return Fault.html(status)


# --- an account that refuses everything for its own sake ---------------------------------------------


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_an_account_that_refuses_everything_causes_no_failure_and_draws_no_work(
    stage: Build, policy: str
) -> None:
    s = stage("a", "b", "c", routing={"policy": policy})
    s.api.script.always(Fault.status(400, DISABLED), account="a")
    assert [s.ask(session=f"s{n}").status for n in range(10)] == [200] * 10
    assert calls(s)["a"] == 1
    row = s.account("a")
    assert (row["status"], row["statusReason"], row["benchSec"]) == ("benched", DISABLED, 300)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda fault: f"{fault.code} {fault.body[:70]!r}")
def test_whatever_the_words_a_refusal_that_another_account_serves_sidelines(
    stage: Build, refusal: Fault
) -> None:
    s = stage("a", "b")
    s.api.script.always(refusal, account="a")
    assert [s.ask(session=f"s{n}").status for n in range(8)] == [200] * 8
    assert calls(s)["a"] == 1
    assert s.account("a")["status"] == "benched"
    assert s.account("b")["status"] == "active"


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_two_accounts_that_refuse_everything_alike_cost_one_failure_beside_a_healthy_one(
    stage: Build, policy: str
) -> None:
    s = stage("a", "b", "c", routing={"policy": policy})
    for name in "ab":
        s.api.script.always(Fault.status(400, DISABLED), account=name)
    statuses = [s.ask(session=f"s{n}").status for n in range(10)]
    assert statuses.count(400) <= 1, "two alike are the request's fault, but not time and again"
    assert calls(s)["a"] + calls(s)["b"] <= 4


def test_a_sole_conversation_that_two_accounts_refuse_finds_the_third_after_a_minute(
    stage: Build, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", "b", "c", routing={"policy": "threshold"})
    monkeypatch.setattr(s.service.runtime.context.recently_refused, "_monotonic", clock)
    for name in "ab":
        s.api.script.always(Fault.status(400, DISABLED), account=name)
    assert s.ask(session="s1").status == 400
    clock.now += 61
    assert s.ask(session="s1").status == 200


def test_what_every_account_refuses_is_sent_to_two_for_every_client(stage: Build) -> None:
    s = stage(*"abcdef")
    s.api.script.always(Fault.status(400, "prompt is too long"))
    assert {s.ask(session=f"s{n}").status for n in range(20)} == {400}
    assert sum(calls(s).values()) <= 2 * 20 + 4, "all of them once a minute"
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_an_account_that_serves_other_work_is_sidelined_for_what_it_refuses_alone(stage: Build) -> None:
    s = stage("a", "b")
    assert {s.ask(session=f"warm{n}").status for n in range(4)} == {200}
    s.api.script.always(Fault.status(404, "model: claude-fable-5"), account="a", when=_of("claude-fable-5"))
    for n in range(4):
        assert s.ask(session=f"f{n}", model="claude-fable-5").account == "b"
    assert s.account("a")["status"] == "active"
    assert "claude-fable-5" in s.account("a")["statusReason"]
    assert s.ask(session="warm0").status == 200
    asked = [e for e in s.seen() if e.account == "a" and b"fable" in e.body]
    assert len(asked) == 1


def test_of_many_requests_one_tries_whether_a_kind_of_work_is_still_refused(stage: Build, clock: Any) -> None:
    s = stage("a", "b")
    for name in "ab":
        s.ask(session=name, headers={"x-teamclaude-account": name})
    refused = Fault.status(404, "model: claude-fable-5").with_changes(before_head=0.2)
    s.api.script.always(refused, account="a", when=_of("claude-fable-5"))
    for n in range(4):
        assert s.ask(session=f"f{n}", model="claude-fable-5").status == 200
    clock.now += 301
    crowd = [
        threading.Thread(target=s.ask, args=(f"g{n}", f"g{n}"), kwargs={"model": "claude-fable-5"})
        for n in range(8)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    asked = [e for e in s.seen(12) if e.account == "a" and b"fable" in e.body]
    assert len(asked) == 2


def test_a_second_kind_of_work_refused_with_none_served_sidelines_the_whole_account(
    stage: Build, clock: Any
) -> None:
    s = stage("a", "b")
    for n in range(4):
        s.ask(session=f"warm{n}")
    s.api.script.always(Fault.status(400, DISABLED), account="a")
    for n, model in enumerate(["claude-opus-4-8", "claude-haiku-4-5"] * 2):
        assert s.ask(session=f"s{n}", model=model).status == 200
        clock.now += 61  # after a failure it is given no new work for a minute
    assert s.account("a")["status"] == "benched"
    assert calls(s)["a"] <= 4


def test_a_sidelined_account_is_tried_by_one_request_and_then_for_twice_as_long(
    stage: Build, clock: Any
) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.status(400, DISABLED), account="a")
    benches = []
    for n in range(6):
        asked = calls(s)["a"]
        for m in range(4):
            assert s.ask(session=f"s{n}-{m}").status == 200
        assert calls(s)["a"] == asked + 1
        benches.append(s.account("a")["benchSec"])
        clock.now += benches[-1] + 1
    assert benches == [300, 600, 1200, 2400, 3600, 3600]


def test_what_serves_again_is_no_longer_held_to_have_failed(stage: Build, clock: Any) -> None:
    s = stage("a", "b")
    s.api.script.once(Fault.status(400, DISABLED), account="a")
    while not calls(s)["a"]:
        s.ask(session=f"s{time.monotonic()}")
    clock.now += 301
    for n in range(6):
        s.ask(session=f"t{n}")
    assert calls(s)["a"] > 1
    assert s.account("a")["status"] == "active"


# --- a request that is refused for its own sake -------------------------------------------------------


@pytest.mark.parametrize("policy", POLICY_NAMES)
@pytest.mark.parametrize("status", [400, 402, 404])
def test_what_two_accounts_refuse_alike_is_the_request_s_fault(
    stage: Build, status: int, policy: str
) -> None:
    s = stage("a", "b", "c", routing={"policy": policy})
    s.api.script.always(Fault.status(status, "prompt is too long: 210000 tokens > 200000 maximum"))
    replies = [s.ask(session="s1") for _ in range(5)]
    assert {(r.status, r.message) for r in replies} == {
        (status, "prompt is too long: 210000 tokens > 200000 maximum")
    }
    assert sum(calls(s).values()) == 2 + 4, "the same conversation hops for it no more for a minute"
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


def test_a_sole_account_s_refusal_is_relayed_byte_for_byte_and_benches_nothing(stage: Build) -> None:
    s = stage("a")
    body = b'{"type":"error",  "error":{"type":"invalid_request_error","message":"no"},"request_id":"r"}'
    s.api.script.always(Fault.status(400, body=body))
    assert s.ask().body == body
    assert s.account("a")["status"] == "active"


def test_the_answer_of_an_account_that_serves_others_is_the_one_to_believe(stage: Build) -> None:
    s = stage("a", "b")
    s.ask(session="s1", headers={"x-teamclaude-account": "b"})
    s.api.script.always(Fault.status(400, DISABLED), account="a")
    s.api.script.always(Fault.status(400, "prompt is too long"), account="b")
    assert {s.ask(session=f"t{n}").message for n in range(3)} == {"prompt is too long"}


@pytest.mark.parametrize("status", [405, 409, 413, 415, 422, 501])
def test_any_other_4xx_is_relayed_at_once_and_touches_no_account(stage: Build, status: int) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.status(status, "no"))
    assert s.ask().status == status
    assert sum(calls(s).values()) == 1
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


# --- the way to the API --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 407, 511])
def test_a_page_in_place_of_the_api_is_an_outage_and_is_retried(stage: Build, status: int) -> None:
    s = stage("a", "b")
    s.api.script.times(3, page(status))
    assert s.ask().status == 200
    assert {(a["status"], a["streak"]) for a in s.status()["accounts"]} == {("active", 0)}
    assert not s.warnings


@pytest.mark.parametrize("status", [520, 521, 522, 523, 525, 526, 530])
def test_an_edge_that_does_not_reach_the_api_is_an_outage_and_is_retried(stage: Build, status: int) -> None:
    s = stage("a", "b")
    s.api.script.times(2, page(status))
    assert s.ask().status == 200


def test_json_of_another_s_making_is_no_word_of_the_api_s(stage: Build) -> None:
    s = stage("a", "b")
    forbidden = b'{"error":{"type":"forbidden","message":"Request not allowed"}}'
    s.api.script.times(3, Fault.status(403, body=forbidden))
    assert s.ask().status == 200
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


@pytest.mark.parametrize("status", [401, 403, 407, 511])
def test_an_outage_that_lasts_is_a_503_and_never_a_refused_login(stage: Build, status: int) -> None:
    s = stage("a", "b", upstreamRetryBudgetSec=0.05)
    s.api.script.always(page(status))
    reply = s.ask()
    assert (reply.status, reply.json()["error"]["type"]) == (503, "overloaded_error")
    assert str(status) in reply.message
    assert reply.headers["retry-after"] == "5"
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/models"])
def test_off_the_inference_path_a_page_is_a_503_at_once(stage: Build, path: str) -> None:
    s = stage("a", "b")
    s.api.script.always(page(403))
    reply = s.send("POST" if "count" in path else "GET", path, message() if "count" in path else None)
    assert reply.status == 503
    assert len(s.seen()) == 1


def _of(model: str) -> Callable[[Any], bool]:
    return lambda asked: model.encode() in asked.body


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_a_model_that_only_one_of_five_accounts_has_is_found_there(stage: Build, policy: str) -> None:
    s = stage(*"abcde", routing={"policy": policy})
    for name in "abcd":
        s.api.script.always(Fault.status(404, "model: claude-fable-5"), account=name)
    statuses = [s.ask(session=f"s{n}", model="claude-fable-5").status for n in range(12)]
    assert statuses.count(404) <= 3
    assert statuses[-1] == 200


def test_a_client_that_insists_on_a_sidelined_account_gets_its_words_and_does_not_wait(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.always(Fault.status(400, DISABLED), account="a")
    while not calls(s)["a"]:
        assert s.ask(session=f"s{time.monotonic()}").status == 200
    assert s.account("a")["status"] == "benched"
    reply = s.ask(session="mine", headers={"x-teamclaude-account": "a"})
    assert (reply.status, reply.message) == (400, DISABLED)
