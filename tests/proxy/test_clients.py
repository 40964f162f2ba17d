"""Named client keys: limits, and the usage counted under each name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
CI = "tc-client-key-ci-00000000000000000000000"


def guarded(stage: Build, **client: Any) -> Any:
    return stage("a", proxy={"trustLoopback": False, "clients": [{"name": "ci", "key": CI, **client}]})


def test_a_client_key_opens_the_door_and_its_usage_is_counted_under_its_name(stage: Build) -> None:
    s = guarded(stage)
    assert s.ask(headers={"x-teamclaude-key": CI}).status == 200
    (row,) = s.status()["clients"]
    assert (row["name"], row["inflight"], row["requests"]) == ("ci", 0, 1)
    assert row["tokens"] == s.account("a")["usage"]["tokens"] > 0
    assert s.records[-1]["client"] == "ci"


def test_a_client_whose_models_have_no_price_has_no_cost(stage: Build) -> None:
    s = guarded(stage)
    s.ask(headers={"x-teamclaude-key": CI}, model="new-model")
    (row,) = s.status()["clients"]
    assert (row["cost"], row["unpricedTokens"], row["costEstimated"]) == (None, row["tokens"], False)


def test_requests_with_the_proxy_key_are_counted_under_no_name(stage: Build) -> None:
    s = guarded(stage)
    s.ask()
    assert s.status()["clients"] == []


def test_a_client_above_its_limit_is_told_to_wait_and_others_are_not(stage: Build) -> None:
    s = guarded(stage, maxInflight=1)
    s.ask()
    s.api.script.once(Fault.never_answered())
    stuck = threading.Thread(target=_give_up, args=(s,), daemon=True)
    stuck.start()
    assert s.api.wait_until(lambda api: api.inflight == 1)
    refused = s.ask(session="other", headers={"x-teamclaude-key": CI})
    assert (refused.status, refused.headers["retry-after"]) == (429, "2")
    assert "'ci'" in refused.message
    assert s.ask(session="mine").status == 200


def _give_up(s: Any) -> None:
    with suppress(OSError):  # the stage closes under it
        s.ask(session="stuck", headers={"x-teamclaude-key": CI})
