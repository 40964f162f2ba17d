from __future__ import annotations

import pytest

from teamclaude.routing.fleet import Changes, Fleet
from teamclaude.routing.quota.model_prices import PriceTable, Pricing
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.conversations import Binding
from teamclaude.routing.state.decision import Reason, Wait
from tests.routing.conftest import STAYING, only

DAY = 86400.0
OPUS = "claude-opus-4-8"
EVERY_POLICY = True


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b")


# --- leases -----------------------------------------------------------------------------------


def test_a_slot_is_taken_with_the_choice_and_released_exactly_once(pool):
    lease = pool.lease("s")
    assert (pool[lease.account].inflight, pool.fleet.bindings["s"].inflight) == (1, 1)
    for _ in range(3):
        pool.settle(lease, Usage(1, 1), served=True)
    assert (pool[lease.account].inflight, pool.fleet.bindings["s"].inflight) == (0, 0)
    assert (pool[lease.account].requests, pool[lease.account].usage.total) == (1, 2)


def test_a_lease_without_a_slot_is_settled_once_too(pool):
    lease = pool.lease("s", needs_slot=False)
    for _ in range(2):
        pool.settle(lease, Usage(5))
    assert (pool[lease.account].inflight, pool[lease.account].usage.total) == (0, 5)
    assert pool.fleet.bindings == {}


def test_a_stale_lease_of_a_removed_add_account_nothing(pool):
    lease = pool.lease("s", pin="a")
    pool.fleet.configure(pool.specs[1:])
    pool.fleet.configure(pool.specs)  # the same name again is another account
    pool.answer(lease, 429, ("retry-after", "99"))
    pool.fleet.confirm_account_429(lease, pool.now)
    pool.fleet.mark_auth_failed(lease, "revoked")
    pool.settle(lease, Usage(1, 1), OPUS, served=True)
    again = pool["a"]
    assert (again.inflight, again.status(pool.now), again.usage.total, again.streak) == (0, "active", 0, 0)
    assert pool.fleet.bindings["s"].inflight == 0


def test_the_last_account_of_inference_is_told(pool):
    pool.lease("s", pin="b")
    pool.lease("s", pin="a", needs_slot=False)
    assert (pool.fleet.last_account, pool["a"].last_picked, pool["b"].last_picked) == ("b", 0.0, pool.now)


# --- what a settled lease counts ----------------------------------------------------------------


def test_tokens_and_dollars_are_counted_for_account_and_conversation(pool):
    lease = pool.lease("s", pin="a", model=OPUS)
    pool.wait(9)
    usage = Usage(1000, 2000, 50_000, 300, 400)
    pool.settle(lease, usage, served=True)
    binding = pool.fleet.bindings["s"]
    for owner in (pool["a"], binding):
        assert (owner.requests, owner.usage, owner.unpriced_tokens) == (1, usage, 0)
        assert owner.cost == pytest.approx((1000 + 300 * 1.25 + 400 * 2 + 5000) * 5e-6 + 2000 * 25e-6)
    assert (binding.model, binding.prefix, binding.last_used) == (OPUS, 50_700, pool.now)
    assert pool["a"].burn.tokens_since(pool.now - 300, pool.now) == 3700  # cache reads count nothing


def test_the_model_of_the_answer_beats_the_model_of_the_request(pool):
    pool.settle(pool.lease("s", model=OPUS), Usage(1), "claude-haiku-4-5", served=True)
    assert pool.fleet.bindings["s"].model == "claude-haiku-4-5"


def test_an_unknown_family_has_no_price_and_says_how_many_tokens_are_unpriced(pool):
    pool.settle(pool.lease("s", pin="a"), Usage(1, 2, 3), "gpt-5", served=True)
    assert (pool["a"].cost, pool["a"].unpriced_tokens) == (0.0, 6)
    assert pool.fleet.bindings["s"].unpriced_tokens == 6


def test_a_cost_by_the_price_of_another_version_is_marked_wherever_it_is_summed(pool):
    pool.settle(pool.lease("s", pin="a", model="claude-opus-9"), Usage(1_000_000), served=True)
    pool.settle(pool.lease("t", pin="b", model="claude-opus-5-5"), Usage(1_000_000), served=True)
    fleet = pool.fleet
    for name, session, estimated in (("a", "s", True), ("b", "t", False)):
        for owner in (pool[name], fleet.bindings[session]):
            assert (owner.cost, owner.cost_estimated) == (4.0, estimated)


def test_prices_of_the_config_count(make_pool):
    pool = make_pool("a")
    pool.fleet.prices = PriceTable({"gpt": Pricing(1, 2)})
    pool.settle(pool.lease("s"), Usage(1_000_000, 1_000_000), "gpt-5", served=True)
    assert pool["a"].cost == 3.0


def test_retries_of_a_request_are_one_request(pool):
    refused = pool.lease("s")
    pool.answer(refused, 429, ("retry-after", "60"))
    pool.settle(refused)
    broken = pool.lease("s", tried=(refused.account,))
    pool.settle(broken, Usage(10), OPUS)  # the stream broke after message_start
    pool.settle(pool.lease("s", tried=(refused.account,)), Usage(10, 5), OPUS, served=True)
    binding = pool.fleet.bindings["s"]
    assert (binding.requests, binding.usage.total) == (1, 25)


# --- conversations --------------------------------------------------------------------------------


def test_a_rebind_keeps_everything_the_conversation_has_gathered(pool):
    pool.settle(pool.lease("s", pin="a", model=OPUS), Usage(1, 2, 0, 300, 0), served=True)
    before = dict(pool.fleet.bindings["s"].__dict__)
    pool["a"].bench_until = pool.now + 60
    pool.wait(1)
    pool.settle(pool.lease("s"))
    after = dict(pool.fleet.bindings["s"].__dict__)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"account", "bound_at", "last_used", "reason", "moves", "prefix"}
    assert after["prefix"] == 0  # nothing of it is cached there
    assert (after["account"], after["reason"], after["moves"]) == ("b", Reason.BENCHED, 1)


def test_a_conversation_remembers_who_started_it(pool):
    pool.lease("s", agent="x", parent_agent="w")
    binding = pool.fleet.bindings["s/x"]
    assert (binding.session, binding.agent, binding.parent) == ("s", "x", "s/w")


def test_an_answer_of_the_old_account_does_not_warm_the_new_one(pool):
    old = pool.lease("s", pin="a")
    pool.lease("s", pin="b")
    moved = pool.now
    pool.wait(60)
    pool.settle(old, Usage(1, 1, 0, 999), served=True)
    binding = pool.fleet.bindings["s"]
    assert (binding.account, binding.last_used, binding.prefix, binding.inflight) == ("b", moved, 0, 1)
    assert binding.usage.total == 1001


@only(*STAYING)
def test_a_long_stream_keeps_its_conversation_warm_and_remembered(pool):
    lease = pool.lease("s", pin="a")
    pool.wait(7200)
    pool.settle(pool.lease("other", pin="b"))
    assert "s" in pool.fleet.bindings
    assert (pool["a"].warm.count(pool.now), pool.choose("s").reason) == (1, Reason.KEPT)
    pool.settle(lease, served=True)
    pool.wait(299)
    assert pool["a"].warm.count(pool.now) == 1
    pool.wait(1)
    assert pool["a"].warm.count(pool.now) == 0


def test_a_shorter_cache_life_counts_from_the_request_that_asked_for_it(pool):
    pool.bind("s", "a", cache_life=3600.0)
    pool.bind("s", "a", cache_life=300.0)
    pool.wait(300)
    assert pool["a"].warm.count(pool.now) == 0


@pytest.mark.parametrize(("life", "kept"), [(300.0, 1800), (3600.0, 7200)])
def test_idle_conversations_are_dropped(pool, life, kept):
    pool.bind("s", "a", cache_life=life)
    pool.wait(kept - 1)
    pool.lease("t", needs_slot=False)
    assert "s" in pool.fleet.bindings
    pool.wait(1)
    pool.lease("t", needs_slot=False)
    assert "s" not in pool.fleet.bindings


def test_a_clock_set_back_does_not_leave_conversations_warm_for_the_difference(pool):
    pool.bind("s", "a")
    pool.wait(-DAY)
    pool.settle(pool.lease("t", pin="b"))
    assert pool["a"].warm.count(pool.now) == 1
    pool.wait(300)
    assert (pool["a"].warm.count(pool.now), pool.choose("s").reason) == (0, Reason.LAPSED)


@pytest.mark.parametrize(
    "event",
    [
        lambda pool, lease: pool.admit("other"),
        lambda pool, lease: pool.answer(lease, 200),
        lambda pool, lease: pool.fleet.confirm_account_429(lease, pool.now),
        lambda pool, lease: pool.settle(lease),
    ],
)
def test_a_clock_that_moved_back_is_noticed_by_the_next_call(pool, event):
    pool.bind("s", "a")
    lease = pool.lease("t", pin="b")
    pool.wait(-DAY)
    event(pool, lease)
    assert pool.fleet.bindings["s"].last_used == pool.now


@only(*STAYING)
def test_a_restored_conversation_counts_where_it_is_and_no_more_where_it_was(pool):
    pool.bind("s", "a")
    other = Binding("s", "s", None, None, "b", pool.now, pool.now, pool.now)
    pool.fleet.restore_binding(other)
    assert [pool[name].warm.count(pool.now) for name in "ab"] == [0, 1]
    assert (pool.choose("s").account, pool.choose("s").reason) == ("b", Reason.KEPT)


# --- configuration --------------------------------------------------------------------------------


def test_a_new_configuration_says_what_it_changed(pool):
    specs = [AccountSpec("b", "b", priority=2), AccountSpec("c", "c")]
    assert pool.fleet.configure(specs) == Changes(added=("c",), removed=("a",), updated=("b",))
    assert pool.fleet.configure(specs) == Changes()
    assert list(pool.fleet.accounts) == ["b", "c"]


@only(*STAYING)
def test_observed_state_survives_by_identity_and_never_by_position(pool):
    pool.quota("b", "7d", 0.4, DAY)
    pool.bind("s", "b")
    lease = pool.lease("s")
    pool.fleet.configure([AccountSpec("c", "c"), AccountSpec("b", "renamed", priority=1)])
    assert (pool["b"].name, pool["b"].utilization("7d", pool.now), pool["b"].inflight) == ("renamed", 0.4, 1)
    pool.settle(lease)
    assert (pool["b"].inflight, pool["c"].inflight) == (0, 0)
    assert pool.choose("s").reason == Reason.KEPT


@only(*STAYING)
def test_an_account_added_again_finds_its_warm_conversations(pool):
    pool.bind("s", "a")
    pool.fleet.configure(pool.specs[1:])
    pool.fleet.configure(pool.specs)
    assert (pool["a"].warm.count(pool.now), pool.choose("s").reason) == (1, Reason.KEPT)


@only(*STAYING)
@pytest.mark.parametrize("key", ["person", "person/org"])
def test_an_account_that_learns_who_it_is_keeps_everything(make_pool, key):
    pool = make_pool("alice", "b")
    pool.bind("s", "alice")
    pool.fleet.pin("alice", "p")
    lease = pool.lease(None, pin="alice")
    pool.fleet.owners.record("file_1", "alice")
    pool.fleet.prefix_caches.record(["d"], "alice", 5000, pool.now + 60, pool.now)
    changes = pool.fleet.configure([AccountSpec("b", "b"), AccountSpec(key, "alice")])
    assert changes == Changes()
    assert (pool.fleet.pins, pool.fleet.last_account) == ({"p": key}, key)
    assert pool.fleet.owners.owner_of("file_1") == key
    assert pool.fleet.prefix_caches.find(["d"], pool.now).account == key
    assert (pool.choose("s").account, pool.choose("s").reason) == (key, Reason.KEPT)
    pool.answer(lease, 429, ("retry-after", "60"))
    pool.settle(lease)
    assert (pool[key].inflight, pool[key].streak) == (0, 1)


def test_another_person_under_an_old_name_is_another_account(make_pool):
    pool = make_pool(AccountSpec("person-1", "alice"))
    pool.quota("person-1", "5h", 1.0, 3600, "rejected")
    changes = pool.fleet.configure([AccountSpec("person-2", "alice")])
    assert (changes.added, changes.removed) == (("alice",), ("alice",))
    assert pool.choose("s").account == "person-2"


def test_a_person_of_two_organisations_is_not_taken_for_either(make_pool):
    pool = make_pool(AccountSpec("person", "alice"))
    changes = pool.fleet.configure(
        [AccountSpec("person/1", "alice (1)"), AccountSpec("person/2", "alice (2)")]
    )
    assert (len(changes.added), len(changes.removed)) == (2, 1)


def test_an_api_key_under_the_name_of_a_login_is_another_account(make_pool):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.01, 3600)
    changes = pool.fleet.configure([AccountSpec("a", "a", kind="apikey")])
    assert (changes.added, changes.removed) == (("a",), ("a",))
    assert pool.choose("s").account == "a"


def test_pins_to_removed_accounts_go_and_pins_to_unknown_ones_are_refused(pool):
    pool.fleet.pin("a")
    pool.fleet.pin("b", "s")
    pool.fleet.configure(pool.specs[1:])
    assert pool.fleet.pins == {"s": "b"}
    with pytest.raises(KeyError):
        pool.fleet.pin("a")
    pool.fleet.pin(None, "never pinned")
    assert pool.fleet.pins == {"s": "b"}


def test_disabling_takes_effect_at_once_and_requests_in_flight_finish(pool):
    lease = pool.lease("s", pin="a")
    pool.fleet.configure([AccountSpec("a", "a", enabled=False), AccountSpec("b", "b")])
    assert pool.choose("s").account == "b"
    pool.settle(lease, Usage(3), served=True)
    assert (pool["a"].inflight, pool["a"].usage.total) == (0, 3)


@only(*STAYING)
def test_new_rules_count_for_conversations_that_are_warm_already(pool):
    pool.bind("s", "a")
    pool.fleet.set_policy(Rules(cache_affinity_window_sec=900), pool.fleet.policy)
    pool.fleet.configure(pool.specs)
    pool.wait(899)
    assert (pool["a"].warm.count(pool.now), pool.choose("s").reason) == (1, Reason.KEPT)


def test_a_fleet_without_accounts_waits(make_pool):
    assert isinstance(make_pool().admit("s"), Wait)
    assert Fleet(Rules(), make_pool().fleet.policy).accounts == {}
