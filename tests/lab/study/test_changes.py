"""Variants of the policy price, and caps of accounts."""

from __future__ import annotations

import copy

import pytest

from teamclaude.lab.run import AccountRules, PolicyRun
from teamclaude.lab.study.changes import (
    AccountCap,
    AccountReserve,
    Variant,
    caps_of,
    known_values,
    rules_of,
)
from teamclaude.lab.workload import lab_calendar
from teamclaude.routing.policies.price import DEFAULT_TUNING, PricePolicy
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.user_rules.caps import Caps, Reserve
from teamclaude.routing.user_rules.week_hours import parse_week_hours


def test_a_variant_is_price_with_other_values():
    variant = Variant("price", (("gate_sec", 0.0),))
    policy = variant.make()
    assert isinstance(policy, PricePolicy)
    assert policy._tuning == DEFAULT_TUNING._replace(gate_sec=0.0)
    assert variant.label == "price gate_sec=0"
    assert Variant("pace").label == "pace"
    assert Variant("pace").make().name == "pace"
    assert known_values()["gate_sec"] == DEFAULT_TUNING.gate_sec


def test_a_later_cap_replaces_an_earlier_one_and_an_axis_has_its_own():
    caps = [
        AccountCap("a", "", 0.6), AccountCap("a", "5h", 0.9), AccountCap("a", "5h", 0.8),
        AccountCap("b", "7d", 0.1), AccountCap("b", "5h", 0.2),
    ]  # fmt: skip
    assert caps_of(caps) == {"a": Caps(0.6, (("5h", 0.8),)), "b": Caps.of({"5h": 0.2, "7d": 0.1})}
    assert caps_of([]) == {}


def reserve(text: str, parts: Caps) -> Reserve:
    hours = parse_week_hours(text)
    assert hours is not None
    return Reserve(hours, parts)


def test_reserves_of_an_account_add_up_beside_its_cap():
    friday, night = (reserve(text, Caps.of(0.2)) for text in ("Fri", "22-6"))
    rules = rules_of([AccountCap("a", "", 0.8)], [AccountReserve("a", friday), AccountReserve("a", night)])
    assert list(rules) == ["a"]
    assert rules["a"].reserves.items == (friday, night)
    assert rules["a"].spec("a").caps == Caps.of(0.8)
    assert lab_calendar(0.0) == (0, 0)
    assert lab_calendar(4 * 86400.0 + 3660.0) == (4, 61)


@pytest.mark.parametrize("name", POLICIES)
def test_a_reserve_for_the_weekend_is_left_until_then(scenario, name):
    """The week of the first account ends after the weekend; until Saturday half of it is kept."""
    made = copy.copy(scenario(1.3))
    made.setups = [made.setups[0]._replace(resets_at=1.0), *made.setups[1:]]
    weekend = AccountReserve("acct1", reserve("Sat,Sun", Caps.of({"7d": 0.5})))
    run = PolicyRun(made, name, rules=rules_of([], [weekend]))
    run.advance(5 * 86400.0 - 1.0)
    week = run.api_accounts["acct1"].weekly_window
    assert week.used / week.size < 0.6


def peak_of_week(run: PolicyRun, enough: float = 1.0) -> float:
    """Return the most that was used of the first account's week that begins within the run (0-1).

    The run ends at `enough`.
    """
    peak = 0.0
    for hour in range(1, 168):
        run.advance(hour * 3600.0)
        week = run.api_accounts["acct1"].weekly_window
        if week.unused_shares:  # what was used before the run is no work of it
            peak = max(peak, week.used / week.size)
        if peak > enough:
            break
    return peak


@pytest.mark.parametrize("name", POLICIES)
def test_under_no_policy_an_account_goes_far_beyond_its_cap(scenario, name):
    """What is in flight, 8 requests at most, may go beyond it."""
    capped = PolicyRun(scenario(1.3), name, rules={"acct1": AccountRules(Caps.of({"7d": 0.2}))})
    assert peak_of_week(capped) < 0.3 < peak_of_week(PolicyRun(scenario(1.3), name), 0.3)
