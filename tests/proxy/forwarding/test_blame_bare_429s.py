"""A 429 that says nothing: the account's fault, or the request's?"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.proxy.conftest import message
from tests.proxy.forwarding.test_blame import calls

Build = Callable[..., Any]


def test_bare_429s_of_two_accounts_do_not_keep_the_third_from_serving(stage: Build) -> None:
    s = stage("a", "b", "c")
    for n in range(6):
        s.ask(session=f"warm{n}")
    for name in "ab":
        s.api.script.always(Fault.bare_429(), account=name)
    replies = [s.ask(session=f"s{n}") for n in range(6)]
    assert {(r.status, r.account) for r in replies} == {(200, "c")}
    assert s.account("c")["status"] == "active"


def test_a_bare_429_waits_for_a_busy_slot_of_another_account(stage: Build) -> None:
    s = stage("a", "b", maxInflightPerAccount=1)
    for name in "ab":
        s.ask(session=name, headers={"x-teamclaude-account": name})
    s.api.script.once(Fault.slow(before_head=0.6), account="b")
    busy = threading.Thread(target=s.ask, args=("busy", "busy", {"x-teamclaude-account": "b"}))
    busy.start()
    s.until(lambda: s.account("b")["inflight"] == 1)
    s.api.script.always(Fault.bare_429(), account="a")
    assert s.ask(session="a").account == "b"
    busy.join()


def test_five_accounts_with_bare_429s_are_not_all_asked(stage: Build) -> None:
    s = stage(*"abcdef")
    s.api.script.always(Fault.bare_429())
    assert s.ask(session="s1").status == 429
    assert sum(calls(s).values()) == 4
    assert s.ask(session="s2").status == 429
    assert sum(calls(s).values()) == 5, "refused by all a moment ago: one account only"
    s.api.script.clear()
    assert s.ask(session="s3").status == 200
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}


@pytest.mark.parametrize(
    "last", [Fault.status(529), Fault.status(500), Fault.status(413, "too large")], ids=lambda f: str(f.code)
)
def test_what_another_account_says_after_a_bare_429_is_relayed(stage: Build, last: Fault) -> None:
    s = stage("a", "b", upstreamRetryBudgetSec=1)
    for name in "ab":
        s.ask(session=name, headers={"x-teamclaude-account": name})
    s.api.script.always(Fault.bare_429(), account="a")
    s.api.script.always(last, account="b")
    reply = s.ask(session="a")
    assert (reply.status, reply.account) == (last.code, "b"), "perhaps b would have served"


def test_a_bare_429_after_an_outage_that_is_over_is_relayed(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.status(500))
    s.api.script.always(Fault.bare_429())
    assert s.ask(session="s1").status == 429


def test_a_bare_429_that_nothing_settled_leaves_a_suspicion(stage: Build) -> None:
    s = stage("a", "b")
    for name in "ab":
        s.ask(session=name, headers={"x-teamclaude-account": name})
    s.api.script.once(Fault.bare_429(), account="a")
    s.api.script.once(Fault.status(413, "too large"), account="b")
    assert s.ask(session="a").status == 413
    assert {s.ask(session=f"new{n}").account for n in range(4)} == {"b"}


def test_on_count_tokens_a_429_goes_to_one_other_account_and_benches_none(stage: Build) -> None:
    s = stage("a", "b", "c")
    s.api.script.once(Fault.bare_429())
    assert s.send("POST", "/v1/messages/count_tokens", message()).status == 200
    s.api.script.always(Fault.bare_429())
    assert s.send("POST", "/v1/messages/count_tokens", message()).status == 429
    assert len(s.seen(4)) == 4
    assert {a["status"] for a in s.status()["accounts"]} == {"active"}
