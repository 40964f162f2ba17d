"""Threads that the API keeps: they stay with their account; of an unknown one the client is told at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.fakeapi.message_threads import THREADS_BETA

Build = Callable[..., Any]
BETA = {"anthropic-beta": THREADS_BETA}
REFUSED = Fault.status(400, "Your credit balance is too low")


def id_of(reply: Any) -> str:
    """Return the id of a streamed message."""
    start = next(line for line in reply.body.decode().splitlines() if '"message_start"' in line)
    return str(json.loads(start.partition(": ")[2])["message"]["id"])


def begin(s: Any, session: str = "s1") -> tuple[str, str]:
    """Create a thread; return its account and the id of its message."""
    reply = s.ask(session=session, headers=BETA, thread={"type": "create"})
    assert reply.status == 200
    return reply.account, id_of(reply)


def go_on(s: Any, previous: str, session: str = "s1", **more: Any) -> Any:
    thread = {"type": "continue", "previous_message_id": previous}
    return s.ask("go on", session=session, headers=BETA, thread=thread, **more)


def bench(s: Any, name: str) -> None:
    """Have the API refuse a request of this account."""
    s.api.script.once(Fault.quota("5h"), account=name)


def accounts_seen(s: Any, first: int = 0) -> list[Optional[str]]:
    # Also those whose answer has left, but whose end is not logged yet.
    exchanges = sorted([*s.api.log, *s.api.live], key=lambda exchange: exchange.number)
    return [exchange.account for exchange in exchanges[first:]]


def test_a_thread_goes_on_where_it_is_kept(stage: Build) -> None:
    s = stage("a", "b", "c", routing={"policy": "round-robin"})
    home, message = begin(s)
    for _ in range(3):
        reply = go_on(s, message)
        assert (reply.status, reply.account) == (200, home)
        message = id_of(reply)
    told = s.send("GET", "/teamclaude/explain/last").json()["attempts"][0]["decision"]
    assert (told["reason"], told["detail"]) == ("continues a thread", f"kept by {home}")


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_thread_is_told_byte_for_byte_and_the_whole_conversation_is_served(
    stage: Build, status: int
) -> None:
    s = stage("a", "b", "c")
    s.api.endpoints.unknown_thread_status = status
    home, message = begin(s)
    bench(s, home)
    refused = go_on(s, message)
    assert refused.status == status
    assert json.loads(refused.body)["error"]["details"] == {"error_code": "thread_not_found"}
    first, limited, unknown = s.seen(3)
    assert (first.account, limited.status, unknown.status) == (home, 429, status)
    assert int(refused.headers["content-length"]) == len(refused.body)
    assert unknown.account != home, "and no third account was asked"
    again = s.ask(headers=BETA, thread={"type": "create"})
    assert (again.status, again.account) == (200, unknown.account)
    # Nobody is sidelined or suspected for it.
    assert [a["status"] for a in s.status()["accounts"] if a["name"] != home] == ["active"] * 2
    assert go_on(s, id_of(again)).account == again.account


def test_a_thread_that_its_own_account_no_longer_knows_is_told_at_once(stage: Build) -> None:
    s = stage("a", "b")
    home, message = begin(s)
    s.api.accounts[home].threads.clear()
    assert go_on(s, message).status == 400
    assert accounts_seen(s) == [home, home]
    assert s.ask(headers=BETA, thread={"type": "create"}).account == home


def test_a_refusal_of_something_else_ends_in_a_thread_that_is_unknown_elsewhere(stage: Build) -> None:
    """Another account can't tell whose fault it was; the whole conversation, which then comes, can."""
    s = stage("a", "b")
    home, message = begin(s)
    other = "b" if home == "a" else "a"
    s.api.script.always(REFUSED, account=home)
    assert go_on(s, message).json()["error"]["details"]["error_code"] == "thread_not_found"
    assert accounts_seen(s, 1) == [home, other]
    again = s.ask(headers=BETA, thread={"type": "create"})
    assert (again.status, again.account) == (200, other)


def test_alone_its_account_says_what_it_has_to_say(stage: Build) -> None:
    s = stage("a")
    _, message = begin(s)
    s.api.script.once(REFUSED)
    assert go_on(s, message).message == "Your credit balance is too low"


def test_an_overloaded_api_is_asked_again_with_the_same_account(stage: Build) -> None:
    s = stage("a", "b")
    home, message = begin(s)
    s.api.script.times(3, Fault.overloaded(), account=home)
    assert go_on(s, message).account == home
    assert accounts_seen(s, 1) == [home] * 4


@pytest.mark.parametrize(("times", "asked"), [(1, 2), (2, 3)])
def test_a_bare_429_is_waited_out_before_another_account_is_asked(
    stage: Build, times: int, asked: int
) -> None:
    s = stage("a", "b")
    home, message = begin(s)
    s.api.script.times(times, Fault.bare_429(), account=home)
    assert go_on(s, message).account == home
    assert accounts_seen(s, 1) == [home] * asked


def test_bare_429s_that_go_on_make_the_client_send_everything(stage: Build) -> None:
    s = stage("a", "b")
    home, message = begin(s)
    other = "b" if home == "a" else "a"
    s.api.script.always(Fault.bare_429(), account=home)
    assert go_on(s, message).status == 400
    assert accounts_seen(s, 1) == [home, home, home, other]
    assert s.ask(headers=BETA, thread={"type": "create"}).account == other


def test_a_stream_that_begins_with_errors_is_asked_for_again_there(stage: Build) -> None:
    s = stage("a", "b")
    home, message = begin(s)
    s.api.script.times(2, Fault.stream_error(), account=home)
    assert go_on(s, message).account == home
    assert accounts_seen(s, 1) == [home] * 3


def test_without_the_beta_a_body_is_not_searched_for_a_thread(stage: Build) -> None:
    s = stage("a", "b", routing={"policy": "round-robin"})
    home = s.ask().account
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    told = [s.ask(thread=thread).status, s.send("GET", "/teamclaude/explain/last").json()["attempts"]]
    assert told[0] == 400
    assert {attempt["decision"]["reason"] for attempt in told[1]} & {"continues a thread"} == set()
    assert home in ("a", "b")
