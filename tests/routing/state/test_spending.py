"""`maxSpend` under every policy: what is billed stops when a day or a month has cost enough."""

from __future__ import annotations

import json

import pytest

from teamclaude.routing.persistence import dump_state, restore_state
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import NEVER, Reason
from teamclaude.routing.state_merge import merge_states
from teamclaude.routing.user_rules.spend import SpendLimits, utc_periods
from teamclaude.routing.view import snapshot_of
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue
from tests.routing.conftest import HOUR

EVERY_POLICY = True

OPUS = "claude-opus-4-8"  # $25 for a million tokens of output
TEN_DOLLARS = Usage(output_tokens=400_000)


def key(name="key", **more):
    return AccountSpec(name, name, kind="apikey", **{"last_resort": True, **more})


def serve(pool, usage=TEN_DOLLARS, session="s", **more):
    lease = pool.lease(session, model=OPUS, **{"allow_paid": True, **more})
    pool.answer(lease)
    pool.settle(lease, usage, served=True)
    return lease


def today(pool):
    return utc_periods(pool.now)[0]


@pytest.mark.parametrize("last_resort", [True, False])
def test_a_key_serves_until_the_day_has_cost_enough(make_pool, last_resort):
    pool = make_pool(key(max_spend=SpendLimits(day=20), last_resort=last_resort))
    serve(pool)
    serve(pool)
    block = pool["key"].block(OPUS, pool.fleet.rules, pool.now)
    assert (block.rule, block.detail, block.until) == (
        "max spend",
        "max spend: ~$20.00 of $20 today",
        today(pool).ends,
    )
    for session in ("s", "t", None):
        decision = pool.choose(session, model=OPUS, allow_paid=True)
        assert (decision.account, decision.retry_at) == (None, today(pool).ends)
    assert pool.choose("s", model=OPUS, pin="key", allow_paid=True).account is None
    pool.wait(today(pool).ends - pool.now)
    assert pool.choose("s", model=OPUS, allow_paid=True).account == "key"


def test_what_is_left_of_a_day_counts_in_the_month(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=10, month=20)))
    serve(pool)
    pool.wait(today(pool).ends - pool.now)
    day, month = utc_periods(pool.now)
    serve(pool)
    assert pool["key"].spend_until == month.ends > day.ends


def test_a_warm_conversation_leaves_a_key_that_has_cost_enough(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=10), last_resort=False), "a")
    serve(pool, pin="key")
    moved = pool.choose("s", model=OPUS)
    assert (moved.account, moved.reason) == ("a", Reason.MAX_SPEND)


def test_the_limit_of_all_together_closes_every_key(make_pool):
    pool = make_pool(key("k1"), key("k2"), "a")
    pool.fleet.spending.use(SpendLimits(day=20), utc_periods)
    serve(pool, pin="k1")
    serve(pool, pin="k2")
    for name in ("k1", "k2"):
        assert pool[name].block(OPUS, pool.fleet.rules, pool.now).detail == (
            "max spend: all accounts together: ~$20.00 of $20 today"
        )
    assert pool["a"].block(OPUS, pool.fleet.rules, pool.now) is None
    assert pool.choose("t", model=OPUS).account == "a"


def test_what_windows_hold_costs_nothing(make_pool):
    pool = make_pool(AccountSpec("a", "a", max_spend=SpendLimits(day=1)))
    serve(pool)
    assert pool["a"].spent == {}


@pytest.mark.parametrize("later", [0.0, HOUR])
def test_extra_usage_goes_on_until_the_day_has_cost_enough(make_pool, later):
    pool = make_pool(AccountSpec("a", "a", allow_extra_usage=True, max_spend=SpendLimits(day=20)))
    pool["a"].extra_usage = True
    pool.quota("a", "5h", 1.0, HOUR / 2, "rejected")
    serve(pool)
    lease = pool.lease("s", model=OPUS, allow_paid=True)
    pool.wait(later)  # it began beyond the window, which may have been reset since
    pool.settle(lease, TEN_DOLLARS, served=True)
    assert pool["a"].spent[today(pool).name] == pytest.approx(20.0)
    pool.quota("a", "5h", 1.0, HOUR / 2, "rejected")
    block = pool["a"].block(OPUS, pool.fleet.rules, pool.now)
    assert (block.rule, block.until) == ("max spend", pool.now + HOUR / 2)
    assert block.detail.endswith("; max spend: ~$20.00 of $20 today")
    pool.wait(HOUR / 2)
    assert pool["a"].block(OPUS, pool.fleet.rules, pool.now) is None  # its windows are its own again


def on_extra_usage(make_pool):
    pool = make_pool(AccountSpec("a", "a", allow_extra_usage=True, max_spend=SpendLimits(day=20)))
    pool["a"].extra_usage = True
    pool.quota("a", "5h", 1.0, HOUR / 2, "rejected")
    return pool, pool.lease("s", model=OPUS, allow_paid=True)


def test_what_began_as_extra_usage_is_billed_also_when_there_is_none_any_more(make_pool):
    pool, lease = on_extra_usage(make_pool)
    pool["a"].extra_usage = False
    pool.settle(lease, TEN_DOLLARS, served=True)
    assert pool["a"].spent[today(pool).name] == pytest.approx(10.0)


def test_a_request_that_ends_without_an_answer_leaves_nothing_behind(make_pool):
    pool, lease = on_extra_usage(make_pool)
    pool.settle(lease)
    assert pool["a"].spent == {}
    assert pool.fleet.spending.extra_usage_leases == set()


def test_a_model_without_a_price_counts_as_the_dearest(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=20)))
    lease = pool.lease("s", model="gpt-9", allow_paid=True)
    pool.settle(lease, TEN_DOLLARS, served=True)
    assert pool["key"].spent[today(pool).name] == pytest.approx(20.0)  # 50 dollars for a million
    assert pool["key"].cost == 0.0


def test_tokens_that_nobody_told_of_are_not_counted(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=20)))
    lease = pool.lease("s", model=OPUS, allow_paid=True)
    pool.settle(lease, Usage(unmeasured=1), served=True)
    assert pool["key"].spent[today(pool).name] == 0.0


def test_a_new_limit_holds_at_once(make_pool):
    pool = make_pool(key())
    serve(pool)
    pool.fleet.configure([key(max_spend=SpendLimits(day=10))])
    assert pool.choose("s", model=OPUS, allow_paid=True).account is None
    pool.fleet.configure([key(max_spend=SpendLimits(day=11))])
    assert pool.choose("s", model=OPUS, allow_paid=True).account == "key"


def test_an_account_that_is_gone_has_spent_its_part(make_pool):
    pool = make_pool(key("k1"), key("k2"))
    serve(pool, pin="k1")
    pool.fleet.spending.use(SpendLimits(day=10), utc_periods)
    pool.fleet.configure([key("k2")])
    assert pool.choose("s", model=OPUS, allow_paid=True).account is None


def test_a_limit_survives_a_restart(make_pool):
    pool, after = make_pool(key("k1"), key("k2")), make_pool(key("k2"))
    serve(pool, pin="k1")
    serve(pool, pin="k2")
    pool.fleet.configure([key("k2")])
    after.fleet.spending.use(SpendLimits(day=20), utc_periods)
    state = json.loads(json.dumps(dump_state(pool.fleet, pool.now), default=list))
    assert restore_state(after.fleet, state, after.now) == []
    assert after.choose("s", model=OPUS, allow_paid=True).account is None


def test_what_two_servers_spent_adds_up():
    def state(**spent):
        return {"accounts": {"key": {"spent": spent}}}

    merged = merge_states(state(d=1.0, old=4.0), state(d=3.0), state(d=2.5, m=7.0, old=4.0))
    assert merged["accounts"]["key"]["spent"] == {"d": 4.5, "m": 7.0, "old": 0.0}


def test_waiting_for_a_key_that_has_cost_enough_is_hopeless(make_pool):
    from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

    pool = make_pool(key(max_spend=SpendLimits(day=10)), AccountSpec("a", "a", enabled=False))
    queue = WaitQueue(pool.fleet)
    serve(pool)
    waiter = Waiter(pool.ask("t", model=OPUS), WaitLimits(600.0, paid_after=60.0), pool.now)
    queue.enter(waiter, pool.now)
    assert waiter.lease is None
    assert queue.is_hopeless(waiter, pool.now)


def test_tokens_that_no_answer_told_of_are_billed_too(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=20), last_resort=False))
    for usage, unseen in ((Usage(output_tokens=100_000), 300_000), (Usage(unmeasured=1), 400_000)):
        assert pool["key"].spend_until <= pool.now
        lease = pool.lease("s", model=OPUS)
        pool.fleet.settle_lease(lease, pool.now, usage, OPUS, unseen=unseen)
    assert pool["key"].spent[today(pool).name] == pytest.approx(20)
    assert pool["key"].spend_until == today(pool).ends
    assert pool["key"].cost == pytest.approx(2.5), "what is shown stays what answers told"


def test_nothing_waits_for_the_end_of_a_limit_of_nothing(make_pool):
    pool = make_pool(key(max_spend=SpendLimits(day=0), last_resort=False), key("other", last_resort=True))
    block = pool["key"].block(OPUS, pool.fleet.rules, pool.now)
    assert (block.rule, block.detail, block.until) == ("max spend", "max spend: maxSpend.day is 0", NEVER)
    assert pool.choose("s", model=OPUS).account == "other"  # which need not wait for it either
    pool.fleet.mark_account_auth_failed("other", "revoked")
    decision = pool.choose("s", model=OPUS)
    assert (decision.account, decision.retry_at) == (None, None)
    queue, waiter = WaitQueue(pool.fleet), Waiter(pool.ask("s", model=OPUS), WaitLimits(10 * HOUR), pool.now)
    queue.enter(waiter, pool.now)
    assert queue.is_hopeless(waiter, pool.now)
    row = next(each for each in snapshot_of(pool.fleet, pool.now, {}).accounts if each.name == "key")
    assert row.usable_in_sec is None
