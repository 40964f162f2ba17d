"""The last hour of each account: burn by minute, the 5h window as it was; bounded, and as JSON."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.proxy.reporting.recent_trends import (
    MINUTES,
    RecentTrends,
    trends_from_json,
    trends_to_json,
)
from teamclaude.request_views import AccountTrend
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.view import AccountState, WindowState

NOW = 1_795_428_000.0  # the beginning of a minute


def state(name: str, used: float | None = None) -> AccountState:
    windows = {} if used is None else {"5h": WindowState(used, None, False)}
    return AccountState(name, name, None, None, "", windows)


def finished(at: float, *accounts: str, usage: Usage = Usage(100, 20, 5000, 30, 0)) -> Any:  # noqa: B008
    attempts = [SimpleNamespace(account=account) for account in accounts]
    return SimpleNamespace(at=at - 5.0, duration=5.0, attempts=attempts, usage=usage)


class Accounts:
    def __init__(self, *states: AccountState) -> None:
        self.states = states

    def __call__(self) -> tuple[AccountState, ...]:
        return self.states


def test_burn_is_counted_in_the_minute_and_for_the_account_of_the_answer() -> None:
    trends = RecentTrends(Accounts())
    trends.record_all([finished(NOW - 60, "alice", "bob")])
    assert trends.view(NOW)["bob"].burn == (150, 0), "from the first minute on"
    trends.record_all([finished(NOW - 7200, "bob")])
    trends.record_all([finished(NOW, "bob")])
    trends.record_all([finished(NOW, "bob")])
    trends.record_all([finished(NOW)])
    trends.record_all([finished(NOW, "", usage=Usage())])
    assert trends.view(NOW).keys() == {"bob"}
    burn = trends.view(NOW)["bob"].burn
    assert (len(burn), burn[-2:], sum(burn)) == (MINUTES, (150, 300), 450)
    assert trends.view(NOW + 60)["bob"].burn[-3:] == (150, 300, 0)


def test_the_window_is_sampled_each_minute_and_stays_in_between() -> None:
    accounts = Accounts(state("alice", 0.25))
    trends = RecentTrends(accounts)
    trends.tick(NOW)
    accounts.states = (state("alice", 0.5),)
    trends.tick(NOW + 30)
    assert trends.view(NOW)["alice"].used_5h == (0.25,)
    trends.tick(NOW + 180)
    assert trends.view(NOW + 240)["alice"].used_5h == (0.25, 0.25, 0.25, 0.5, 0.5)
    accounts.states = (state("alice"),)
    trends.tick(NOW + 300)
    assert trends.view(NOW + 300)["alice"].used_5h[-1] == 0.0, "it was reset"


def test_what_is_older_than_an_hour_and_who_is_gone_is_forgotten() -> None:
    accounts = Accounts(state("alice", 0.25), state("bob", 0.5))
    trends = RecentTrends(accounts)
    trends.record_all([finished(NOW, "alice")])
    for minute in range(200):
        trends.tick(NOW + 60 * minute)
    accounts.states = (state("alice", 0.25),)
    trends.tick(NOW + 60 * 200)
    view = trends.view(NOW + 60 * 200)
    assert view.keys() == {"alice"}
    assert (len(view["alice"].burn), len(view["alice"].used_5h)) == (MINUTES, MINUTES)
    assert sum(view["alice"].burn) == 0


def test_as_json_and_back() -> None:
    trends = {"alice": AccountTrend(NOW, (1, 2), (0.5, 0.25))}
    assert trends_from_json(trends_to_json(trends)) == trends


@pytest.mark.parametrize("value", [None, [], "x", {"alice": 3}, {"alice": {"burn": ["x"]}}])
def test_what_can_not_be_read_is_left_out(value: object) -> None:
    assert trends_from_json(value) == {}


def test_a_longer_list_is_cut() -> None:
    (trend,) = trends_from_json({"a": {"burn": list(range(1000)), "used5h": [0.5] * 1000}}).values()
    assert (len(trend.burn), len(trend.used_5h), trend.burn[-1]) == (MINUTES, MINUTES, 999)
