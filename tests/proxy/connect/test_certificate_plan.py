"""Which generations are made, trusted, served and dropped, over the life of certificates."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.proxy.connect.certificate_plan import (
    BACKDATED_SEC,
    LIFETIME_SEC,
    Generation,
    Plan,
    plan_certificates,
)

DAY = 86400.0
NOW = 1_800_000_000.0
API = frozenset({"api.anthropic.com"})
TWO = frozenset({"api.anthropic.com", "other.example"})
ELSE = frozenset({"other.example"})


def made(name: str, days_ago: float, hosts: frozenset[str] = API) -> Generation:
    start = NOW - days_ago * DAY - BACKDATED_SEC
    return Generation(name, hosts, start, start + LIFETIME_SEC, f"authority of {name}")


def names(plan: Plan) -> tuple[str, str, Optional[str]]:
    trusted = "".join(each.name for each in plan.trusted)
    served = plan.served.get("api.anthropic.com")
    return ("make" if plan.must_make else "", trusted, served.name if served else None)


@pytest.mark.parametrize(
    ("generations", "expected"),
    [
        pytest.param([], ("make", "", None), id="none"),
        pytest.param([made("a", 0)], ("", "a", "a"), id="new"),
        pytest.param([made("a", 335.9)], ("", "a", "a"), id="a little more than 60 days left"),
        pytest.param([made("a", 336)], ("make", "a", "a"), id="60 days left"),
        pytest.param([made("a", 350), made("b", 14)], ("", "ab", "a"), id="the next one is trusted only"),
        pytest.param([made("a", 388.9), made("b", 53)], ("", "ab", "a"), id="more than 7 days left"),
        pytest.param([made("a", 389), made("b", 53)], ("", "ab", "b"), id="7 days left"),
        pytest.param([made("a", 395), made("b", 0)], ("", "ab", "b"), id="the next one was made late"),
        pytest.param([made("a", 395)], ("make", "a", "a"), id="the last days without a next one"),
        pytest.param([made("a", 396), made("b", 60)], ("", "b", "b"), id="ended"),
        pytest.param([made("a", 396)], ("make", "", None), id="ended while nothing ran"),
        pytest.param([made("a", -0.9)], ("", "a", "a"), id="the clock went back by less than a day"),
        pytest.param([made("a", -3)], ("make", "a", None), id="the clock went back"),
        pytest.param([made("a", -3), made("b", 0)], ("", "ba", "b"), id="one made after the clock went back"),
        pytest.param([made("a", 9), made("b", 5)], ("", "ab", "a"), id="two of the same: the older one"),
        pytest.param([made("a", 9, TWO)], ("make", "a", "a"), id="a host was removed"),
        pytest.param([made("a", 9, TWO), made("b", 0)], ("", "ab", "a"), id="clients know the old one"),
        pytest.param([made("a", 99, TWO), made("b", 29.9)], ("", "ab", "a"), id="for nearly 30 days"),
        pytest.param([made("a", 99, TWO), made("b", 30)], ("", "b", "b"), id="for 30 days"),
        pytest.param([made("a", 390, TWO), made("b", 1)], ("", "ab", "b"), id="unless it ends"),
        pytest.param([made("a", 9, ELSE), made("b", 0)], ("", "b", "b"), id="no host in common"),
        pytest.param([made("a", 40), made("b", 10, TWO)], ("", "ab", "a"), id="the hosts were changed back"),
    ],
)
def test_the_plan(generations: list[Generation], expected: tuple[str, str, Optional[str]]) -> None:
    plan = plan_certificates(reversed(generations), API, NOW)
    assert names(plan) == expected
    assert {*plan.dropped, *plan.trusted} == set(generations)


def test_a_new_host_has_a_new_authority_and_the_others_keep_theirs() -> None:
    old = made("a", 9)
    before = plan_certificates([old], TWO, NOW)
    assert before.must_make
    assert before.served == {"api.anthropic.com": old}

    new = made("b", 0, TWO)
    after = plan_certificates([old, new], TWO, NOW)
    assert after.served == {"api.anthropic.com": old, "other.example": new}
    assert after.trusted == (old, new)


def test_hosts_that_change_all_the_time_leave_four_generations() -> None:
    others = [made(f"{age}", age, frozenset({"api.anthropic.com", f"{age}.example"})) for age in range(1, 10)]
    plan = plan_certificates([*others, made("a", 0)], API, NOW)
    assert [each.name for each in plan.trusted] == ["4", "3", "2", "1", "a"]


def test_over_three_years_a_client_of_fifty_days_always_trusts_what_is_served() -> None:
    day, generations = 0, list[Generation]()
    bundles: list[set[str]] = []
    for day in range(3 * 365):
        now = NOW + day * DAY
        plan = plan_certificates(generations, API, now)
        if plan.must_make:
            generations = [*plan.trusted, made(f"{day}", -day)]
            plan = plan_certificates(generations, API, now)
        assert not plan.must_make
        bundles.append({each.name for each in plan.trusted})
        assert all(plan.served["api.anthropic.com"].name in bundle for bundle in bundles[-50:])
        assert plan.served["api.anthropic.com"].not_after > now + DAY
    assert len(set().union(*bundles)) == 4
