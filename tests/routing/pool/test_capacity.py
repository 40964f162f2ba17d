from __future__ import annotations

import json
import random

import pytest

from teamclaude.routing.persistence import dump_state, restore_state
from teamclaude.routing.pool.capacity import capacity_of
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.windows import Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.view import snapshot_of

HOUR, DAY = 3600.0, 86400.0
KEY = AccountSpec("key", "key", kind="apikey", last_resort=True)
RULES = Rules()
EVERY_POLICY = True


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c")


def capacity(pool):
    seen = snapshot_of(pool.fleet, pool.now)
    return capacity_of(seen.accounts, seen.session_bindings, RULES, seen.at)


def row(pool, name):
    return next(each for each in capacity(pool).accounts if each.name == name)


# --- verdict ----------------------------------------------------------------------------------


def test_three_idle_accounts_are_green_with_room_for_nine(pool):
    found = capacity(pool)
    assert (found.verdict, found.headroom, found.live_accounts, found.total) == ("green", 9, 3, 3)
    assert (found.benched, found.warm_sessions, found.soonest_reset_sec, found.last_resort) == (
        0,
        0,
        0.0,
        None,
    )


def streak_of_two(pool):
    pool["a"].streak = 2


def bench(pool):
    pool["a"].bench_until = pool.now + 240


def warn_band(pool):
    pool.five_hours(a=0.75)


def almost_full(pool):
    for n in range(8):
        pool.bind(f"s{n}", "abc"[n % 3])


@pytest.mark.parametrize(
    ("trouble", "headroom"), [(streak_of_two, 9), (bench, 6), (warn_band, 7), (almost_full, 1)]
)
def test_any_sign_of_tightness_is_yellow(pool, trouble, headroom):
    trouble(pool)
    assert (capacity(pool).verdict, capacity(pool).headroom) == ("yellow", headroom)


def test_an_account_whose_api_cannot_be_reached_takes_no_new_work(pool):
    pool.five_hours(a=0.1)
    seen = snapshot_of(pool.fleet, pool.now, unreachable={"a": "API unreachable since 13:02"})
    found = seen.capacity
    assert (found.verdict, found.headroom, found.live_accounts, found.total) == ("green", 6, 2, 3)
    first = found.accounts[0]
    assert (first.live, first.reason) == (False, "API unreachable since 13:02")
    assert [account.usable for account in seen.accounts] == [True] * 3, "it is given requests all the same"


def test_without_an_api_that_can_be_reached_it_is_red_also_beside_learned_caps(pool):
    for name in ("a", "b", "c"):
        pool[name].cap_5h.ceiling = 1.0
    why = dict.fromkeys(("a", "b", "c", "an account that is gone"), "API unreachable since 13:02")
    found = snapshot_of(pool.fleet, pool.now, unreachable=why).capacity
    assert (found.verdict, found.headroom, found.live_accounts) == ("red", 0, 0)


def test_a_streak_of_one_two_free_places_and_the_band_below_the_warning_are_green(pool):
    pool["a"].streak = 1
    pool.five_hours(b=0.74)
    for n in range(7):
        pool.bind(f"s{n}", "abc"[n % 3])
    assert (capacity(pool).verdict, capacity(pool).headroom) == ("green", 2)


def test_no_live_account_is_red(pool):
    bench(pool)
    pool["b"].auth_failed = "revoked"
    pool.quota("c", "7d", 1.01, DAY)
    found = capacity(pool)
    assert (found.verdict, found.live_accounts, found.headroom, found.benched) == ("red", 0, 0, 1)


def test_no_account_at_all_is_red(make_pool):
    found = capacity(make_pool())
    assert (found.verdict, found.total, found.soonest_reset_sec) == ("red", 0, 0.0)


def test_a_disabled_account_makes_nothing_tight(pool):
    bench(pool)
    pool["a"].streak = 5
    pool["a"].spec = AccountSpec("a", "a", enabled=False)
    assert (capacity(pool).verdict, capacity(pool).benched, capacity(pool).headroom) == ("green", 0, 6)


def test_a_cap_on_one_model_family_leaves_the_account_live(pool):
    pool.quota("a", "7d_oi", 1.0, DAY, "rejected")
    assert capacity(pool).verdict == "green"


# --- headroom ---------------------------------------------------------------------------------


def test_an_unproven_account_and_one_in_the_warn_band_have_one_slot_each(pool):
    pool["a"].proven = False
    pool.five_hours(b=0.80)
    assert [row(pool, name).constrained for name in "abc"] == [True, True, False]
    assert [row(pool, name).constrained for name in "abc"] == [True, True, False]
    assert capacity(pool).headroom == 5


def test_active_conversations_use_up_headroom_which_is_never_negative(pool):
    for n in range(12):
        pool.bind(f"s{n}", "abc"[n % 3])
    assert (capacity(pool).headroom, capacity(pool).warm_sessions) == (0, 12)
    pool.wait(299)
    assert (capacity(pool).headroom, capacity(pool).warm_sessions) == (0, 12)
    pool.wait(1)
    assert (capacity(pool).headroom, capacity(pool).warm_sessions) == (9, 0)


def test_nine_finished_runs_with_the_one_hour_cache_take_no_room(pool):
    for n in range(9):
        pool.bind(f"s{n}", "abc"[n % 3], cache_life=HOUR)
    assert (capacity(pool).headroom, capacity(pool).verdict) == (0, "yellow")
    pool.wait(300)
    assert (capacity(pool).headroom, capacity(pool).warm_sessions, capacity(pool).verdict) == (9, 9, "green")


def test_the_configured_window_says_how_long_a_conversation_is_active(pool):
    pool.bind("s", "a", cache_life=HOUR)
    seen = snapshot_of(pool.fleet, pool.now + 299)
    rules = [Rules(cache_affinity_window_sec=window) for window in (300, 299)]
    found = [capacity_of(seen.accounts, seen.session_bindings, rule, seen.at) for rule in rules]
    assert [each.headroom for each in found] == [8, 9]


def test_a_long_stream_takes_room_until_its_end(pool):
    lease = pool.lease("s", pin="a")
    pool.lease("s", pin="a")  # the same conversation
    pool.wait(HOUR)
    assert capacity(pool).headroom == 8
    pool.settle(lease)
    assert capacity(pool).headroom == 8


def test_requests_without_a_conversation_take_room_while_they_are_in_flight(pool):
    leases = [pool.lease(None), pool.lease(None), pool.lease("s")]
    assert capacity(pool).headroom == 6
    for lease in leases:
        pool.settle(lease)
    assert capacity(pool).headroom == 8


# --- learned caps -----------------------------------------------------------------------------


def learned(pool, name, cap, burned):
    pool[name].cap_5h.ceiling, pool[name].cap_5h.best = cap, cap
    pool[name].burn.add(burned, pool.now)


@pytest.mark.parametrize(("burned", "live"), [(749, True), (750, False)])
def test_without_headers_a_learned_cap_limits_what_is_live(pool, burned, live):
    learned(pool, "a", 1000, burned)
    found = row(pool, "a")
    assert (found.live, found.near_cap, found.constrained) == (live, not live, False)
    assert found.headroom_tok == 1000 - burned


def test_real_utilization_beats_a_learned_cap(pool):
    learned(pool, "a", 1000, 2000)
    pool.five_hours(a=0.10)
    found = row(pool, "a")
    assert (found.live, found.near_cap, found.headroom_tok) == (True, False, 0.0)


@pytest.mark.parametrize(("used", "near"), [(0.89, False), (0.90, True)])
def test_near_the_cap_is_past_the_rail(pool, used, near):
    pool.five_hours(a=used)
    assert (row(pool, "a").near_cap, row(pool, "a").live) == (near, True)


def test_nothing_learned_is_unknown_not_zero(pool):
    assert row(pool, "a").headroom_tok is None


# --- soonest reset ----------------------------------------------------------------------------


def test_the_soonest_return_is_a_bench_or_a_window_whichever_is_first(pool):
    bench(pool)
    pool.quota("b", "5h", 1.01, 2 * HOUR)
    assert capacity(pool).soonest_reset_sec == 240
    pool["a"].bench_until = pool.now + 3 * HOUR
    assert capacity(pool).soonest_reset_sec == 2 * HOUR
    pool.wait(2 * HOUR)
    assert capacity(pool).soonest_reset_sec == HOUR


def test_an_account_is_back_when_the_last_thing_that_holds_it_is_over(pool):
    bench(pool)
    pool.quota("a", "5h", 1.01, HOUR)
    pool.quota("a", "7d", 1.01, DAY)
    assert capacity(pool).soonest_reset_sec == DAY


def test_what_never_returns_by_itself_is_not_waited_for(pool):
    pool["a"].auth_failed = "revoked"
    pool["b"].spec = AccountSpec("b", "b", enabled=False)
    assert capacity(pool).soonest_reset_sec == 0.0


# --- the paid last resort -----------------------------------------------------------------------


def test_a_paid_key_is_reported_apart_and_never_makes_the_pool_live(make_pool):
    pool = make_pool("a", KEY)
    bench(pool)
    pool.bind("s", "key")
    found = capacity(pool)
    assert (found.verdict, found.live_accounts, found.total, found.headroom) == ("red", 0, 1, 0)
    assert [(each.name, each.live) for each in found.last_resort.accounts] == [("key", True)]


def test_a_benched_paid_key_is_no_sign_of_tightness_and_not_waited_for(make_pool):
    pool = make_pool("a", KEY)
    pool["key"].bench_until = pool.now + 5
    found = capacity(pool)
    assert (found.verdict, found.benched, found.soonest_reset_sec) == ("green", 0, 0.0)


def test_a_key_that_is_no_last_resort_counts_like_any_other(make_pool):
    pool = make_pool(AccountSpec("key", "key", kind="apikey"))
    assert (capacity(pool).verdict, capacity(pool).total, capacity(pool).headroom) == ("green", 1, 3)


# --- the verdict against the fleet ----------------------------------------------------------------


def test_an_account_over_its_learned_cap_has_no_room_while_another_is_live(pool):
    learned(pool, "a", 1000, 900)
    found = capacity(pool)
    assert (found.verdict, found.live_accounts, found.headroom, row(pool, "a").live) == ("green", 2, 6, False)


def test_learned_caps_alone_never_make_the_pool_red(pool):
    for name in "abc":
        learned(pool, name, 1000, 900)
    found = capacity(pool)
    assert (found.verdict, found.live_accounts, found.headroom, found.soonest_reset_sec) == (
        "yellow",
        3,
        3,
        0.0,
    )
    assert [row(pool, name).near_cap for name in "abc"] == [True, True, True]


def test_learned_caps_give_way_only_for_accounts_that_would_serve(pool):
    for name in "abc":
        learned(pool, name, 1000, 900)
    bench(pool)
    pool["b"].auth_failed = "revoked"
    found = capacity(pool)
    assert (found.verdict, found.live_accounts) == ("yellow", 1)
    assert [row(pool, name).live for name in "abc"] == [False, False, True]


def test_after_every_window_has_been_reset_the_pool_is_open_without_a_request(pool):
    for name in "abc":
        learned(pool, name, 1000, 1000)
        pool.quota(name, "5h", 1.0, 600, "rejected")
    assert (capacity(pool).verdict, capacity(pool).soonest_reset_sec) == ("red", 600)
    pool.wait(600)
    found = capacity(pool)
    assert (found.verdict, found.live_accounts, found.headroom, found.soonest_reset_sec) == (
        "green",
        3,
        9,
        0.0,
    )
    assert [row(pool, name).burn_5h for name in "abc"] == [0, 0, 0]


def test_a_reset_that_has_passed_survives_a_restart(pool):
    learned(pool, "a", 1000, 1000)
    pool.quota("a", "5h", 1.01, 600)
    pool.wait(601)
    again = type(pool)("a", "b", "c")
    restore_state(
        again.fleet, json.loads(json.dumps(dump_state(pool.fleet, pool.now), default=list)), pool.now
    )
    again.now = pool.now
    assert (row(again, "a").burn_5h, row(again, "a").live) == (0, True)


def at_random(pool, some):
    """Everything that may be known of an account, true or stale, in any combination."""
    for account in pool.fleet.accounts.values():
        name = account.key
        account.bench_until = pool.now + some.choice((-1.0, 0.0, 0.0, 0.0, 0.001, 60.0, 7200.0))
        account.bench_began = pool.now - 60.0
        account.auth_failed = some.choice(("", "", "", "revoked"))
        account.streak, account.proven = some.choice((0, 0, 1, 2, 7)), some.random() < 0.7
        account.cap_5h.ceiling = some.choice((None, 1000.0, 1e9))
        account.burn.add(some.choice((0, 700, 900, 5000)), pool.now - some.choice((0, 3600, 5 * 3600)))
        for axis in some.sample(("5h", "7d", "7d_oi", "7d_opus"), some.choice((0, 1, 1, 2, 3))):
            used = some.choice((None, 0.0, 0.5, 0.8, 0.95, 0.98, 1.0, 1.004, 1.2))
            status = some.choice((None, None, "allowed", "allowed_warning", "rejected"))
            pool.quota(name, axis, used, some.choice((None, 1.0, 600.0, 5 * HOUR, 6 * DAY)), status)
    pool.wait(some.choice((0.0, 0.0, 1.0, 59.0, 60.0, 600.0, 5 * HOUR, 8 * DAY)))
    for number in range(some.choice((0, 0, 3, 20))):
        pool.admit(f"s{number}", cache_life=some.choice((300.0, HOUR)))


@pytest.mark.parametrize("seed", range(2))
def test_the_verdict_is_red_if_and_only_if_a_request_asked_now_gets_no_account_of_the_pool(make_pool, seed):
    verdicts = set()
    for number in range(40):
        some = random.Random(1000 * seed + number)
        specs = [AccountSpec(n, n, enabled=some.random() < 0.9) for n in "abc"[: some.choice((1, 1, 2, 3))]]
        pool = make_pool(*specs, *([KEY] if some.random() < 0.3 else []))
        at_random(pool, some)
        chosen = pool.choose("new").account
        served = chosen not in (None, "key")
        seen = snapshot_of(pool.fleet, pool.now)
        found = seen.capacity
        assert (found.verdict == "red") == (not served), (found.verdict, chosen)
        assert (found.live_accounts == 0) == (not served)
        assert found.live_accounts or found.headroom == 0
        awaited = [a for a in seen.accounts if a.usable_in_sec is not None and not a.last_resort]
        assert (found.soonest_reset_sec == 0.0) == (not awaited)
        if awaited and not served:  # and it is right: then, and not before, somebody serves
            assert found.soonest_reset_sec is not None
            pool.wait(found.soonest_reset_sec - 0.0005)
            assert pool.choose("new").account in (None, "key")
            pool.wait(0.001)
            assert pool.choose("new").account not in (None, "key")
        verdicts.add(found.verdict)
    assert verdicts >= {"yellow", "red"}


# --- of one model -----------------------------------------------------------------------------


def of_model(pool, model):
    return snapshot_of(pool.fleet, pool.now, model=model).capacity


def test_the_capacity_of_a_model_leaves_out_the_accounts_that_refuse_it(pool):
    full = {"7d_opus": Window(1.0, pool.now + HOUR, "rejected", pool.now)}
    for name in ("a", "b"):
        pool[name].windows.update(full, pool.now)
    assert capacity(pool).headroom == of_model(pool, "claude-sonnet-4-6").headroom == 9
    for model in ("claude-opus-4-8", "opus"):
        found = of_model(pool, model)
        assert (found.headroom, found.live_accounts, found.soonest_reset_sec) == (3, 1, HOUR)
    pool["c"].windows.update(full, pool.now)
    assert of_model(pool, "opus").verdict == "red"
    assert capacity(pool).verdict == "green"
