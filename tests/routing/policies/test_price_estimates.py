"""What policy `price` learns: sizes of unknown accounts, in-flight limits, the week's demand."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.lab.workload import lab_calendar
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.policies.price_estimates import DemandTable, PriceEstimates
from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import inflight_cap
from teamclaude.routing.user_rules.week_hours import Calendar

HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
MONDAY = 2976 * WEEK  # hour 0 of the table


# --- sizes --------------------------------------------------------------------------------------


def test_an_unknown_account_is_as_large_as_the_others_are_on_average(make_pool: Any) -> None:
    pool, estimates = make_pool("a", "b", "c"), PriceEstimates()
    assert estimates.window_sizes(pool["c"]) == (None, None)
    pool["a"].cap_7d.size, pool["b"].cap_7d.size, pool["a"].cap_5h.size = 8e6, 4e6, 9e5
    estimates.record_response(pool.fleet.accounts.values(), pool["a"], "s", Usage(1), pool.now)
    assert estimates.window_sizes(pool["a"]) == (9e5, 8e6)
    assert estimates.window_sizes(pool["b"]) == (5e5, 4e6)  # an eighth of its own week
    assert estimates.window_sizes(pool["c"]) == (9e5, 6e6)


def test_an_unknown_account_is_not_smaller_than_what_it_served(make_pool: Any) -> None:
    pool, estimates = make_pool("a", "b"), PriceEstimates()
    pool["a"].cap_7d.size = 1e6
    estimates.record_response(pool.fleet.accounts.values(), pool["a"], "s", Usage(1), pool.now)
    for used, burned in ((0.00, 0), (0.04, 1_000_000)):
        pool.week(b=used)
        pool["b"].cap_7d.observe(pool["b"].windows.get("7d", pool.now), burned)
    assert (estimates.week_tokens(pool["b"]) or 0.0) > 10e6


# --- burn ---------------------------------------------------------------------------------------


def burn_after_two_hours(make_pool: Any, estimates: PriceEstimates, *, with_short_ones: bool) -> Any:
    """Let one conversation burn 6000 tokens a minute, beside others of a single response each."""
    pool = make_pool("a")
    for minute in range(120):
        pool.wait(60.0)
        names = ["long", f"short-{minute}"] if with_short_ones else ["long"]
        for name in names:
            usage = Usage(6000, 0, 50_000) if name == "long" else Usage(0, 0, 1)
            estimates.record_response(pool.fleet.accounts.values(), pool["a"], name, usage, pool.now)
    return estimates.burn_rate


@pytest.mark.parametrize("own_time", [True, False])
def test_the_burn_of_a_conversation_is_tokens_over_time(make_pool: Any, own_time: bool) -> None:
    rate = burn_after_two_hours(make_pool, PriceEstimates(own_time), with_short_ones=False)
    assert rate == pytest.approx(100.0, rel=0.1)


def test_conversations_that_have_ended_do_not_dilute_the_burn(make_pool: Any) -> None:
    rate = burn_after_two_hours(make_pool, PriceEstimates(), with_short_ones=True)
    assert rate == pytest.approx(100.0, rel=0.1)
    diluted = burn_after_two_hours(make_pool, PriceEstimates(own_time=False), with_short_ones=True)
    assert diluted < 20.0


def test_idle_time_of_a_conversation_does_not_dilute_its_burn(make_pool: Any) -> None:
    pool, estimates = make_pool("a"), PriceEstimates()
    for minute in range(180):
        pool.wait(1200.0 if minute % 30 == 0 else 60.0)
        estimates.record_response(pool.fleet.accounts.values(), pool["a"], "s", Usage(6000), pool.now)
    assert estimates.burn_rate == pytest.approx(100.0, rel=0.1)


def test_the_cost_of_an_entry_is_the_mean_of_the_latest_cold_requests(make_pool: Any) -> None:
    pool, estimates = make_pool("a"), PriceEstimates()
    for number in range(4):
        usage = Usage(0, 0, 0, 0, 100_000)
        estimates.record_response(pool.fleet.accounts.values(), pool["a"], f"s{number}", usage, pool.now)
    assert estimates.entry_tokens == 0.0  # too few
    warm = Usage(1000, 0, 100_000)
    estimates.record_response(pool.fleet.accounts.values(), pool["a"], "s0", warm, pool.now)
    usage = Usage(0, 0, 0, 0, 50_000)
    estimates.record_response(pool.fleet.accounts.values(), pool["a"], "s5", usage, pool.now)
    assert estimates.entry_tokens == 90_000
    again = PriceEstimates()
    again.restore(LenientObject(estimates.to_json(), "state", []))
    assert again.entry_tokens == 90_000


# --- in-flight limits ---------------------------------------------------------------------------


def crowd(make_pool: Any, *names: str) -> Any:
    pool = make_pool(*names)
    pool.fleet.set_policy(Rules(), PricePolicy())
    for name in names:
        pool[name].proven = True
    return pool


def free_slots(pool: Any) -> int:
    """How many more requests account `a` takes."""
    account, rules, now = pool["a"], pool.fleet.rules, pool.now
    limit = pool.fleet.policy.inflight_limit(rules, account, now)
    return inflight_cap(account, rules, now, 0.0, limit) - int(account.inflight)


def test_a_bare_429_among_several_requests_lowers_the_limit_which_rises_again(make_pool: Any) -> None:
    pool = crowd(make_pool, "a")
    leases = pool.busy("a", 3)
    pool.answer(leases[-1], 429)
    assert free_slots(pool) == -1  # 2, and 3 in flight
    for lease in leases:
        pool.settle(lease)
    assert free_slots(pool) == 2
    pool.wait(1200.0)
    assert free_slots(pool) == 3
    pool.wait(2400.0)
    assert free_slots(pool) == 5


def test_a_bare_429_to_the_only_request_says_nothing_of_a_limit(make_pool: Any) -> None:
    pool = crowd(make_pool, "a")
    (lease,) = pool.busy("a", 1)
    pool.answer(lease, 429)
    pool.settle(lease)
    assert free_slots(pool) == 5


def test_a_refusal_with_a_time_or_a_window_is_no_matter_of_slots(make_pool: Any) -> None:
    pool = crowd(make_pool, "a")
    leases = pool.busy("a", 3)
    pool.answer(leases[-1], 429, ("retry-after", "7"))
    for lease in leases:
        pool.settle(lease)
    pool["a"].proven = True
    assert free_slots(pool) == 5


# --- demand -------------------------------------------------------------------------------------


def weeks(table: DemandTable, begin: float, count: int) -> None:
    """Every day from hour 8 to hour 16, 100 tokens an hour."""
    for hour in range(count * 168 + 1):
        if 8 <= hour % 24 < 16:
            table.add(100, begin + hour * HOUR)
        table.add(0, begin + hour * HOUR)


def test_with_no_history_demand_is_time() -> None:
    table = DemandTable()
    assert table.expected(MONDAY + 5.0, MONDAY + 5.0 + DAY) == pytest.approx(DAY)
    assert table.expected(MONDAY, MONDAY + 3 * WEEK) == pytest.approx(3 * WEEK)
    assert table.expected(MONDAY, MONDAY - DAY) == 0.0


def test_it_learns_the_busy_hours() -> None:
    table = DemandTable()
    weeks(table, MONDAY - HOUR, 2)
    now = MONDAY + 2 * WEEK
    night, noon = table.expected(now, now + 6 * HOUR), table.expected(now + 10 * HOUR, now + 16 * HOUR)
    assert noon > 5 * night > 0
    assert table.expected(now, now + WEEK) == pytest.approx(7 * 8 * 100, rel=0.02)


def test_days_not_seen_are_taken_for_the_days_seen() -> None:
    table = DemandTable()
    for hour in range(49):
        table.add(100 if 8 <= hour % 24 < 16 else 0, MONDAY + hour * HOUR)
    later = MONDAY + 4 * DAY
    assert table.expected(later + 10 * HOUR, later + 14 * HOUR) > 3 * table.expected(later, later + 4 * HOUR)


def seen_days(days: range, calendar: Calendar = lab_calendar) -> DemandTable:
    """A table that has seen days of the week, 0: Monday, with 100 tokens an hour."""
    table = DemandTable(calendar=calendar)
    for hour in range(days.start * 24 - 1, days.stop * 24 + 1):
        table.add(100, MONDAY + hour * HOUR)
    return table


def test_of_a_weekend_not_seen_less_is_expected_than_of_a_working_day() -> None:
    table = seen_days(range(2))
    days = [table.expected(MONDAY + day * DAY, MONDAY + (day + 1) * DAY) for day in range(7)]
    assert days[2:5] == pytest.approx([2400.0] * 3)
    assert days[5:] == pytest.approx([0.25 * 2400.0] * 2, rel=0.03)  # smoothed at its ends


def test_a_day_not_seen_is_like_the_days_of_its_kind_seen() -> None:
    table = seen_days(range(6))
    for hour in range(24):
        table.hours[5 * 24 + hour] = 70.0
    assert table._guess(6 * 24 + 12, 100.0) == pytest.approx(0.9 * 70.0 + 0.1 * 100.0)
    assert seen_days(range(5, 6))._guess(12, 100.0) == pytest.approx(100.0)  # a first Saturday is all we know


def test_weekends_are_those_of_the_calendar() -> None:
    table = seen_days(range(2), calendar=lambda at: (int(at // DAY + 2) % 7, 0))
    saturday = MONDAY + 3 * DAY
    assert table.expected(saturday + 2 * HOUR, saturday + 22 * HOUR) == pytest.approx(0.25 * 2000.0)
    table.use_calendar(lab_calendar)
    assert table.expected(saturday + 2 * HOUR, saturday + 22 * HOUR) == pytest.approx(2000.0)


def test_an_hour_begun_late_is_not_counted_as_a_whole_one() -> None:
    table = DemandTable()
    table.add(5, MONDAY + 1800)
    table.add(7, MONDAY + HOUR)
    table.add(9, MONDAY + 2 * HOUR)
    assert table.hours[:3] == [None, 7, None]


def test_the_week_counts_as_known_when_most_of_its_hours_were_seen() -> None:
    table = DemandTable()
    assert not table.is_known
    weeks(table, MONDAY - HOUR, 1)
    assert table.is_known


# --- active conversations -----------------------------------------------------------------------


def test_a_conversation_is_active_for_15_minutes_wherever_it_was_served(make_pool: Any) -> None:
    pool, estimates = make_pool("a", "b"), PriceEstimates()
    estimates.record_response(pool.fleet.accounts.values(), pool["b"], "s", Usage(1), pool.now)
    assert estimates.is_active("s", pool.now + 899.0)
    assert not estimates.is_active("s", pool.now + 900.0)
    assert not estimates.is_active("t", pool.now)
