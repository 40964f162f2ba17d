"""Remembered requests: newest first, bounded, found by id or as the last decided one."""

from __future__ import annotations

from typing import Any

from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.records import journal as journal_module
from teamclaude.proxy.records.exchange import Attempt, Exchange, Outcome
from teamclaude.proxy.records.journal import Journal
from teamclaude.proxy.records.request_wait import RequestWait
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.decision import Decision, Exclusion, RoutingRequest, Wait


def exchange_of(target: str = "/v1/messages", *accounts: str) -> Exchange:
    exchange = Exchange(RequestHead("POST", target, 1, []), classify_path("POST", target), at=1000.5)
    for account in accounts:
        decision = Decision(f"key-{account}", "new session", excluded=(Exclusion("key-z", "hard cap"),))
        exchange.attempts.append(Attempt(account, decision))
        exchange.attempts[-1].status = 200
    return exchange


def ended(
    journal: Journal, exchange: Exchange, outcome: Outcome = Outcome.SERVED, note: str = ""
) -> Exchange:
    record = journal.request_started(exchange)
    exchange.end(outcome, note)
    journal.request_ended(exchange, record)
    return exchange


def test_finished_requests_are_listed_newest_first_and_once_each() -> None:
    heard: list[Exchange] = []
    journal = Journal(on_end=[heard.append])
    ids = [ended(journal, exchange_of()).id for _ in range(3)]
    assert [row.id for row in journal.recent()] == ids[::-1]
    assert [exchange.id for exchange in heard] == ids
    assert journal.inflight() == ()


def test_a_request_under_way_is_in_flight_until_its_end() -> None:
    journal = Journal()
    one, two = exchange_of(), exchange_of()
    journal.request_started(one)
    journal.request_started(two)
    assert [row.request.id for row in journal.inflight()] == [two.id, one.id]
    assert journal.inflight()[0].request.outcome == ""
    one.end(Outcome.CLIENT_GONE, "left")
    journal.request_ended(one, None)
    assert [row.request.id for row in journal.inflight()] == [two.id]
    assert [(row.outcome, row.reason) for row in journal.recent()] == [("client gone", "left")]


def test_the_requests_of_one_session() -> None:
    journal = Journal()
    for session in ("s1", "s2", "s1"):
        exchange = exchange_of()
        exchange.routing_request = RoutingRequest(session)
        journal.request_started(exchange)
    assert [row.request.session for row in journal.running_of("s1")] == ["s1", "s1"]
    newest_first = [row.request.id for row in journal.inflight()]
    assert [row.request.id for row in journal.running_of("s1")] == newest_first[::2]
    assert journal.running_of("s3") == ()


def waits(exchange: Exchange) -> Exchange:
    exchange.begin_wait(RequestWait(Wait(Decision(None, "no account usable")), 1000.5, lambda: 1010.5, 0))
    return exchange


def test_the_last_one_is_the_one_that_waits_unless_another_was_decided_that_came_later() -> None:
    journal = Journal()
    ended(journal, exchange_of("/v1/messages", "a"))
    waiting = waits(exchange_of())
    journal.request_started(waiting)
    record = journal.explain("last")
    assert record is not None
    assert record["request"] == waiting.id
    assert [row.waiting and row.waiting.sec for row in journal.inflight()] == [10.0]
    assert journal.waiting_exchanges() == [waiting]
    later = ended(journal, exchange_of("/v1/messages", "b"))
    record = journal.explain("last")
    assert record is not None
    assert record["request"] == later.id
    waiting.end_wait()
    assert journal.waiting_exchanges() == []
    assert journal.inflight()[0].waiting is None


def of_session(session: str) -> Exchange:
    exchange = exchange_of("/v1/messages", "a")
    exchange.routing_request = exchange.routing_request._replace(session=session)
    return exchange


def test_the_last_one_of_a_session_is_found_beside_those_of_others() -> None:
    journal = Journal()
    ids = {session: ended(journal, of_session(session)).id for session in ("s1", "s2", "s1", "s3")}
    for session, request in ids.items():
        record = journal.explain_last(session)
        assert record is not None
        assert (record["request"], record["session"]) == (request, session)
    assert journal.explain_last("s4") is None
    running = of_session("s4")
    journal.request_started(running)
    record = journal.explain_last("s4")
    assert record is not None
    assert record["request"] == running.id


def test_only_so_many_are_remembered_and_no_body(monkeypatch: Any) -> None:
    monkeypatch.setattr(journal_module, "MAX_REMEMBERED", 3)
    journal = Journal()
    exchanges = []
    for _ in range(5):
        exchange = exchange_of()
        exchange.body = b"x" * 1000
        exchanges.append(ended(journal, exchange))
    assert [row.id for row in journal.recent()] == [e.id for e in exchanges[:1:-1]]
    assert journal.explain(exchanges[0].id) is None
    assert {exchange.body for exchange in exchanges} == {b""}


def test_a_record_says_what_is_known_and_null_for_the_rest() -> None:
    journal = Journal()
    exchange = exchange_of("/v1/messages?beta=true", "a", "b")
    unknown = ended(journal, exchange_of())
    exchange.usage, exchange.cost = Usage(input_tokens=7, output_tokens=5), 0.25
    exchange.response_started(200)
    ended(journal, exchange)
    row, bare = journal.recent()
    assert (row.at, row.path, row.accounts, row.status) == (
        1000.5,
        "/v1/messages",
        ("a", "b"),
        200,
    )
    assert (row.input_tokens, row.cache_read_tokens, row.cost, row.reason) == (
        7,
        0,
        0.25,
        "new session",
    )
    assert row.ttfb_sec is not None
    assert row.duration_sec is not None
    assert 0 <= row.ttfb_sec <= row.duration_sec
    assert bare.id == unknown.id
    assert (bare.input_tokens, bare.status, bare.ttfb_sec, bare.cost) == (None,) * 4


def test_the_last_explained_is_the_last_that_was_decided() -> None:
    journal = Journal()
    journal.names = lambda: {"key-a": "alice", "key-z": "zoe"}
    decided = ended(journal, exchange_of("/v1/messages", "alice"))
    decided.attempts[0].decision = Decision("key-a", "kept warm", excluded=(Exclusion("key-z", "hard cap"),))
    refused = ended(journal, exchange_of("/v1/nothing"), Outcome.REFUSED)
    told = journal.explain("last")
    assert told is not None
    assert told["request"] == decided.id
    assert told["attempts"][0]["decision"]["account"] == "alice"
    assert told["attempts"][0]["decision"]["excluded"][0]["account"] == "zoe"
    other = journal.explain(refused.id)
    assert other is not None
    assert (other["outcome"], other["attempts"]) == ("refused", [])


def test_the_first_request_can_be_explained_while_it_runs() -> None:
    journal = Journal()
    assert journal.explain("last") is None
    running = exchange_of()
    journal.request_started(running)
    told = journal.explain("last")
    assert told is not None
    assert (told["request"], told["outcome"]) == (running.id, None)


def test_the_first_outcome_stands() -> None:
    exchange = exchange_of()
    exchange.end(Outcome.CLIENT_GONE, "left")
    exchange.end(Outcome.SERVED)
    assert (exchange.outcome, exchange.note) == (Outcome.CLIENT_GONE, "left")


def test_tokens_are_taken_out_of_what_is_shown() -> None:
    journal = Journal()
    exchange = exchange_of("/v1/nothing/sk-ant-oat01-FAKE-x" + "y" * 5000)
    ended(journal, exchange, Outcome.REFUSED, "no sk-ant-oat01-FAKE-x here")
    said = str(journal.recent()) + str(journal.explain(exchange.id))
    assert "FAKE" not in said
    assert len(said) < 2000


def test_a_record_is_made_once_however_often_it_is_read() -> None:
    journal = Journal()
    exchange = ended(journal, exchange_of())
    (first,) = journal.recent()
    ended(journal, exchange_of())
    assert journal.recent()[1] is first
    assert first.id == exchange.id


def test_starts_and_ends_change_the_revision_and_reading_does_not() -> None:
    journal = Journal()
    before = journal.revision
    exchange = exchange_of()
    journal.request_started(exchange)
    began = journal.revision
    journal.recent(), journal.inflight()
    assert journal.revision == began != before
    journal.request_ended(exchange, None)
    assert journal.revision != began
