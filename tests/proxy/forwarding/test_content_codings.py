"""Compressed responses: what the API is asked for, what is read, and how an unreadable one is reported."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
BR = Fault(headers=(("Content-Encoding", "br"),))  # the proxy does not look into it
NATIVE = {"Accept-Encoding": "gzip, deflate, br, zstd"}
TOKENS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


def asked(s: Any) -> list[str]:
    """The Accept-Encoding lines of the last request that the API saw."""
    assert s.api.wait_until(lambda api: bool(api.log) and not api.live), (
        "it ends them just after their answers"
    )
    return [value for name, value in s.api.log[-1].headers if name.lower() == "accept-encoding"]


def test_the_api_is_asked_for_what_can_be_read_and_the_client_gets_what_it_offered(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.gzipped())
    reply = s.ask(headers=NATIVE)
    assert asked(s) == ["gzip, deflate"]
    assert reply.headers["content-encoding"] == "gzip"
    assert b"message_stop" in gzip.decompress(reply.body)
    record = s.records[-1]
    assert record["outcome"] == "served"
    assert record["outputTokens"] > 0
    assert record["cost"] > 0


def test_a_client_s_own_login_offers_what_it_will(stage: Build) -> None:
    s = stage("a")
    s.send("GET", "/api/oauth/usage", headers=NATIVE)
    s.seen()
    assert asked(s) == ["gzip, deflate, br, zstd"]


@pytest.mark.parametrize("offered", ["br", "gzip;q=0, br", ""])
def test_a_client_that_offers_nothing_readable_passes_unchanged(stage: Build, offered: str) -> None:
    s = stage("a")
    s.ask(headers={"Accept-Encoding": offered})
    assert asked(s) == [offered]


def test_a_client_that_says_nothing_is_not_spoken_for(stage: Build) -> None:
    s = stage("a")
    raw = s.raw().request(body=json.dumps({"model": "claude-opus-4-8", "messages": []}).encode())
    raw.answer()
    s.seen()
    assert asked(s) == []


@pytest.mark.parametrize("stream", [True, False])
def test_tokens_that_can_t_be_read_are_unknown_everywhere_and_never_zero(stage: Build, stream: bool) -> None:
    client = {"name": "ci", "key": "tc-client-key-ci-00000000000000000000000"}
    s = stage("a", proxy={"trustLoopback": False, "clients": [client]})
    s.api.script.once(BR)
    reply = s.ask(headers={"Accept-Encoding": "br", "x-teamclaude-key": client["key"]}, stream=stream)
    assert (reply.status, reply.headers["content-encoding"]) == (200, "br")

    record = s.records[-1]
    assert record["outcome"] == "served"
    assert "unknown" in record["reason"]
    assert [record[name] for name in (*TOKENS, "cost")] == [None] * 5
    assert record["unmeasured"] is True

    status = s.status()
    rows = [status["accounts"][0]["usage"], status["sessionBindings"][0], status["sessionAggregate"]]
    rows += status["usageByIssue"]
    for row in rows:
        assert (row["requests"], row["unmeasured"]) == (1, 1)
        assert [row[name] for name in (*TOKENS, "tokens", "cost")] == [None] * 6
    (row,) = status["clients"]
    assert (row["requests"], row["unmeasured"], row["tokens"], row["cost"]) == (1, 1, None, None)


def test_what_is_known_beside_it_is_a_lower_bound(stage: Build) -> None:
    s = stage("a")
    s.ask()
    known = s.account("a")["usage"]
    s.api.script.once(BR)
    s.ask(headers={"Accept-Encoding": "br"})
    both = s.account("a")["usage"]
    assert (both["requests"], both["unmeasured"]) == (2, 1)
    assert (both["tokens"], both["cost"]) == (known["tokens"], known["cost"])
    s.restart()
    assert s.account("a")["usage"] == both, "also after a restart"


def test_a_request_without_tokens_is_not_one_whose_tokens_are_unknown(stage: Build) -> None:
    s = stage("a")
    s.send("GET", "/v1/models")
    s.api.script.once(Fault.status(400, "no"))
    s.ask()
    assert [record["unmeasured"] for record in s.records] == [False, False]
    assert s.account("a")["usage"]["unmeasured"] == 0


def test_an_upstream_that_sends_br_all_the_same_is_passed_on_as_it_is(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(BR)
    reply = s.ask(headers=NATIVE)
    assert asked(s) == ["gzip, deflate"]
    assert reply.headers["content-encoding"] == "br"
    assert s.records[-1]["unmeasured"] is True


def test_a_compressed_head_without_a_body(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.gzipped())
    reply = s.send("HEAD", "/v1/models", headers=NATIVE)
    assert (reply.body, reply.headers["content-encoding"]) == (b"", "gzip")


def test_a_compressed_answer_of_known_length(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.gzipped())
    reply = s.ask(stream=False, headers={"Accept-Encoding": "GZIP"})
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert json.loads(gzip.decompress(reply.body))["type"] == "message"
    assert s.records[-1]["outputTokens"] > 0


def test_trailers_are_not_asked_for(stage: Build) -> None:
    s = stage("a")
    s.ask(headers={"TE": "trailers", "Connection": "TE"})
    assert s.seen()[0].header("te") is None
