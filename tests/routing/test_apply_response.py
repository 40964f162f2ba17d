from __future__ import annotations

import pytest

from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec

EVERY_POLICY = True

STEADY = Rules(backoff_jitter=False)
HOUR = 3600.0


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", rules=STEADY)


def benched_for(pool, name="a"):
    return pool[name].bench_until - pool.now


# --- the ladder -------------------------------------------------------------------------------


def test_consecutive_refusals_climb_60_240_900(pool):
    benches = []
    for _ in range(4):
        lease = pool.lease("s", pin="a")
        pool.fleet.confirm_account_429(lease, pool.now)
        pool.settle(lease)
        benches.append(benched_for(pool))
        pool.wait(benches[-1] + 1)
    assert benches == [60, 240, 900, 900]
    assert pool["a"].streak == 4


def test_any_answer_below_400_ends_the_streak_and_proves(pool):
    refused = pool.lease("s", pin="a")
    pool.fleet.confirm_account_429(refused, pool.now)
    pool.settle(refused)
    assert (pool["a"].streak, pool["a"].proven) == (1, False)
    pool.wait(61)
    pool.answer(pool.lease("s", pin="a"), 200)
    assert (pool["a"].streak, pool["a"].proven) == (0, True)


def test_eight_concurrent_bare_429s_are_one_bench_of_60_s_and_a_streak_of_1(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_inflight_per_account=8))
    leases = [pool.lease(f"s{n}", pin="a") for n in range(8)]
    for lease in leases:
        assert pool.answer(lease, 429).value == "bare 429"
        assert pool["a"].block(None, pool.fleet.rules, pool.now) is None  # suspicion only
    for lease in leases:
        pool.fleet.confirm_account_429(lease, pool.now)
        pool.wait(0.5)
    assert pool["a"].streak == 1
    assert pool["a"].bench_until == leases[0].at + 60


def test_a_sibling_that_names_a_longer_time_extends_the_bench(pool):
    first, second, third = (pool.lease(f"s{n}", pin="a") for n in range(3))
    pool.answer(first, 429, ("retry-after", "100"))
    pool.wait(1)
    pool.answer(second, 429, ("retry-after", "500"))
    assert (benched_for(pool), pool["a"].streak) == (500, 1)
    pool.answer(third, 429, ("retry-after", "5"))
    assert (benched_for(pool), pool["a"].streak) == (500, 1)


def test_a_sibling_that_comes_late_is_still_a_sibling(pool):
    first, second = pool.lease("s1", pin="a"), pool.lease("s2", pin="a")
    pool.fleet.confirm_account_429(first, pool.now)
    pool.wait(120)
    pool.fleet.confirm_account_429(second, pool.now)
    assert (pool["a"].streak, pool["a"].is_benched(pool.now)) == (1, False)


def test_a_refusal_at_the_epoch_of_a_virtual_clock_benches(make_pool):
    pool = make_pool("a", rules=STEADY)
    pool.now = 0.0
    pool.fleet.confirm_account_429(pool.lease("s"), 0.0)
    assert benched_for(pool) == 60


def test_a_shorter_bench_never_replaces_a_longer_one(pool):
    first, second = pool.lease("s1", pin="a"), pool.lease("s2", pin="a")
    pool.answer(first, 429, ("retry-after", "1000"))
    pool.wait(1)
    pool.answer(second, 403, message="no")
    assert (benched_for(pool), pool["a"].bench_reason) == (999, "429")


# --- the server's own word --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "bench"),
    [("17", 17), ("51811", 51811), ("99999999999", 7 * 24 * HOUR), ("1e18", 7 * 24 * HOUR), ("0", 1)],
)
def test_retry_after_is_honoured_and_zero_is_no_hot_loop(pool, retry_after, bench):
    assert pool.answer(pool.lease("s", pin="a"), 429, ("retry-after", retry_after)).value == "retry-after"
    assert benched_for(pool) == bench


@pytest.mark.parametrize("retry_after", ["-3", "nan", "later"])
def test_a_senseless_retry_after_is_none(pool, retry_after):
    assert pool.answer(pool.lease("s", pin="a"), 429, ("retry-after", retry_after)).value == "bare 429"
    assert not pool["a"].is_benched(pool.now)


def test_a_rejected_window_benches_until_its_reset(pool, unified):
    soon, later = pool.now + HOUR, pool.now + 50 * HOUR
    rejected = unified(
        **{"5h-status": "rejected", "5h-reset": soon, "7d-status": "rejected", "7d-reset": later}
    )
    pool.answer(pool.lease("s", pin="a"), 429, *rejected)
    assert pool["a"].bench_until == later
    assert pool["a"].bench_reason == "429 (5h, 7d)"


def test_a_rejected_window_without_a_reset_gets_the_ladder(pool, unified):
    pool.answer(pool.lease("s", pin="a"), 429, *unified(**{"5h-status": "rejected"}))
    assert benched_for(pool) == 60


# --- model caps -------------------------------------------------------------------------------


def test_a_model_cap_touches_only_its_family(pool, unified):
    headers = unified(
        **{"status": "rejected", "5h-status": "allowed", "7d-status": "allowed", "7d_oi-status": "rejected"}
    )
    lease = pool.lease("s", model="claude-fable-5", pin="a")
    assert pool.answer(lease, 429, ("retry-after", "51811"), *headers).value == "model quota"
    assert not pool["a"].is_benched(pool.now)
    assert (pool["a"].streak, pool["a"].proven) == (0, True)
    rules = pool.fleet.rules
    block = pool["a"].block("claude-fable-5", rules, pool.now)
    assert (block.rule, block.until) == ("model cap", pool.now + 51811)
    assert pool["a"].block("claude-opus-4-8", rules, pool.now) is None
    assert pool["a"].block(None, rules, pool.now) is None
    pool.wait(51811)
    assert pool["a"].block("claude-fable-5", rules, pool.now) is None


def test_an_unknown_scope_binds_the_family_it_refused(pool, unified):
    headers = unified(**{"7d_xyz-status": "rejected", "7d_xyz-reset": pool.now + HOUR})
    pool.answer(pool.lease("s", model="claude-opus-4-8", pin="a"), 429, *headers)
    assert pool["a"].block("claude-opus-5", pool.fleet.rules, pool.now).rule == "model cap"
    assert pool["a"].block("claude-haiku-4-5", pool.fleet.rules, pool.now) is None


# --- off the inference path -------------------------------------------------------------------


def test_a_429_off_the_inference_path_teaches_nothing(pool, unified):
    lease = pool.lease("s", needs_slot=False, pin="a")
    pool.answer(lease, 429, ("retry-after", "99"), *unified(status="rejected"))
    assert pool["a"].block(None, pool.fleet.rules, pool.now) is None


def test_counting_tokens_has_limits_of_its_own(pool):
    spent = [(f"anthropic-ratelimit-requests-{k}", v) for k, v in (("limit", "50"), ("remaining", "0"))]
    pool.answer(pool.lease("s", needs_slot=False, pin="a"), 200, *spent)
    assert pool["a"].block(None, pool.fleet.rules, pool.now) is None
    pool.answer(pool.lease("s", pin="a"), 200, *spent)
    assert pool["a"].block(None, pool.fleet.rules, pool.now).detail == "requests 100% used"


# --- 401, 403 ---------------------------------------------------------------------------------


def test_a_403_benches_for_five_minutes_in_the_words_of_the_upstream(pool):
    pool.answer(pool.lease("s", pin="a"), 403, message="OAuth is not allowed for this organization")
    block = pool["a"].block(None, pool.fleet.rules, pool.now)
    assert (block.rule, block.detail) == ("account benched", "OAuth is not allowed for this organization")
    assert (benched_for(pool), pool["a"].streak) == (300, 0)


def test_a_refused_login_rests_until_its_credentials_change(pool):
    pool.fleet.mark_auth_failed(pool.lease("s", pin="a"), "")
    assert pool["a"].status(pool.now) == "auth_failed"
    assert pool["a"].auth_failed == "the API refuses its credentials"
    pool.fleet.configure(pool.specs)
    assert pool["a"].status(pool.now) == "auth_failed"
    pool.fleet.configure(pool.specs, renewed=["a", "nobody"])
    assert pool["a"].status(pool.now) == "active"


def test_new_credentials_end_the_rest_of_a_login_and_nothing_else(pool):
    pool.fleet.bench_for_login("a", pool.now + 60, "the token can't be renewed yet", pool.now)
    assert (benched_for(pool), pool["a"].bench_reason) == (60, "the token can't be renewed yet")
    pool.fleet.credentials_changed(["a", "nobody"], pool.now)
    assert not pool["a"].is_benched(pool.now)
    pool.answer(pool.lease("s", pin="b"), 429, ("retry-after", "1000"))
    pool.fleet.bench_for_login("b", pool.now + 60, "the token can't be renewed yet", pool.now)
    pool.fleet.credentials_changed(["b"], pool.now)
    assert (benched_for(pool, "b"), pool["b"].bench_reason) == (1000, "429")


def test_a_login_is_locked_out_under_the_key_its_account_has_now(pool):
    lease = pool.lease("s", pin="a")
    pool.fleet.configure([AccountSpec("person", "a"), *pool.specs[1:]])
    pool.fleet.mark_auth_failed(lease, "revoked")
    assert pool["person"].auth_failed == "revoked"


@pytest.mark.parametrize("status", [302, 400, 401, 404, 413, 500, 503, 529])
def test_other_answers_change_nothing(pool, status):
    pool.answer(pool.lease("s", pin="a"), status, ("retry-after", "30"))
    account = pool["a"]
    assert (account.status(pool.now), account.proven, account.streak) == ("active", True, 0)


# --- learned caps -----------------------------------------------------------------------------


def test_served_answers_teach_the_size_of_both_windows(pool, unified):
    resets = {"5h-reset": pool.now + HOUR, "7d-reset": pool.now + 50 * HOUR}
    for step in range(21):
        lease = pool.lease("s", pin="a")
        axes = {"5h-utilization": step / 100, "7d-utilization": step / 200}
        pool.answer(lease, 200, *unified(**axes, **resets))
        pool.settle(lease, Usage(cache_read_tokens=9999, output_tokens=100), served=True)
    assert pool["a"].cap_5h.estimate(pool.now) == pytest.approx(10_000)
    assert pool["a"].cap_7d.estimate(pool.now) == pytest.approx(20_000)


def test_the_first_quota_refusal_of_a_streak_teaches_the_cap_of_its_window(pool, unified):
    pool.settle(pool.lease("s", pin="a"), Usage(output_tokens=1000))
    lease, sibling = pool.lease("s", pin="a"), pool.lease("s2", pin="a")
    pool.answer(lease, 429, *unified(**{"5h-status": "rejected", "5h-reset": pool.now + HOUR}))
    assert (pool["a"].cap_5h.ceiling, pool["a"].cap_7d.ceiling) == (1000, None)
    pool.settle(lease, Usage(output_tokens=5000))
    pool.answer(sibling, 429, *unified(**{"5h-status": "rejected", "5h-reset": pool.now + HOUR}))
    assert pool["a"].cap_5h.ceiling == 1000


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("retry-after", "10")],
        [("anthropic-ratelimit-unified-7d_oi-status", "rejected")],
    ],
)
def test_bare_timed_and_scoped_refusals_teach_no_cap(pool, headers):
    pool.settle(pool.lease("s", pin="a"), Usage(output_tokens=1000))
    lease = pool.lease("s", pin="a", model="claude-fable-5")
    pool.answer(lease, 429, *headers)
    pool.fleet.confirm_account_429(lease, pool.now)
    assert (pool["a"].cap_5h.ceiling, pool["a"].cap_7d.ceiling) == (None, None)


@pytest.mark.parametrize("far", [30 * 86400, 6 * 3600 + 60])
def test_a_reset_further_away_than_the_window_is_long_closes_nothing_till_then(make_pool, unified, far):
    pool = make_pool("a")
    refused = {"status": "rejected", "5h__status": "rejected", "5h__utilization": 1.0}
    lease = pool.lease("s")
    pool.answer(lease, 429, *unified(**refused, **{"5h__reset": pool.now + far}))
    pool.settle(lease)
    block = pool["a"].block(None, pool.fleet.rules, pool.now)
    assert block.until <= pool.now + 60.0
    pool.wait(61.0)
    probe = pool.lease("s")  # one request finds out
    assert pool.choose("t").account is None
    pool.answer(probe, 200, *unified(**{"5h__utilization": 0.2, "5h__reset": pool.now + 3600}))
    pool.settle(probe, served=True)
    assert pool.choose("t").account == "a"
