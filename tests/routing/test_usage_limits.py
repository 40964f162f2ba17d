"""`maxUsage` under every policy: an account whose window is used as far as its owner allows is full."""

from __future__ import annotations

import random
from typing import Any

import pytest

from teamclaude.routing.pool.fair_share import pool_windows
from teamclaude.routing.pool.pool_limits import pool_limits
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import NEVER, Lease, Reason
from teamclaude.routing.user_rules.caps import Caps, Reserves
from teamclaude.routing.user_rules.week_hours import utc_calendar
from teamclaude.routing.view import snapshot_of, states_of
from tests.routing.conftest import HOUR, START

EVERY_POLICY = True

DAY = 24 * HOUR
OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-6"


def spec(name, caps=None, **more):
    return AccountSpec(name, name, caps=Caps.of(caps), **more)


@pytest.fixture
def pool(make_pool):
    return make_pool(spec("a", {"5h": 0.8, "7d": 0.6}), "b")


def block(pool, name="a", model=None):
    return pool[name].block(model, pool.fleet.rules, pool.now)


def test_an_account_is_full_at_its_cap_until_that_windows_reset(pool):
    pool.week(a=0.59, b=0.9)
    pool.five_hours(a=0.79)
    assert block(pool) is None
    pool.week(a=0.6, resets_in=2 * DAY)
    found = block(pool)
    assert (found.rule, found.detail, found.until) == (
        "max usage",
        "7d at 60%, maxUsage 60%",
        pool.now + 2 * DAY,
    )
    pool.five_hours(a=0.85)
    assert block(pool).until == pool.now + 2 * DAY  # the later of the two
    pool.wait(2 * DAY)
    assert block(pool) is None


def test_another_account_has_no_cap(pool):
    pool.week(b=0.9)
    assert block(pool, "b") is None


def test_new_and_warm_work_goes_elsewhere(pool):
    pool.bind("s", "a")
    pool.week(a=0.61, b=0.9)
    pool.five_hours(a=0.1, b=0.89)
    moved = pool.choose("s")
    assert (moved.account, moved.reason) == ("b", Reason.MAX_USAGE)
    new = pool.choose("t")
    assert new.account == "b"
    assert ("a", "max usage", "7d at 61%, maxUsage 60%") in tuple(new.excluded)


def test_the_cap_is_not_waived_where_it_excludes_every_account(make_pool):
    pool = make_pool(spec("a", 0.5), spec("b", 0.5))
    pool.bind("s", "a")
    pool.week(a=0.5, b=0.7, resets_in=2 * DAY)
    pool.five_hours(a=0.1, b=0.1)
    for session in ("s", "t", None):
        for waited in (0.0, 10.0, 7200.0):
            decision = pool.choose(session, waited=waited, allow_paid=True)
            assert (decision.account, decision.retry_at) == (None, pool.now + 2 * DAY)


@pytest.mark.parametrize("kind", ["pin", "owner"])
def test_naming_the_account_does_not_go_beyond_its_cap(pool, kind):
    pool.week(a=0.6)
    assert pool.choose("s", **{kind: "a"}).account is None
    assert pool.choose("s", **{kind: "a"}, needs_slot=False).account == "a"  # costs no quota


def test_a_pinned_request_that_ignores_refusals_keeps_the_cap(pool):
    pool.week(a=0.3)
    pool["a"].refusals_in_row, pool["a"].bench_until = 1, pool.now + 20 * DAY
    assert pool.choose("s", pin="a").account == "a"
    pool.week(a=0.6)
    assert pool.choose("s", pin="a").account is None


def test_a_pin_of_the_operator_gives_way(pool):
    pool.fleet.pin("a")
    pool.week(a=0.6)
    assert pool.choose("s").account == "b"


def test_extra_usage_does_not_go_beyond_a_cap(make_pool):
    pool = make_pool(spec("a", {"7d": 0.6}, allow_extra_usage=True))
    pool["a"].extra_usage = True
    pool.five_hours(a=1.0)
    pool.quota("a", "5h", 1.0, HOUR, "rejected")
    assert block(pool) is None  # extra usage goes on: the week has no cap yet
    assert pool["a"].is_costly(None, pool.fleet.rules, pool.now)
    pool.week(a=0.6)
    assert block(pool).rule == "max usage"


def test_an_account_below_its_windows_end_costs_nothing_at_its_cap(make_pool):
    pool = make_pool(spec("a", {"7d": 0.6}, allow_extra_usage=True))
    pool["a"].extra_usage = True
    pool.week(a=0.6)
    assert not pool["a"].is_costly(None, pool.fleet.rules, pool.now)


def test_a_cap_of_one_models_window_holds_for_that_model(make_pool):
    pool = make_pool(spec("a", {"7d_opus": 0.5}), "b")
    pool.quota("a", "7d_opus", 0.5, DAY)
    pool.week(a=0.9)
    assert block(pool, model=OPUS).detail == "7d_opus at 50%, maxUsage 50%"
    assert block(pool, model=SONNET) is None


def test_a_window_without_a_known_reset_counts_for_its_length(make_pool):
    pool = make_pool(spec("a", 0.5))
    pool.quota("a", "5h", 0.5)
    assert block(pool).until == pool.now + 5 * HOUR
    pool.wait(5 * HOUR)
    assert block(pool) is None


def test_a_new_configuration_holds_at_once(pool):
    pool.week(a=0.5, b=0.5)
    assert block(pool) is None
    pool.fleet.configure([spec("a", 0.4), spec("b")])
    assert block(pool).detail == "7d at 50%, maxUsage 40%"
    pool.fleet.configure([spec("a"), spec("b")])
    assert block(pool) is None


def test_a_lower_threshold_of_all_still_holds(make_pool):
    pool = make_pool(spec("a", 0.9), rules=Rules(switch_threshold=0.5))
    pool.week(a=0.5)
    assert block(pool).rule == "hard cap"


def test_what_resets_a_bench_does_not_lift_the_cap(pool):
    pool.week(a=0.7)
    pool.fleet.reset_benches("a", pool.now)
    assert block(pool).rule == "max usage"


@pytest.mark.parametrize("used", [0.0, 0.2, 1.0])
def test_where_nothing_may_be_used_no_reset_helps(make_pool, used):
    pool = make_pool(spec("a", {"7d": 0}))
    pool.week(a=used, resets_in=2 * DAY)
    assert block(pool).until == NEVER
    assert pool.choose("s").retry_at is None
    told = states_of(pool.fleet, pool.now)[0].windows["7d"]
    assert (told.full, told.limit, told.limit_until) == (True, "maxUsage 0%", NEVER)


# --- one fact everywhere ------------------------------------------------------------------------------


def test_the_status_and_the_capacity_say_it(pool):
    pool.week(a=0.6, resets_in=2 * DAY)
    snapshot = snapshot_of(pool.fleet, pool.now)
    a = snapshot.accounts[0]
    assert (a.usable, a.live, a.usable_in_sec) == (False, False, 2 * DAY)
    assert a.status_reason == "7d at 60%, maxUsage 60%"
    assert (snapshot.capacity.live_accounts, snapshot.capacity.total) == (1, 2)
    told = states_of(pool.fleet, pool.now)[0].windows["7d"]
    assert (told.full, told.limit, told.limit_until) == (True, "maxUsage 60%", None)
    pool.week(a=0.59)
    assert not states_of(pool.fleet, pool.now)[0].windows["7d"].full


def test_the_status_says_which_models_an_open_account_leaves_out(make_pool):
    pool = make_pool(spec("a", {"7d_opus": 0.5}), spec("b", 0.9))
    for name in "ab":
        pool.quota(name, "7d_opus", 0.55, DAY)
    a, b = snapshot_of(pool.fleet, pool.now).accounts
    assert (a.usable, a.status_reason) == (True, "refuses opus (7d_opus at 55%, maxUsage 50%)")
    assert (b.usable, b.status_reason) == (True, None)


def test_a_window_that_refuses_below_its_cap_is_no_limit_of_the_owner(pool):
    pool.quota("a", "7d", 0.3, DAY, "rejected")
    told = states_of(pool.fleet, pool.now)[0].windows["7d"]
    assert (told.full, told.limit) == (True, "")


def test_the_pools_window_is_the_part_that_may_be_used(make_pool):
    pool = make_pool(spec("a", 0.5), spec("b"))
    pool.week(a=0.25, b=0.2)
    found = pool_limits(pool.fleet.accounts.values(), None, pool.fleet.rules, pool.now)
    # a has half a window, half of which is used; b a whole one
    assert found.windows["7d"].utilization == pytest.approx((0.5 * 0.5 + 1.0 * 0.2) / 1.5)
    pool.week(a=0.5)
    found = pool_limits(pool.fleet.accounts.values(), None, pool.fleet.rules, pool.now)
    assert found.windows["7d"].utilization == pytest.approx((0.5 * 1.0 + 1.0 * 0.2) / 1.5)


def test_the_pool_is_exhausted_when_every_account_is_at_its_cap(make_pool):
    pool = make_pool(spec("a", {"7d": 0.5}), spec("b", {"7d": 0.5}))
    pool.five_hours(a=0.6, b=0.6)
    pool.week(a=0.5, b=0.6, resets_in=2 * DAY)
    found = pool_limits(pool.fleet.accounts.values(), None, pool.fleet.rules, pool.now)
    assert (found.exhausted_axis, found.back_at) == ("7d", pool.now + 2 * DAY)


def test_what_clients_share_ends_at_the_cap(make_pool):
    pool = make_pool(spec("a", 0.5), rules=Rules(switch_threshold=1.0))
    pool.five_hours(a=0.2)
    pool.serve("s", Usage(output_tokens=200))
    left = pool_windows(pool.fleet.accounts.values(), pool.fleet.rules, pool.now)["5h"]
    burned = pool["a"].burn.tokens_in_window(5 * HOUR, None, pool.now)
    assert left[0].left == pytest.approx(burned / 0.2 * 0.3)
    pool.five_hours(a=0.5)
    assert pool_windows(pool.fleet.accounts.values(), pool.fleet.rules, pool.now)["5h"][0].left == 0.0


# --- never beyond -------------------------------------------------------------------------------------


def test_no_request_is_started_at_or_beyond_the_cap(make_pool):
    """A crowd at random: sessions, sub-agents, pins and waits, while the windows fill by what is served."""
    rng = random.Random("caps 0")
    caps: dict[str, Any] = {
        "a": {"5h": 0.4, "7d": 0.3},
        "b": 0.7,
        "c": {"7d_opus": 0.2},
        "key": {"tokens": 0.5},
    }
    paid = {"kind": "apikey", "last_resort": True}
    pool = make_pool(*(spec(name, cap, **(paid if name == "key" else {})) for name, cap in caps.items()))
    used = {(name, axis): 0.0 for name in caps for axis in ("5h", "7d", "7d_opus", "tokens")}
    ends = {"5h": pool.now + 5 * HOUR, "7d": pool.now + 3 * DAY, "7d_opus": pool.now + 3 * DAY}
    spans = {"5h": 5 * HOUR, "7d": 7 * DAY, "7d_opus": 7 * DAY}
    started = dict.fromkeys(caps, 0)
    open_leases: list[Lease] = []
    for _ in range(500):
        pool.wait(rng.choice((0.0, 1.0, 30.0, 600.0)))
        for axis, end in ends.items():
            if end <= pool.now:
                ends[axis] += spans[axis] * (1 + (pool.now - end) // spans[axis])
                used.update({(name, axis): 0.0 for name in caps})
        session, model = rng.choice((None, *"stuvwx")), rng.choice((OPUS, SONNET))
        got = pool.admit(
            session,
            waited=rng.choice((0.0, 6.0, 4000.0)),
            model=model,
            agent=rng.choice((None, "x")) if session else None,
            pin=rng.choice((None,) * 9 + ("a", "key")),
            allow_paid=rng.random() < 0.3,
            continues_thread=rng.random() < 0.2,
            hold_sec=1800.0,
        )
        if isinstance(got, Lease):
            name = got.account
            for axis, cap in {axis: Caps.of(caps[name]).cap(axis) for axis in spans}.items():
                seen = pool[name].utilization(axis, pool.now)
                if axis != "7d_opus" or model == OPUS:
                    assert seen is None or seen < cap, (name, axis, seen)
            assert name != "key" or (pool["key"].utilization("tokens", pool.now) or 0.0) < 0.5
            started[name] += 1
            open_leases.append(got)
        elif got.until < NEVER:
            pool.wait(min(HOUR, max(0.0, got.until - pool.now)))
        if len(open_leases) > 6 or rng.random() < 0.5:
            for lease in [open_leases.pop(rng.randrange(len(open_leases)))] if open_leases else ():
                name = lease.account
                for axis in ("tokens",) if name == "key" else spans:
                    if axis != "7d_opus" or lease.request.model == OPUS:
                        used[name, axis] += rng.choice((0.002, 0.01, 0.02))
                    end = pool.now + HOUR if axis == "tokens" else ends[axis]
                    share = min(1.0, used[name, axis])
                    pool.quota(name, axis, round(share, 2), end - pool.now)
                pool.answer(lease)
                pool.settle(lease, served=True)
    assert all(started.values()), started


# --- reserves -----------------------------------------------------------------------------------------


def test_work_waits_for_the_hours_that_the_rest_is_kept_for(make_pool):
    day, minute = utc_calendar(START)
    text = f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[(day + 1) % 7]} 9-17"
    hours = Reserves.from_json({text: {"7d": 0.3}}, "")
    pool = make_pool(AccountSpec("a", "a", reserves=hours))
    begins = START - minute * 60 + DAY + 9 * HOUR
    pool.bind("s", "a")
    pool.week(a=0.69)
    assert pool.choose("s").account == "a"
    pool.week(a=0.7)
    for session in ("s", "t"):
        held = pool.choose(session)
        assert (held.account, held.retry_at) == (None, begins)
    assert block(pool).rule == "reserve"
    assert block(pool).detail == f"7d at 70%, 30% reserved for {text}"
    pool.wait(begins - pool.now)
    assert pool.choose("s").account == "a"
    assert pool.choose("t").account == "a"
