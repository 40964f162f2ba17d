"""Responses after a hold has sent its 200: the client reads one event stream, whatever follows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding import hold as hold_module
from tests.proxy.conftest import TOKEN

Build = Callable[..., Any]


@pytest.fixture
def held(stage: Build, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Puts a request on hold until its answer has begun, lets the account be free, returns (stage, reply)."""
    monkeypatch.setattr(hold_module, "COMMENT_SEC", 0.01)

    def begin(fault: Optional[Fault], **config: Any) -> Any:
        s = stage("a", **{"holdCommitSec": 0.05, "upstreamRetryBudgetSec": 0, **config})
        s.api.script.once(Fault.quota("5h", reset_in=600.0))
        replies: list[Any] = []
        waiting_request = threading.Thread(target=lambda: replies.append(s.ask(session="s1")), daemon=True)
        waiting_request.start()
        s.until(lambda: any(e.request.ttfb_sec for e in s.service.snapshot().inflight))
        if fault is not None:
            s.api.script.always(fault)
            clock.now += 601
            s.service.runtime.router.credentials_changed([])  # serves the queue
        else:
            s.service.stop(0)
        waiting_request.join(30)
        assert replies, "no answer came"
        return s, replies[0]

    return begin


def error_of(reply: Any) -> Any:
    """The document of the error event at the end of the stream."""
    before, mark, event = reply.body.rpartition(b"event: error\ndata: ")
    assert mark, reply.body
    assert set(before.split(b"\n\n")) == {b": held, waiting for an account", b""}
    return json.loads(event)["error"]


def test_a_compressed_error_becomes_a_readable_event(held: Build) -> None:
    s, reply = held(Fault.overloaded().with_changes(gzip=True))
    assert error_of(reply) == {"type": "overloaded_error", "message": "Overloaded"}
    assert s.outcomes(1) == ["upstream error"]


def test_a_page_becomes_an_error_document(held: Build) -> None:
    _, reply = held(Fault.html(502))
    error = error_of(reply)
    assert error["type"] == "api_error"
    assert "502" in error["message"]


def test_a_refused_request_keeps_the_api_s_own_words(held: Build) -> None:
    _, reply = held(Fault.status(400, "prompt is too long: 9 tokens > 8 maximum"))
    assert error_of(reply)["message"] == "prompt is too long: 9 tokens > 8 maximum"


def test_a_stream_that_is_compressed_all_the_same_is_not_passed_off_as_a_plain_one(held: Build) -> None:
    s, reply = held(Fault.gzipped())
    assert "200" in error_of(reply)["message"]
    assert s.outcomes(1) == ["upstream error"]


def test_a_shutdown_ends_a_hold_with_an_event_and_counts_as_a_refusal(held: Build) -> None:
    s, reply = held(None)
    assert error_of(reply)["type"] == "overloaded_error"
    assert s.outcomes(1) == ["refused"]


def test_a_login_after_the_removal_of_the_last_account_serves_what_is_held(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    before, replies = s.document()["accounts"], []
    asking = threading.Thread(target=lambda: replies.append(s.ask(session="s1")), daemon=True)
    asking.start()
    s.until(lambda: s.service.runtime.router.waiting == 1)
    for accounts in ([], [{**before[0], "name": "b", "accessToken": TOKEN.format("a")}]):
        s.write({**s.document(), "accounts": accounts})
        s.service.reload()
        if not accounts:
            assert "has no account yet" in s.ask(session="s2").message, "who comes now is told at once"
            assert s.service.runtime.router.waiting == 1
    asking.join(30)
    assert [reply.status for reply in replies] == [200]
