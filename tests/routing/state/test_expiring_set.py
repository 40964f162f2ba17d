from __future__ import annotations

import random

from teamclaude.routing.state.expiring_set import ExpiringSet

NEVER = float("inf")


def test_a_key_counts_until_its_expiry():
    warm = ExpiringSet()
    warm.set_expiry("a", 10)
    warm.set_expiry("b", 20)
    assert [warm.count(now) for now in (0, 9.9, 10, 19.9, 20)] == [2, 2, 1, 1, 0]


def test_touching_again_moves_the_expiry_both_ways():
    warm = ExpiringSet()
    warm.set_expiry("a", 10)
    warm.set_expiry("a", 30)
    assert warm.count(20) == 1
    warm.set_expiry("a", 25)
    assert (warm.count(24), warm.count(25)) == (1, 0)


def test_an_expiry_that_moves_back_need_not_be_set_again():
    expiries = {"a": 10.0, "b": 20.0}
    warm = ExpiringSet(lambda key, now: expiries[key])
    for key, expiry in expiries.items():
        warm.set_expiry(key, expiry)
    expiries["a"] = 30.0
    assert (warm.expire(10.0), warm.count(19.0)) == ([], 2)
    expiries["a"] = 25.0  # forward: that has to be set
    warm.set_expiry("a", 25.0)
    assert (warm.expire(20.0), warm.expire(24.0), warm.expire(25.0)) == (["b"], [], ["a"])


def test_a_discarded_key_is_gone_and_may_come_back():
    warm = ExpiringSet()
    warm.set_expiry("a", 10)
    warm.discard("a")
    warm.discard("never there")
    assert warm.count(0) == 0
    warm.set_expiry("a", 5)
    assert (warm.count(4), warm.count(5)) == (1, 0)


def test_expire_returns_each_key_once():
    warm = ExpiringSet()
    for key, expiry in (("a", 10), ("b", 10), ("c", 20)):
        warm.set_expiry(key, expiry)
    warm.discard("b")
    assert warm.expire(10) == ["a"]
    assert warm.expire(10) == []
    assert warm.expire(NEVER) == ["c"]


def test_keys_that_wait_for_ever_and_return_do_not_pile_up():
    warm = ExpiringSet()
    for now in range(0, 500_000, 1000):
        for key in "abc":
            warm.set_expiry(key, now + 300)
            warm.set_expiry(key, NEVER)
        assert warm.count(now + 500) == 3  # the entry of the short expiry surfaces
        for key in "abc":
            warm.set_expiry(key, now + 900)
    assert len(warm._heap) <= 2 * 3 + 16
    assert (warm.count(now + 899), warm.count(now + 900)) == (3, 0)


def test_counts_equal_a_brute_force_count_on_a_random_walk():
    rng = random.Random(7)
    warm, expiries, now = ExpiringSet(), {}, 0.0
    for _ in range(5000):
        key = f"k{rng.randrange(30)}"
        what = rng.random()
        if what < 0.5:
            expiries[key] = rng.choice((now - 5, now + 10, now + 300, now + 3600, NEVER))
            warm.set_expiry(key, expiries[key])
        elif what < 0.6:
            expiries.pop(key, None)
            warm.discard(key)
        else:
            now += rng.choice((0, 1, 50, 500))
        expiries = {key: expiry for key, expiry in expiries.items() if expiry > now}
        assert warm.count(now) == len(expiries)


def test_it_knows_a_key_until_it_expires():
    warm = ExpiringSet()
    warm.set_expiry("s", 10.0)
    assert [warm.contains("s", at) for at in (9.0, 10.0)] == [True, False]
    assert not warm.contains("t", 9.0)
