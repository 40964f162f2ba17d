"""The pool's windows: a weighted mean, the reset that brings room, and when the pool is exhausted."""

from __future__ import annotations

import pytest

from teamclaude.routing.pool.pool_limits import PoolLimits, PoolWindow, pool_limits
from teamclaude.routing.state.account import AccountSpec

EVERY_POLICY = True
HOUR, DAY = 3600.0, 86400.0
OPUS, FABLE = "claude-opus-4-8", "claude-fable-5"


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c", AccountSpec("k", "k", kind="apikey"))


def limits(pool, model=OPUS):
    found = pool_limits(pool.fleet.accounts.values(), model, pool.fleet.rules, pool.now)
    rounded = {
        axis: (round(window.utilization, 4), window.resets_at) for axis, window in found.windows.items()
    }
    return found._replace(windows={axis: PoolWindow(*values) for axis, values in rounded.items()})


def sizes(pool, **tokens):
    for name, size in tokens.items():
        pool[name].cap_5h.size = size
        pool[name].cap_7d.size = 8 * size


def test_nothing_is_known_at_first(pool):
    assert limits(pool) == PoolLimits({})


def test_accounts_of_unknown_size_count_alike(pool):
    pool.five_hours(HOUR, a=0.9)
    pool.five_hours(2 * HOUR, b=0.3)
    assert limits(pool).windows == {"5h": PoolWindow(0.4, pool.now + HOUR)}


def test_a_larger_account_counts_for_more(pool):
    pool.five_hours(HOUR, a=1.0, b=0.0, c=0.0)
    sizes(pool, a=1e6, b=3e6)  # c: unknown, the mean of both
    assert limits(pool).windows["5h"].utilization == round(1 / 6, 4)
    pool.week(2 * DAY, b=0.5)
    assert limits(pool).windows["7d"].utilization == round(0.5 * 3 / 6, 4)


def test_a_window_that_was_reset_is_unused(pool):
    pool.five_hours(HOUR, a=0.6)
    pool.five_hours(3 * HOUR, b=0.6, c=0.6)
    pool.wait(HOUR)
    assert limits(pool).windows == {"5h": PoolWindow(0.4, pool.now + 2 * HOUR)}


def test_a_little_room_is_not_waited_for(pool):
    pool.five_hours(HOUR, a=0.09)
    pool.five_hours(4 * HOUR, b=0.9)
    pool.five_hours(3 * HOUR, c=0.1)
    assert limits(pool).windows["5h"].resets_at == pool.now + 3 * HOUR
    pool.five_hours(2 * HOUR, b=0.0, c=0.0)
    # Nothing is worth waiting for: the first one then.
    pool["b"].windows.drop("5h")
    pool["c"].windows.drop("5h")
    assert limits(pool).windows["5h"].resets_at == pool.now + HOUR


def test_five_hours_without_a_week_are_used(pool):
    pool.five_hours(HOUR, a=0.1, b=0.2, c=0.3)
    pool.week(DAY, a=1.0)
    assert limits(pool).windows["5h"] == PoolWindow(0.5, pool.now + HOUR)
    pool.five_hours(HOUR, b=0.0, c=0.0)
    # What a has used comes back with its week.
    assert limits(pool).windows["5h"] == PoolWindow(round(1 / 3, 4), pool.now + DAY)


def test_more_than_all_counts_as_all(pool):
    pool.five_hours(HOUR, a=1.5)
    pool.quota("b", "5h", 0.2, HOUR, "rejected")
    assert limits(pool).windows["5h"].utilization == round(2 / 3, 4)


def test_who_is_not_in_the_pool(make_pool):
    pool = make_pool("a", "b", AccountSpec("off", "off", enabled=False), AccountSpec("k", "k", kind="apikey"))
    pool.five_hours(HOUR, a=0.5, off=1.0)
    pool.quota("k", "requests", 1.0, 60.0)
    assert limits(pool).windows == {"5h": PoolWindow(0.25, pool.now + HOUR)}
    pool["b"].auth_failed = "its login is refused"
    assert limits(pool).windows["5h"].utilization == 0.5
    pool["a"].auth_failed = "its login is refused"
    assert limits(pool) == PoolLimits({}), "nobody is left"


def test_windows_of_models_show_for_these_models(pool):
    pool.five_hours(HOUR, a=0.3)
    pool.quota("a", "7d_oi", 0.6, DAY)
    assert list(limits(pool, OPUS).windows) == ["5h"]
    assert list(limits(pool, None).windows) == ["5h"]
    assert limits(pool, FABLE).windows["7d_oi"] == PoolWindow(0.2, pool.now + DAY)


def test_the_pool_is_exhausted_with_its_last_account(pool):
    for name in "ab":
        pool.quota(name, "5h", 1.0, HOUR, "rejected")
    assert limits(pool).exhausted_axis is None
    pool.quota("c", "5h", 1.02, 2 * HOUR, "rejected")
    pool.quota("c", "7d", 0.2, DAY)
    found = limits(pool)
    assert (found.exhausted_axis, found.back_at) == ("5h", pool.now + HOUR)
    assert found.windows["5h"].utilization == 1.0
    for name in "abc":
        pool.quota(name, "7d", 1.0, DAY, "rejected")
    found = limits(pool)
    assert (found.exhausted_axis, found.back_at) == ("7d", pool.now + DAY)


def test_it_may_be_exhausted_for_one_model(pool):
    for name in "abc":
        pool.quota(name, "7d_oi", 1.0, DAY, "rejected")
    assert limits(pool, FABLE).exhausted_axis == "7d_oi"
    assert limits(pool, OPUS).exhausted_axis is None


def test_benched_for_no_window_the_five_hours_stand_for_it(pool):
    for name in "abc":
        pool[name].bench_until = pool.now + 60
    assert limits(pool) == PoolLimits({}, "5h", pool.now + 60)
