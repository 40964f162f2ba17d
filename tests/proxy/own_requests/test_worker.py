"""The thread of the server's own requests: when there is one, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from teamclaude.proxy.lifecycle.ending import HANDED_OVER, Ending
from tests.accounts.usage_server import UsageServer
from tests.proxy.conftest import TOKEN, Stage

Build = Callable[..., Stage]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageServer]:
    monkeypatch.setattr("teamclaude.proxy.own_requests.quota_probe.SPREAD", 0.0)
    monkeypatch.setattr("teamclaude.proxy.own_requests.worker.MAX_PAUSE_SEC", 0.01)
    made = UsageServer()
    made.body = b'{"five_hour":{"utilization":42.0,"resets_at":null},"seven_day_opus":{"utilization":7}}'
    yield made
    made.close()


def runs() -> bool:
    return any(thread.name == "own-requests" for thread in threading.enumerate())


def test_quotas_are_known_without_a_request(stage: Build, endpoint: UsageServer) -> None:
    s = stage("a", "b", quotaProbeSec=300, oauth={"usageUrl": endpoint.oauth.usage_url})
    s.until(lambda: all(s.account(name)["quota"]["unified5h"] == 0.42 for name in "ab"))
    assert s.account("a")["quota"]["axes"]["7d_opus"]["utilization"] == 0.07
    assert s.account("a")["quotaProbe"] == {"at": 1_800_000_000_000, "problem": "", "nextAt": None}
    assert {headers["authorization"] for _, headers in endpoint.seen} == {
        f"Bearer {TOKEN.format(name)}" for name in "ab"
    }
    assert (s.api.log, s.records) == ((), [])
    s.service.stop(0)
    s.until(lambda: not runs())


def test_there_is_no_thread_without_the_setting(stage: Build, endpoint: UsageServer) -> None:
    s = stage("a", oauth={"usageUrl": endpoint.oauth.usage_url})
    assert not runs()
    assert s.account("a")["quotaProbe"] is None


def test_a_reload_begins_and_ends_it(
    stage: Build, endpoint: UsageServer, wait_for_polls: Callable[[Stage], None]
) -> None:
    s = stage("a", oauth={"usageUrl": endpoint.oauth.usage_url})
    document = s.document()
    s.write({**document, "quotaProbeSec": 300})
    s.until(lambda: endpoint.seen)
    s.write(document)
    s.until(lambda: not runs())


def test_the_successor_asks_in_place_of_a_server_that_has_handed_over(
    stage: Build, endpoint: UsageServer, wait_for_polls: Callable[[Stage], None]
) -> None:
    s = stage("a", quotaProbeSec=300, oauth={"usageUrl": endpoint.oauth.usage_url})
    s.until(lambda: endpoint.seen)
    s.service.runtime.life.ending = Ending(HANDED_OVER, time.monotonic() + 60)
    s.until(lambda: not runs())
    wait_for_polls(s)
    assert not runs()


def test_a_defect_is_one_line_and_does_not_end_it(
    stage: Build, endpoint: UsageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def defect(*of: object) -> float:
        calls.append(1)
        raise KeyError("sk-ant-oat01-FAKE")

    monkeypatch.setattr("teamclaude.proxy.own_requests.quota_probe.QuotaProbe.run_due", defect)
    s = stage("a", quotaProbeSec=300)
    s.until(lambda: len(calls) > 2)
    assert s.warnings == ["internal error in a request of the server's own: KeyError"]
