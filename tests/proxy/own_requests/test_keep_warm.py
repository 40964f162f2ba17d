"""When a window is opened, and when it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.own_requests.keep_warm import KeepWarm
from teamclaude.proxy.own_requests.warm_up import send_warm_up
from teamclaude.proxy.records.exchange import Exchange
from tests.proxy.conftest import Clock, Stage

Build = Callable[..., Stage]
UTC = timezone.utc
MIN, HOUR = 60.0, 3600.0
NAMES = ("a",)
OPENED = "a: keepWarm has opened its 5h window"


class Warm:
    """`keepWarm` of a stage, in virtual time; the clock begins at Friday 08:00."""

    def __init__(self, build: Build, clock: Clock, keep_warm: Any, **config: Any) -> None:
        self.stage, self.clock = build(*NAMES, keepWarm=keep_warm, **config), clock
        self.warnings: list[str] = []
        self.ended: list[Exchange] = []
        self.over = False
        self.start()

    def start(self) -> None:
        self.warm = KeepWarm(self.warnings.append, lambda: self.over, self.ended.append, UTC)

    def run(self) -> None:
        self.warm.run_due(self.stage.service.runtime.context)

    def go_on(self, seconds: float) -> list[str]:
        """Look every minute for so long; return when a request was sent, as local time."""
        sent, ends = [], self.clock.now + seconds
        while self.clock.now <= ends:
            before = len(self.ended)
            self.run()
            sent += [f"{datetime.fromtimestamp(self.clock.now, UTC):%a %H:%M}"] * (len(self.ended) - before)
            self.clock.now += MIN
        return sent


@pytest.fixture
def warm(stage: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Warm]:
    monkeypatch.setattr("teamclaude.proxy.own_requests.worker.OwnRequests.check", lambda self: None)
    clock.now = datetime(2027, 1, 15, 8, 0, tzinfo=UTC).timestamp()
    return lambda keep_warm, **config: Warm(stage, clock, keep_warm, **config)


def test_a_window_is_opened_at_its_time_once_a_day(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    assert w.go_on(26 * HOUR) == ["Fri 08:30", "Sat 08:30"]
    assert w.warnings == [OPENED] * 2
    asked = w.stage.seen(2)
    assert [(each.status, each.account) for each in asked] == [(200, "a")] * 2
    assert w.stage.account("a")["usage"]["requests"] == 2
    assert w.stage.account("a")["usage"]["tokens"] > 0


def test_days_and_several_times(warm: Callable[..., Warm]) -> None:
    w = warm({"a": ["Mon-Fri 08:30", "Sat 10:00", "Fri 19:00"]})
    assert w.go_on(4 * 24 * HOUR) == ["Fri 08:30", "Fri 19:00", "Sat 10:00", "Mon 08:30"]


def test_a_window_that_is_open_is_left_alone(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.stage.ask()
    assert w.go_on(2 * HOUR) == []
    assert w.warnings == []


def test_a_machine_that_slept_does_it_within_the_hour(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.run()
    w.clock.now += 30 * MIN + 45 * MIN
    assert w.go_on(HOUR) == ["Fri 09:15"]
    assert w.warnings == [f"{OPENED}, 45 min late"]
    w.clock.now += 24 * HOUR  # Saturday 10:15
    assert w.go_on(HOUR) == []


def test_a_failure_is_tried_again_once(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.stage.api.script.always(Fault.status(500))
    assert w.go_on(3 * HOUR) == ["Fri 08:30", "Fri 08:35"]
    assert len(w.warnings) == 2
    assert w.warnings[0].startswith("a: keepWarm could not open its 5h window (the API answered 500")
    assert w.warnings[0].endswith("; tried once more in 5 min")
    assert w.warnings[1].endswith("; not tried again before its next time")
    w.stage.api.script.clear()
    assert w.go_on(24 * HOUR) == ["Sat 08:30"]


def test_a_429_is_taken_as_of_any_request(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.stage.api.script.once(Fault.quota("7d", reset_in=3 * HOUR))
    assert w.go_on(2 * HOUR) == ["Fri 08:30"], "the second try finds no usable account"
    assert "the API answered 429" in w.warnings[0]
    assert not w.stage.account("a")["usable"]
    assert w.stage.account("a")["inflight"] == 0


def test_who_is_not_warmed(warm: Callable[..., Warm]) -> None:
    accounts = [
        {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a", "disabled": True},
        {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
    ]
    w = warm({"a": "08:30", "paid": "08:30", "nobody": "08:30"}, accounts=accounts)
    assert w.go_on(HOUR) == []
    assert w.warnings == []


def test_a_clock_that_is_set_back_repeats_nothing(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    assert w.go_on(31 * MIN) == ["Fri 08:30"]
    w.clock.now -= 10 * MIN
    assert w.go_on(HOUR) == []
    w.clock.now -= 3 * 24 * HOUR
    assert w.go_on(26 * HOUR) != [], "and does not end it"


def test_a_server_that_ends_sends_nothing(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.over = True
    assert w.go_on(HOUR) == []


def test_without_the_setting_there_is_nothing_to_do(warm: Callable[..., Warm]) -> None:
    w = warm({})
    assert w.warm.run_due(w.stage.service.runtime.context) is None


def test_the_request_counts_as_of_the_client_warm_up(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    key = w.stage.service.runtime.context.config.accounts[0].key
    assert send_warm_up(w.stage.service.runtime.context, key, w.ended.append) == ""
    (exchange,) = w.ended
    assert exchange.caller is not None
    assert (exchange.caller.name, exchange.status, exchange.outcome and exchange.outcome.value) == (
        "warm-up",
        200,
        "served",
    )
    assert exchange.usage.total > 0
    assert exchange.cost is not None
    assert w.stage.records == [], "the list of requests has those of clients alone"


def test_an_unreachable_api_frees_the_slot(warm: Callable[..., Warm]) -> None:
    w = warm({"a": "08:30"})
    w.stage.api.script.once(Fault.no_head())
    key = w.stage.service.runtime.context.config.accounts[0].key
    assert send_warm_up(w.stage.service.runtime.context, key, w.ended.append) != ""
    assert w.stage.account("a")["inflight"] == 0
    assert send_warm_up(w.stage.service.runtime.context, "x", w.ended.append) == (
        "it is not configured any more"
    )
