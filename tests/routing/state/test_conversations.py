from __future__ import annotations

import pytest

from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.conversations import Binding

RULES = Rules()


def binding(**fields):
    return Binding("s/x", "s", "x", "s", "a", bound_at=1.0, first_seen=0.0, last_used=1000.0, **fields)


@pytest.mark.parametrize(("life", "warm_for"), [(300.0, 300), (3600.0, 3600), (60.0, 300)])
def test_warm_is_within_the_life_of_its_cache(life, warm_for):
    one = binding(cache_life=life)
    assert one.is_warm(RULES, 1000 + warm_for - 1)
    assert not one.is_warm(RULES, 1000 + warm_for)


@pytest.mark.parametrize(("life", "kept_for"), [(300.0, 1800), (3600.0, 7200), (1000.0, 2000)])
def test_forgotten_after_half_an_hour_or_twice_its_cache_life(life, kept_for):
    one = binding(cache_life=life)
    assert not one.is_evicted(RULES, 1000 + kept_for - 1)
    assert one.is_evicted(RULES, 1000 + kept_for)


def test_a_request_in_flight_keeps_it_warm_and_remembered():
    one = binding(inflight=1)
    assert one.is_warm(RULES, 1e9)
    assert not one.is_evicted(RULES, 1e9)


def test_what_is_stored_comes_back():
    one = binding(
        cache_life=3600.0,
        reason="new session",
        requests=3,
        usage=Usage(1, 2, 3, 4, 5),
        cost=0.5,
        unpriced_tokens=6,
        cost_estimated=True,
        model="claude-opus-4-8",
        prefix=7,
        moves=8,
        paced_at=900.0,
    )
    again = Binding.from_json(LenientObject(Binding.to_json(one.copy_fields(), 2000.0), "x", []))
    assert again.__dict__ == one.__dict__
    assert {"boundAt", "lastUsed", "cacheLife", "unpricedTokens"} <= set(
        Binding.to_json(one.copy_fields(), 2000.0)
    )


def test_what_was_in_flight_is_stored_as_used_now():
    stored = Binding.to_json(binding(inflight=2).copy_fields(), 2000.0)
    assert stored["lastUsed"] == 2000.0
    assert Binding.from_json(LenientObject(stored, "x", [])).inflight == 0


def test_no_cache_lives_longer_than_an_hour():
    stored = {**Binding.to_json(binding().copy_fields(), 0.0), "cacheLife": 1e12}
    assert Binding.from_json(LenientObject(stored, "x", [])).cache_life == 3600.0


def test_a_clock_set_back_takes_nothing_but_the_future():
    one = binding(paced_at=990.0)
    one.clock_moved_back(995.0)
    assert (one.last_used, one.paced_at, one.bound_at) == (995.0, 990.0, 1.0)
    one.clock_moved_back(500.0)
    assert (one.last_used, one.paced_at) == (500.0, 500.0)
