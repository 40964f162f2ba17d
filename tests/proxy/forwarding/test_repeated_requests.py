"""What is kept of one request for the next one with the same head asks for what that asks for itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.proxy.forwarding.routing_request import routing_request_of
from teamclaude.proxy.forwarding.user_rules import with_facts
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.http.repeated_head import RequestHeadParser
from teamclaude.proxy.records.exchange import Exchange, SeriesMemo
from teamclaude.routing.state.decision import RoutingRequest
from teamclaude.values import replace
from tests.proxy.conftest import Stage, message


class Connection:
    """The requests of one connection, whose heads differ in the length of the body alone."""

    def __init__(self, stage: Stage) -> None:
        self.context = stage.service.runtime.context
        self._heads = RequestHeadParser()
        self._route = classify_path("POST", "/v1/messages")
        self._memo = SeriesMemo(self._route)

    def exchange(self, session: bool = True, **members: Any) -> Exchange:
        body = json.dumps(message("hi", **members)).encode()
        lines = "POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
        lines += "x-claude-code-session-id: s1\r\n" if session else ""
        head = self._heads.parse(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode())
        exchange = Exchange(head, self._route, 0.0, memo=self._memo)
        exchange.body = body
        return exchange

    def ask(self, session: bool = True, **members: Any) -> RoutingRequest:
        return routing_request_of(self.exchange(session, **members), self.context)


@pytest.fixture
def connection(stage: Callable[..., Stage]) -> Connection:
    return Connection(stage("a", "b"))


def test_a_request_like_the_one_before_asks_for_the_same(connection: Connection) -> None:
    first = connection.ask(model="m")
    assert connection.ask(model="m", max_tokens=7) == first
    assert first.session == "s1"


@pytest.mark.parametrize(
    ("field", "members"),
    [
        ("model", {"model": "other"}),
        ("cache_life", {"system": [{"type": "text", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
    ],
)
def test_what_the_body_says_is_read_each_time(
    connection: Connection, field: str, members: dict[str, Any]
) -> None:
    first, other, again = connection.ask(), connection.ask(**members), connection.ask()
    assert getattr(other, field) != getattr(first, field)
    assert again == first


def test_without_a_session_the_body_says_what_is_cached(connection: Connection) -> None:
    def prefixes(text: str) -> tuple[str, ...]:
        system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
        return connection.ask(session=False, system=system).prefixes

    assert prefixes("one") != prefixes("two")


def test_an_owner_that_becomes_known_is_found(connection: Connection) -> None:
    content = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    messages = [{"role": "user", "content": content}]
    assert connection.ask(messages=messages).owner is None
    connection.context.router.change(lambda fleet, now: fleet.owners.record("file_1", "a"))
    assert connection.ask(messages=messages).owner == "a"


def test_a_conversation_that_was_refused_does_not_wait_again(connection: Connection) -> None:
    assert connection.ask().hold_sec > 0
    connection.context.recently_refused.add("s1")
    assert connection.ask().hold_sec == 0


def test_the_facts_for_rules_are_those_of_now(connection: Connection) -> None:
    context = connection.context
    later = replace(context, project_of=lambda session: "/work/a")
    exchange = connection.exchange()
    request = routing_request_of(exchange, context)
    assert with_facts(request, exchange, context).facts.project == ""
    assert with_facts(request, exchange, later).facts.project == "/work/a"
    other = request._replace(tried=("a",))
    assert with_facts(other, exchange, later).tried == ("a",)


def test_conversations_that_share_a_connection_stay_apart(stage: Callable[..., Stage]) -> None:
    s = stage("a", "b")
    client = s.raw()
    sessions = ["s1", "s2", "s1", "s3", "s2", "s1"]
    for session in sessions:
        client.request(
            body=json.dumps(message("hi")).encode(), headers=[("x-claude-code-session-id", session)]
        )
        assert client.answer().status == 200
    s.outcomes(len(sessions))
    seen = [activity.session for activity in s.service.runtime.journal.recent()]
    assert seen[::-1] == sessions
