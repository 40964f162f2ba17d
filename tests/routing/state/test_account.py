from __future__ import annotations

import pytest

from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec, inflight_cap, is_within_5h_rail
from teamclaude.routing.state.decision import NEVER, Wait

EVERY_POLICY = True

RULES = Rules()
HOUR, DAY = 3600.0, 86400.0
FLAGSHIP, OPUS = "claude-fable-5", "claude-opus-4-8"


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b")


def block(pool, model=None, name="a"):
    return pool[name].block(model, RULES, pool.now)


# --- status and blocks ------------------------------------------------------------------------


def test_the_status_is_derived_and_the_first_that_holds_counts(pool):
    a = pool["a"]
    assert (a.status(pool.now), block(pool)) == ("active", None)
    a.bench_until = pool.now + 60
    assert a.status(pool.now) == "benched"
    a.auth_failed = "revoked"
    assert a.status(pool.now) == "auth_failed"
    a.spec = AccountSpec("a", "a", enabled=False)
    assert a.status(pool.now) == "disabled"


def test_a_block_says_why_and_until_when(pool):
    a = pool["a"]
    a.bench_until, a.bench_reason = pool.now + 60, "429"
    found = block(pool)
    assert (found.rule, found.detail, found.until) == ("account benched", "429", pool.now + 60)
    a.auth_failed = "revoked"
    found = block(pool)
    assert (found.rule, found.detail, found.until) == ("auth_failed", "revoked", NEVER)
    a.spec = AccountSpec("a", "a", enabled=False)
    assert (block(pool).rule, block(pool).until) == ("disabled", NEVER)


def test_a_bench_is_over_at_its_end(pool):
    pool["a"].bench_until = pool.now + 60
    pool.wait(60)
    assert block(pool) is None


@pytest.mark.parametrize("axis", ["5h", "7d", "30d", "requests", "tokens", "input-tokens", "output-tokens"])
def test_the_hard_cap_is_the_switch_threshold_of_every_account_axis(pool, axis):
    pool.quota("a", axis, 0.979, HOUR)
    assert block(pool) is None
    pool.quota("a", axis, 0.98, HOUR)
    found = block(pool)
    assert (found.rule, found.detail) == ("hard cap", f"{axis} 98% used")
    assert found.until == pool.now + HOUR


@pytest.mark.parametrize("axis", ["5h", "7d", "unified"])
def test_a_rejection_is_a_hard_cap_whatever_the_utilization(pool, axis):
    pool.quota("a", axis, 0.3, HOUR, "rejected")
    assert (block(pool).rule, block(pool).detail) == ("hard cap", f"{axis} rejected, 30% used")


def test_a_rejected_five_hours_dies_with_its_own_reset_not_with_the_week(pool):
    pool.quota("a", "5h", 1.0, HOUR, "rejected")
    pool.quota("a", "7d", 0.4, 5 * DAY, "allowed")
    pool.wait(HOUR - 1)
    assert block(pool).rule == "hard cap"
    pool.wait(1)
    assert block(pool) is None


def test_with_several_full_windows_the_last_reset_counts(pool):
    pool.quota("a", "5h", 1.01, HOUR)
    pool.quota("a", "7d", 1.01, 2 * DAY)
    pool.quota("a", "7d_oi", 1.01, 3 * DAY)
    assert (block(pool).detail, block(pool).until) == ("7d 101% used", pool.now + 2 * DAY)
    assert (block(pool, FLAGSHIP).rule, block(pool, FLAGSHIP).until) == ("model cap", pool.now + 3 * DAY)


def test_a_model_cap_binds_only_its_models(pool):
    pool.quota("a", "7d_oi", 0.99, HOUR)
    assert block(pool, FLAGSHIP).rule == "model cap"
    assert block(pool, OPUS) is None


def test_the_cap_explains_a_bench_that_ends_with_it(pool):
    """One refusal sets both: retry-after and reset differ by rounding."""
    pool.quota("a", "5h", 1.0, HOUR, "rejected")
    pool["a"].bench_until = pool.now + HOUR + 1
    assert (block(pool).rule, block(pool).until) == ("hard cap", pool.now + HOUR + 1)
    pool["a"].bench_until = pool.now + 60
    assert (block(pool).rule, block(pool).until) == ("hard cap", pool.now + HOUR)
    pool["a"].bench_until = pool.now + 2 * HOUR
    assert (block(pool).rule, block(pool).until) == ("account benched", pool.now + 2 * HOUR)


# --- full, and nobody says until when -----------------------------------------------------------


@pytest.mark.parametrize("status", [None, "rejected"])
def test_a_full_axis_without_a_reset_is_probed_by_one_request_a_minute(make_pool, status):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.01, status=status)
    assert pool.admit("s").until == pool.now + 60
    pool.wait(59)
    assert isinstance(pool.admit("s"), Wait)
    pool.wait(1)
    burst = [pool.admit(f"s{n}") for n in range(5)]
    assert [isinstance(got, Wait) for got in burst] == [False, True, True, True, True]
    assert burst[1].until == pool.now + 60


def test_a_probe_that_is_served_without_a_word_about_the_axis_ends_the_block(make_pool):
    pool = make_pool("a")
    early = pool.lease("early")
    pool.wait(1)
    pool.quota("a", "7d", 1.0, status="rejected")
    pool.answer(early, 200)  # sent before the refusal: says nothing about it
    assert block(pool).rule == "hard cap"
    pool.wait(60)
    probe = pool.lease("s")
    assert block(pool).rule == "hard cap"
    pool.answer(probe, 200)
    assert block(pool) is None


def test_a_probe_that_is_refused_again_waits_another_minute(make_pool, unified):
    pool = make_pool("a")
    pool.quota("a", "7d", None, status="rejected")
    pool.wait(60)
    pool.answer(pool.lease("s"), 429, *unified(**{"7d-status": "rejected"}))
    pool.wait(60)
    assert block(pool) is None


def test_only_requests_for_its_models_probe_a_scoped_axis(make_pool):
    pool = make_pool("a")
    pool.quota("a", "7d_oi", 1.01)
    pool.wait(59)
    other = pool.lease("s", model=OPUS)
    pool.answer(other, 200)
    pool.wait(1)
    assert pool["a"].probed_axes(FLAGSHIP, RULES, pool.now) == ["7d_oi"]
    assert block(pool, FLAGSHIP) is None
    pool.lease("t", model=FLAGSHIP)
    assert block(pool, FLAGSHIP).until == pool.now + 60


def test_a_request_off_the_inference_path_is_no_probe(make_pool):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.01)
    pool.wait(60)
    pool.answer(pool.lease("s", needs_slot=False), 200)
    assert pool["a"].probed_axes(None, RULES, pool.now) == ["5h"]
    assert not isinstance(pool.admit("s"), Wait)


# --- rail and slots -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "within"), [(None, True), (0.0, True), (0.899, True), (0.90, False), (1.2, False)]
)
def test_the_five_hour_rail(pool, used, within):
    pool.quota("a", "5h", used, HOUR)
    assert is_within_5h_rail(pool["a"], RULES, pool.now) is within
    assert is_within_5h_rail(pool["a"], RULES, pool.now + HOUR)


@pytest.mark.parametrize(
    ("proven", "used", "waited", "cap"),
    [
        (False, None, 0, 1),
        (False, None, 99, 1),
        (True, None, 0, 5),
        (True, 0.749, 0, 5),
        (True, 0.75, 0, 1),
        (True, 0.75, 4.9, 1),
        (True, 0.75, 5.0, 5),  # waited out the slot time: not stalled behind one long stream
        (True, 1.2, 0, 1),
    ],
)
def test_the_cap_on_requests_in_flight(pool, proven, used, waited, cap):
    pool["a"].proven = proven
    pool.quota("a", "5h", used, HOUR)
    assert inflight_cap(pool["a"], RULES, pool.now, waited) == cap


# --- identity -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name", "same"),
    [
        ("alice", "alice", True),  # known by name, now by person
        ("bob", "bob", False),
        ("person", "alice", True),  # the organisation was learned
        ("person", "renamed", True),
        ("pers", "alice", False),
        ("person/other", "alice", False),
        ("stranger", "alice", False),
    ],
)
def test_an_identity_that_was_learned_bit_by_bit_is_one_account(key, name, same):
    assert AccountSpec("person/org", "alice").was_known_as(key, name) is same


def test_only_an_api_key_of_last_resort_is_paid():
    assert AccountSpec("k", "k", "apikey", last_resort=True).is_paid
    assert not AccountSpec("k", "k", "apikey").is_paid
    assert not AccountSpec("k", "k", "oauth", last_resort=True).is_paid


def test_accounts_are_themselves_however_alike(make_pool):
    one, two = make_pool("a")["a"], make_pool("a")["a"]
    assert one != two
    assert len({one, two}) == 2


# --- what is shown of the top-level status --------------------------------------------------------


def test_a_top_level_rejection_is_forgotten_with_the_window_it_was_about(pool, unified):
    headers = unified(status="rejected", **{"5h-status": "rejected", "5h-reset": pool.now + HOUR})
    pool.answer(pool.lease("s", pin="a"), 429, *headers)
    pool.quota("a", "7d", 0.5, DAY, "allowed")
    pool.quota("a", "7d_oi", 1.0, DAY, "rejected")
    assert pool["a"].account_status(pool.now) == "rejected"
    assert pool["a"].account_status(pool.now + HOUR) is None
    pool.answer(pool.lease("s", pin="b"), 200, *unified(status="allowed_warning"))
    assert pool["b"].account_status(pool.now) == "allowed_warning"


# --- a clock that is set back ---------------------------------------------------------------------


def test_a_bench_keeps_its_length_when_the_clock_is_set_back(make_pool):
    pool = make_pool("a")
    pool.fleet.confirm_account_429(pool.lease("s"), pool.now)
    pool.wait(-DAY)
    assert pool.admit("t").until == pool.now + 60
    assert pool["a"].last_picked == pool.now
    pool.wait(60)
    assert block(pool) is None


def test_a_probe_is_not_put_off_by_a_clock_that_is_set_back(make_pool):
    pool = make_pool("a")
    pool.settle(pool.lease("s"))
    pool.quota("a", "5h", 1.01)
    pool.wait(-DAY)
    assert pool.admit("t").until == pool.now + 60


def test_the_size_of_a_scoped_window_is_learned_from_the_tokens_of_its_models(make_pool):
    pool = make_pool("a")
    for step in range(1, 6):
        pool.quota("a", "7d_opus", 0.1 * step, 86400.0)
        for model, tokens in (("claude-opus-4-8", 1000), ("claude-sonnet-4-6", 50_000)):
            pool.settle(pool.lease("s", model=model), Usage(tokens), model, served=True)
    assert list(pool["a"].scoped_caps) == ["7d_opus"]
    assert pool["a"].scoped_caps["7d_opus"].size == pytest.approx(10_000)
    assert pool["a"].scoped_caps["7d_opus"].burned == 5000
