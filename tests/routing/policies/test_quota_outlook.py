"""Model-scoped weekly windows, as the policies see them before they are full."""

from __future__ import annotations

import pytest

from teamclaude.routing.policies.conversation_use import ConversationUse
from teamclaude.routing.policies.price import PricePolicy, Tuning
from teamclaude.routing.policies.quota_outlook import QuotaOutlook
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.user_rules.caps import Caps

HOUR, DAY = 3600.0, 86400.0
OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-6"
WEEK = 1e6  # tokens of a weekly window
EVERY_DAY_ALIKE = Tuning(day_spread=0.0)
USE = ConversationUse(100.0)  # tokens a second


@pytest.fixture(name="pool")
def pool_with_scoped_windows(make_pool):
    """Two equal accounts of which a has more of its week left, and b more of that for Opus."""
    pool = make_pool("a", "b")
    pool.fleet.policy = PricePolicy(EVERY_DAY_ALIKE)  # `set_policy` keeps one of the same name
    pool.fleet.set_policy(Rules(), pool.fleet.policy)
    for name, used, used_by_opus in (("a", 0.4, 0.8), ("b", 0.5, 0.2)):
        pool[name].cap_7d.size, pool[name].cap_5h.size = WEEK, WEEK / 8
        pool.quota(name, "7d", used, 3 * DAY)
        pool.quota(name, "7d_opus", used_by_opus, 3 * DAY)
    return pool


def burn(pool, name, session, model, tokens):
    lease = pool.lease(session, pin=name, model=model)
    pool.settle(lease, Usage(tokens), model, served=True)


def outlook(pool, name, model):
    return pool.fleet.policy._outlooks.of(pool[name], model, pool.now)


@pytest.mark.parametrize(
    ("days", "counts"), [(0.01, 0.2), (0.2, 0.2), (0.25, 0.2), (1.0, 0.6), (4.0, 0.8), (6.25, 0.84)]
)
def test_of_the_demand_before_a_weekly_reset_that_counts_which_is_all_but_certain(make_pool, days, counts):
    shares = []
    for tuning in (Tuning(), EVERY_DAY_ALIKE):
        pool = make_pool("a")
        pool.fleet.policy = PricePolicy(tuning)
        pool["a"].cap_7d.size, pool["a"].cap_5h.size = WEEK, 1e6 * WEEK
        pool.quota("a", "7d", 0.5, days * DAY + 0.001)
        shares.append(outlook(pool, "a", None).share)
    assert shares[1] / shares[0] == pytest.approx(counts, abs=0.001)


def test_what_is_reset_first_is_used_up_first(make_pool):
    for tuning, chosen in ((EVERY_DAY_ALIKE, "b"), (Tuning(), "a")):
        pool = make_pool("a", "b")
        pool.fleet.policy = PricePolicy(tuning)
        pool.quota("a", "7d", 0.87, 1 * DAY)  # 13 % of a week are left for a day
        pool.quota("b", "7d", 0.10, 6 * DAY)  # 90 % for six: 15 % for each
        assert pool.choose("new").account == chosen


def test_a_conversation_goes_where_the_window_of_its_model_has_room(pool):
    for model in (OPUS, SONNET):
        burn(pool, "a", f"{model} of a", model, 1000)
        burn(pool, "b", f"{model} of b", model, 1000)
    assert pool.choose("new", model=OPUS).account == "b"
    assert pool.choose("new", model=SONNET).account == "a"


def test_without_such_a_window_the_model_makes_no_difference(pool):
    for name in ("a", "b"):
        pool[name].windows.drop("7d_opus")
    assert {pool.choose("new", model=model).account for model in (OPUS, SONNET)} == {"a"}
    assert outlook(pool, "a", OPUS) is outlook(pool, "a", SONNET)


def test_the_share_of_such_a_window_is_against_the_demand_for_its_models(pool):
    burn(pool, "a", "s", OPUS, 1000)
    burn(pool, "a", "t", SONNET, 3000)
    share = outlook(pool, "a", OPUS).share
    assert share == pytest.approx(min(0.2 / 0.25, 0.6) * WEEK / (3 * DAY))  # the week is shorter
    burn(pool, "a", "s", OPUS, 2000)
    assert outlook(pool, "a", OPUS).share == pytest.approx(0.2 / 0.5 * WEEK / (3 * DAY))


def test_others_leave_what_such_a_window_will_want_of_the_week(pool):
    burn(pool, "a", "s", OPUS, 1000)
    burn(pool, "b", "t", SONNET, 1000)
    # Of the week of a the window for Opus wants 0.2, of that of b no more than half is wanted for Opus.
    for name, rest in (("a", 0.6 - 0.2), ("b", 0.5 - 0.25)):
        assert outlook(pool, name, SONNET).share == pytest.approx(rest / 0.5 * WEEK / (3 * DAY))


def test_the_runway_of_such_a_window_counts_the_conversations_that_use_it(pool):
    for number in range(3):
        burn(pool, "a", f"sonnet {number}", SONNET, 1000)
    burn(pool, "a", "opus", OPUS, 1000)
    assert [others for _, _, others in outlook(pool, "a", OPUS).windows] == [0, 3]
    assert [others for _, _, others in outlook(pool, "a", SONNET).windows] == [0]


def test_a_window_with_few_users_lasts_longer():
    everybody, some = QuotaOutlook(0.0, 1.0, ((6e5, 1e9, 0),)), QuotaOutlook(0.0, 1.0, ((6e5, 1e9, 2),))
    assert (everybody.runway(4, USE, 0.0), some.runway(4, USE, 0.0)) == (1500.0, 3000.0)
    assert some.runway(1, USE, 0.0) == 6000.0  # the one that asks uses it


def test_pace_and_least_used_see_it_too(pool):
    for name in ("pace", "least-used"):
        pool.fleet.set_policy(Rules(), POLICIES[name]())
        assert pool.choose("new", model=OPUS).account == "b"
        assert pool.choose("new", model=SONNET).account == "a"


@pytest.mark.parametrize(
    ("cap", "model", "left"),
    [
        ({"7d": 0.5}, SONNET, 0.1),
        ({"7d": 0.5}, OPUS, 0.1),
        ({"7d_opus": 0.9}, OPUS, 0.1),
        ({"7d_opus": 0.9}, SONNET, 0.6),
    ],
)
def test_what_is_left_ends_where_the_owner_says(pool, cap, model, left):
    pool.fleet.configure([AccountSpec("a", "a", caps=Caps.of(cap)), AccountSpec("b", "b")])
    assert outlook(pool, "a", model).share == pytest.approx(left * WEEK / (3 * DAY))
