from __future__ import annotations

import copy

import pytest

from teamclaude.routing.policies.pace import weekly_pace
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.decision import Reason
from teamclaude.routing.view import snapshot_of
from teamclaude.snapshot import PinView, QuotaView

EVERY_POLICY = True

HOUR, DAY = 3600.0, 86400.0
OPUS = "claude-opus-4-8"


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b")


def account(pool, name="a"):
    return next(each for each in snapshot_of(pool.fleet, pool.now).accounts if each.name == name)


def binding(pool, conversation="s"):
    found = snapshot_of(pool.fleet, pool.now).session_bindings
    session, _, agent = conversation.partition("/")
    return next((each for each in found if (each.sid, each.agent or "") == (session, agent)), None)


def test_an_idle_account_shows_unknowns_as_none(pool):
    shown = account(pool)
    assert (shown.status, shown.status_reason, shown.usable) == ("active", None, True)
    assert shown.usable_in_sec is None
    assert (shown.rate_limited_until, shown.cap_est_5h, shown.cap_est_7d) == (None, None, None)
    assert (shown.quota, shown.burn_5h) == (QuotaView(), 0)


def test_a_benched_account_says_why_and_until_when(pool):
    lease = pool.lease("s", pin="a")
    pool.answer(lease, 429, ("retry-after", "240"))
    shown = account(pool)
    assert (shown.status, shown.status_reason, shown.usable) == ("benched", "429", False)
    assert (shown.rate_limited_until, shown.bench_sec, shown.usable_in_sec) == (pool.now + 240, 240, 240)
    assert (shown.streak, shown.proven, shown.inflight) == (1, False, 1)
    pool.wait(240)
    assert (account(pool).status, account(pool).rate_limited_until) == ("active", None)


def test_a_capped_account_is_active_but_not_usable(pool):
    pool.quota("a", "7d", 1.01, DAY)
    shown = account(pool)
    assert (shown.status, shown.usable, shown.status_reason) == ("active", False, "7d 101% used")
    assert (shown.usable_in_sec, shown.quota.unified_7d) == (DAY, 1.01)
    assert shown.pace == weekly_pace(pool["a"], pool.fleet.rules, pool.now)


def test_windows_that_were_reset_are_not_shown(pool):
    pool.five_hours(HOUR, a=0.5)
    pool.quota("a", "7d_oi", 0.2, DAY)
    pool.wait(HOUR)
    assert list(account(pool).quota.axes) == ["7d_oi"]


def test_the_burn_of_the_running_five_hours_is_shown(pool):
    pool.five_hours(HOUR, a=0.5)
    pool.settle(pool.lease("s", pin="a"), Usage(100, 20, 9999))
    assert (account(pool).burn_5h, account(pool).usage.usage.tokens) == (120, 10_119)


def test_a_conversation_is_shown_with_its_numbers(pool):
    lease = pool.lease("s", pin="a", model=OPUS)
    pool.wait(5)
    assert (binding(pool).inflight, binding(pool).idle_sec) == (1, 0.0)
    pool.settle(lease, Usage(1, 2, 0, 300), served=True)
    pool.wait(60)
    shown = binding(pool)
    assert (shown.account, shown.sid, shown.agent, shown.warm, shown.idle_sec) == ("a", "s", None, True, 60.0)
    assert (shown.requests, shown.usage.tokens, shown.model, shown.cached_prefix_tokens) == (
        1,
        303,
        OPUS,
        300,
    )
    assert (shown.reason, shown.moves, shown.pinned) == (Reason.PINNED, 0, False)
    assert (shown.first_seen, shown.bound_at, shown.last_used) == (lease.at, lease.at, lease.at + 5)


def test_a_conversation_whose_account_was_removed_has_none(pool):
    pool.bind("s", "a")
    pool.fleet.configure(pool.specs[1:])
    assert binding(pool).account is None


def test_an_evicted_conversation_is_not_shown(pool):
    pool.bind("s", "a")
    pool.wait(1799)
    assert not binding(pool).warm
    pool.wait(1)
    assert binding(pool) is None


def test_pins_are_shown_by_name_and_on_their_conversations(pool):
    pool.bind("s", "a")
    pool.bind("s", "a", agent="x")
    pool.bind("t", "a")
    pool.fleet.pin("b", "s")
    assert [binding(pool, c).pinned for c in ("s", "s/x", "t")] == [True, True, False]
    pool.fleet.pin("a")
    assert binding(pool, "t").pinned
    assert snapshot_of(pool.fleet, pool.now).pins == (PinView("s", "b"), PinView(None, "a"))


def test_the_snapshot_has_its_time_policy_and_current_account(pool, policy):
    pool.bind("s", "b")
    view = snapshot_of(pool.fleet, pool.now)
    assert (view.at, view.current_account, view.policy) == (pool.now, "b", policy)


def test_a_view_is_a_copy_that_does_not_change(pool):
    pool.bind("s", "a")
    view = snapshot_of(pool.fleet, pool.now)
    before = copy.deepcopy(view)
    pool.quota("a", "5h", 1.01, HOUR)
    pool.settle(pool.lease("s"), Usage(1, 1), OPUS, served=True)
    pool.fleet.pin("b")
    pool.wait(60)
    assert view == before
