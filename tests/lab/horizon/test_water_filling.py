"""The plan conserves demand and quota, and knows the resets."""

from __future__ import annotations

import pytest

from teamclaude.lab.horizon.water_filling import AccountQuota, HorizonTuning, Plan, make_plan

HOUR, DAY = 3600.0, 86400.0
WEEK = 7 * DAY
RATE = 10.0  # tokens per second that are wanted
FIVE, SEVEN = 1_000_000.0, 6_000_000.0


def wanted(begin: float, end: float) -> float:
    return RATE * (end - begin)


def quota(
    days: float, left: float = 0.5, left_5h: float = 1.0, size: float = 1.0, hours: float = 4.0
) -> AccountQuota:
    """Return an account whose week ends in `days`, with the share `left` of it."""
    return AccountQuota(
        left_5h * size * FIVE, hours * HOUR, size * FIVE, left * size * SEVEN, days * DAY, size * SEVEN
    )


def plan_of(*quotas: AccountQuota, rate: float = 1.0) -> Plan:
    return make_plan(quotas, lambda begin, end: rate * wanted(begin, end), 0.0)


def planned_until(plan: Plan, account: int, until: float) -> float:
    return sum(row[account] for row, end in zip(plan.planned, plan.ends) if end <= until)


@pytest.mark.parametrize("rate", [0.3, 1.0, 3.0])
def test_every_interval_is_planned_whole(rate):
    plan = plan_of(quota(1, 0.2), quota(3), quota(6, 0.9), rate=rate)
    begins = [0.0, *plan.ends[:-1]]
    for row, begin, end in zip(plan.planned, begins, plan.ends):
        assert sum(row) == pytest.approx(rate * wanted(begin, end))
        assert min(row) >= 0.0
    assert plan.ends[-1] == 6 * DAY


@pytest.mark.parametrize("left", [(0.1, 0.5, 0.9), (0.5, 0.5, 0.5), (0.9, 0.4, 0.3)])
def test_while_there_is_enough_no_week_is_planned_beyond_its_quota(left):
    quotas = [quota(day, share) for day, share in zip((2, 4, 6), left)]
    plan = plan_of(*quotas, rate=0.6)
    assert plan.level < 1.0
    for account, each in enumerate(quotas):
        assert planned_until(plan, account, each.ends_7d) <= 1.02 * each.left_7d


def test_what_would_be_lost_at_a_reset_is_used_before_it():
    soon, later = plan_of(quota(0.5, 0.3), quota(6, 0.3)).rates
    assert soon > 3 * later


@pytest.mark.parametrize(("urgency", "least", "most"), [(0.0, 0.99, 1.01), (0.3, 1.1, 1.4)])
def test_a_window_that_ends_sooner_becomes_as_much_fuller_as_is_said(urgency, least, most):
    quotas = [quota(3), quota(6)]
    plan = make_plan(quotas, wanted, 0.0, HorizonTuning(urgency=urgency))
    fuller = [planned_until(plan, n, each.ends_7d) / each.left_7d for n, each in enumerate(quotas)]
    assert least < fuller[0] / fuller[1] < most


def test_a_reset_gives_a_new_week():
    fresh, other = quota(1, 0.0), quota(6, 0.5)
    plan = plan_of(fresh, other)
    assert plan.level == pytest.approx(wanted(0, 6 * DAY) / (0.5 * SEVEN + 5 / 7 * SEVEN), rel=1e-3)
    after = planned_until(plan, 0, 6 * DAY) - planned_until(plan, 0, DAY)
    assert planned_until(plan, 0, DAY) < 0.05 * planned_until(plan, 1, DAY)
    assert after > planned_until(plan, 1, 6 * DAY) - planned_until(plan, 1, DAY)


def test_a_5h_window_that_is_nearly_used_gets_less_until_its_reset():
    plan = plan_of(quota(4), quota(4, left_5h=0.02))
    assert plan.ends[0] == 4 * HOUR
    assert plan.planned[0][1] <= 0.03 * FIVE
    assert planned_until(plan, 1, 4 * DAY) == pytest.approx(planned_until(plan, 0, 4 * DAY), rel=0.1)


def test_a_5h_window_with_room_for_all_that_is_planned_changes_nothing():
    fresh, used = plan_of(quota(4), quota(4, left_5h=0.1)).planned[0]
    assert used == pytest.approx(fresh, rel=0.01)


def test_accounts_serve_in_proportion_to_their_size():
    large, small = plan_of(quota(4, size=4.0), quota(4, size=1.0)).rates
    assert large == pytest.approx(4 * small, rel=0.05)


def test_the_rates_fill_the_windows_however_little_is_wanted():
    plenty, scarce = (plan_of(quota(3), quota(3), rate=rate) for rate in (0.1, 2.0))
    assert plenty.level == pytest.approx(0.05 * scarce.level)
    assert sum(plenty.rates) == pytest.approx(sum(scarce.rates))
