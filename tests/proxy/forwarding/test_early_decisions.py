"""What is known of a request while its body arrives, against what the whole body says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.proxy.forwarding.routing_request import (
    request_of_beginning,
    routing_request_of,
    whole_request,
)
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.http.repeated_head import RequestHeadParser
from teamclaude.proxy.records.exchange import Exchange
from tests.proxy.conftest import Stage, message

MODELS = ["claude-opus-4-8", "claude-opus-4-8", "claude-haiku-4-5", "x\\u0041", "", None, 7]
CACHES = [None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "ttl": "5m"}]
FILLERS = ["x", '"model": "other", ', "\\", '{"model":"other"}', "\u00e9", '"1h"']


def random_body(some: random.Random) -> bytes:
    """Return a body much as Claude Code writes it, with something wrong or unusual in it."""
    text = some.choice(FILLERS) * some.randint(1, 3000)
    system = [{"type": "text", "text": text, "cache_control": some.choice(CACHES)}]
    members = list(message(text, model=some.choice(MODELS), system=system).items())
    members += [
        ("metadata", {"user_id": "u", "model": "inner"}),
        ("stream", some.choice([True, False, "yes"])),
    ]
    if some.random() < 0.3:
        members.append(("model", some.choice(MODELS)))
    if some.random() < 0.3:
        some.shuffle(members)
    separators = some.choice([(",", ":"), (", ", ": "), (" ,\n", " :\t")])
    written = [
        f"{json.dumps(k)}{separators[1]}{json.dumps(v, ensure_ascii=some.random() < 0.5)}" for k, v in members
    ]
    body = ("{" + separators[0].join(written) + "}").encode()
    return body[: some.randrange(len(body))] if some.random() < 0.1 else body


@pytest.fixture
def request_of(stage: Callable[..., Stage]) -> Callable[[bytes, int], tuple[Any, Any]]:
    """Return what a request asks for by its beginning and then its whole body, and by the whole alone."""
    context = stage("a").service.runtime.context

    def of(body: bytes, front: int) -> tuple[Any, Any]:
        lines = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-claude-code-session-id: s1\r\n"
        head = RequestHeadParser().parse(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode())
        exchanges = [Exchange(head, classify_path("POST", "/v1/messages"), 0.0) for _ in range(2)]
        early = request_of_beginning(exchanges[0], context, body[:front])
        for each in exchanges:
            each.body = body
        if early is not None:
            early = whole_request(early, exchanges[0], context)
        whole = routing_request_of(exchanges[1], context)
        assert early is None or exchanges[0].facts == exchanges[1].facts
        return early, whole

    return of


@pytest.mark.parametrize("seed", range(2))
def test_a_request_that_is_confirmed_asks_for_what_its_whole_body_says(
    request_of: Callable[[bytes, int], tuple[Any, Any]], seed: int
) -> None:
    some, confirmed = random.Random(seed), 0
    for _ in range(250):
        body = random_body(some)
        early, whole = request_of(body, some.choice((10, 60, 1024)))
        assert early is None or early == whole, body[:500]
        confirmed += early is not None
    assert confirmed > 15


def test_a_body_of_claude_code_is_confirmed(request_of: Callable[[bytes, int], tuple[Any, Any]]) -> None:
    early, whole = request_of(json.dumps(message("x" * 500_000)).encode(), 1024)
    assert early == whole
    assert early.model == "claude-opus-4-8"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"model": "a', b'{"model": 7, "x": 1}', b'{"max_tokens": 1, "model": "a", "x": 1}'],
)
def test_a_beginning_without_a_model_says_nothing(
    request_of: Callable[[bytes, int], tuple[Any, Any]], body: bytes
) -> None:
    assert request_of(body, 1024)[0] is None
