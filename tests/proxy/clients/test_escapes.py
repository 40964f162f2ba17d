"""What a client might try so that its limits do not see what it uses, or so that it costs money."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Cut, Fault
from teamclaude.fakeapi.prompt_cache import TokenUsage
from teamclaude.fakeapi.stream import Message, events
from tests.proxy.conftest import account_json, message
from tests.proxy.forwarding.test_blame import unified
from tests.proxy.forwarding.test_blame_limits import EXTRA

Build = Callable[..., Any]
CI = "tc-client-key-ci-00000000000000000000000"
BY_CI = {"x-teamclaude-key": CI}
PAID = {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-paid"}


def guarded(stage: Build, **client: Any) -> Any:
    return stage("a", proxy={"trustLoopback": False, "clients": [{"name": "ci", "key": CI, **client}]})


def tokens_today(s: Any) -> int:
    (row,) = s.status()["clients"]
    return int(row["tokensToday"])


# --- tokens that the answer does not tell ---------------------------------------------------------


def left_before_its_end(s: Any, text: str) -> None:
    """Read a stream until all of its text has come, and leave before its counts."""
    stream = events(Message("msg_1", "claude-opus-4-8", [{"type": "text", "text": text}], TokenUsage(9, 5)))
    counts = len(b"".join(stream[-2:]))
    whole = b"".join(stream)
    answer = Fault.status(200, body=whole, headers={"content-type": "text/event-stream"})
    s.api.script.once(answer.with_changes(cut=Cut("body", len(whole) - counts, "hang")))
    body = json.dumps(message()).encode()
    lines = ["POST /v1/messages HTTP/1.1", "Host: localhost", f"x-teamclaude-key: {CI}"]
    raw = s.raw().send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    assert raw._until(b"content_block_stop")
    raw.reset()
    assert s.outcomes(1) == ["client gone"]


def test_a_client_that_leaves_before_the_counts_come_is_charged_for_what_it_has_read(stage: Build) -> None:
    s = guarded(stage, dailyTokens=10_000_000)
    left_before_its_end(s, "x" * 8000)
    s.until(lambda: s.status()["clients"][0]["inflight"] == 0)
    assert tokens_today(s) >= 8000 // 32


def test_an_answer_to_its_end_is_charged_as_the_api_counts_it(stage: Build) -> None:
    s = guarded(stage, dailyTokens=10_000_000)
    for stream in (True, False):
        s.ask(headers=BY_CI, stream=stream)
    account = s.account("a")["usage"]
    assert tokens_today(s) == account["tokens"] - account["cacheReadTokens"]


@pytest.mark.parametrize("client", [{"dailyTokens": 10_000_000}, {"share": 0.5}, {}])
def test_a_coding_that_nobody_can_read_hides_no_tokens_from_a_limit(
    stage: Build, client: dict[str, Any]
) -> None:
    s = guarded(stage, **client)
    for offer in ("br", "zstd, br;q=0.5", "gzip, br"):
        s.ask(headers={**BY_CI, "Accept-Encoding": offer})
    sent = [{n.lower(): v for n, v in one.headers}["accept-encoding"] for one in s.seen(3)]
    assert sent == (["identity", "identity", "gzip"] if client else ["br", "zstd, br;q=0.5", "gzip"])


@pytest.mark.parametrize("path", ["/v1/messages/batches", "/v1/messages/batches?beta=true", "/v1/complete"])
@pytest.mark.parametrize("limit", [{"dailyTokens": 1000}, {"share": 0.5}])
def test_work_that_can_not_be_counted_is_refused_where_tokens_are_limited(
    stage: Build, path: str, limit: dict[str, Any]
) -> None:
    s = guarded(stage, **limit)
    refused = s.send("POST", path, {"requests": []}, BY_CI)
    (name,) = limit
    assert refused.status == 403
    assert refused.message == (
        "refused by the limit of client 'ci': what a batch or a completion uses can't be counted "
        f"({name}); send messages (/v1/messages)"
    )
    assert s.api.log == ()
    s.send("POST", path, {"requests": []})
    assert s.api.arrived == 1, "others may"


def test_batches_are_read_and_cancelled_with_a_limit_of_tokens(stage: Build) -> None:
    s = guarded(stage, dailyTokens=1000)
    for method, path in (
        ("GET", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/b1/results"),
        ("POST", "/v1/messages/batches/b1/cancel"),
        ("POST", "/v1/messages/count_tokens"),
    ):
        assert s.send(method, path, b"{}" if method == "POST" else None, BY_CI).status != 403, path


def test_a_client_without_a_limit_of_tokens_may_send_batches(stage: Build) -> None:
    s = guarded(stage, maxInflight=3)
    s.send("POST", "/v1/messages/batches", {"requests": []}, BY_CI)
    assert s.api.arrived == 1


# --- money ----------------------------------------------------------------------------------------


def test_a_client_names_subscriptions_and_an_operator_paid_keys_too(stage: Build) -> None:
    s = stage(
        "a",
        "b",
        accounts=[account_json("a"), account_json("b"), PAID],
        proxy={"trustLoopback": False, "clients": [{"name": "ci", "key": CI}]},
    )
    assert s.ask(headers={**BY_CI, "x-teamclaude-account": "b"}).account == "b"
    asked = s.api.arrived
    refused = s.ask(headers={**BY_CI, "x-teamclaude-account": "paid"})
    assert "only a key with the role operator may name it" in refused.message
    assert refused.headers["x-should-retry"] == "false"
    assert s.api.arrived == asked, "nothing was sent"
    s.ask(headers={"x-teamclaude-account": "paid"})
    assert s.api.arrived > asked


def test_a_client_names_no_account_that_is_on_extra_usage(stage: Build, clock: Any) -> None:
    clients = [{"name": "ci", "key": CI}]
    s = stage("a", "b", allowExtraUsage=True, proxy={"trustLoopback": False, "clients": clients})
    headers = unified(**EXTRA, **{"5h-reset": int(clock.now) + 7200})
    s.api.script.always(Fault(headers=headers), account="a")
    named = {"x-teamclaude-account": "a"}
    assert s.ask(session="s1", headers={**BY_CI, **named}).account == "a", "not full yet, as far as is known"
    refused = s.ask(session="s2", headers={**BY_CI, **named})
    assert "a: it costs money" in refused.message
    assert s.ask(session="s3", headers=BY_CI).account == "b"
    assert s.ask(session="s4", headers=named).account == "a", "an operator's word"
