"""What uses no quota goes on while every account is out of it, over all paths; what uses some does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.quota.windows import Window
from tests.proxy.conftest import Clock, Stage, message

Build = Callable[..., Stage]

COSTLESS = [
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/claude-opus-4-8"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files"),
    ("DELETE", "/v1/files/file_1"),
    ("GET", "/v1/skills"),
    ("POST", "/v1/skills"),
    ("GET", "/v1/messages/batches"),
    ("GET", "/v1/messages/batches/msgbatch_1"),
    ("GET", "/v1/messages/batches/msgbatch_1/results"),
    ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
    ("DELETE", "/v1/messages/batches/msgbatch_1"),
]
COSTLY = [
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/batches"),
    ("POST", "/v1/messages/count_other"),
    ("POST", "/v1/complete"),
]


def use_up(s: Stage) -> None:
    def change(fleet: Fleet, now: float) -> None:
        for account in fleet.accounts.values():
            account.windows.update({"7d": Window(1.02, now + 200_000.0, "rejected", now)}, now)

    s.service.runtime.router.change(change)


def send(s: Stage, method: str, path: str) -> Any:
    return s.send(method, path, message(stream=False) if method == "POST" else None)


@pytest.mark.parametrize(("method", "path"), COSTLESS)
def test_what_uses_no_quota_reaches_the_api(stage: Build, method: str, path: str) -> None:
    s = stage("a", "b")
    use_up(s)
    send(s, method, path)
    assert [(each.method, each.path) for each in s.seen()][:1] == [(method, path)]


@pytest.mark.parametrize(("method", "path"), COSTLY)
def test_what_uses_some_does_not(stage: Build, method: str, path: str) -> None:
    s = stage("a", "b", allThrottledHoldBudgetSec=0)
    use_up(s)
    reply = send(s, method, path)
    assert (reply.status, s.api.log) == (429, ())
    assert "All 2 accounts are throttled" in reply.message


def test_a_429_for_such_a_request_is_its_own(stage: Build) -> None:
    s = stage("a", "b")
    use_up(s)
    s.api.script.always(Fault.status(429, "too many counts"))
    reply = s.send("POST", "/v1/messages/count_tokens", message())
    assert (reply.status, reply.message) == (429, "too many counts")
    assert {each.account for each in s.seen(2)} == {"a", "b"}
    assert s.account("a")["benchSec"] == 0


def test_a_token_that_cannot_be_renewed_is_tried_once(stage: Build, clock: Clock) -> None:
    expired = {"expiresAt": int((clock.now - 60) * 1000), "refreshToken": "sk-ant-ort01-FAKE-gone"}
    s = stage("a")
    document = s.document()
    document["accounts"][0].update(expired)
    document["oauth"] = {"tokenUrl": "http://127.0.0.1:9/token"}
    s.write(document)
    s.service.reload()
    use_up(s)
    s.service.runtime.router.change(lambda fleet, now: bench_long(fleet, now))
    for headers in ({}, {"x-teamclaude-account": "a"}):
        assert s.send("GET", "/v1/models", headers=headers).status == 429
    assert s.api.log == ()


def bench_long(fleet: Fleet, now: float) -> None:
    for account in fleet.accounts.values():
        account.bench_began, account.bench_until, account.bench_reason = now, now + 7200.0, "429"
