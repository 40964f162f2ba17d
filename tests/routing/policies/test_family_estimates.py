from __future__ import annotations

import pytest

from teamclaude.routing.policies.family_estimates import ACTIVE_SEC, MAX_FAMILIES, FamilyEstimates
from teamclaude.routing.quota.learned_caps import ScopedCap
from teamclaude.routing.quota.lenient_json import LenientObject

OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-6"
AXIS = "7d_opus"


@pytest.fixture(name="pool")
def small_pool(make_pool):
    return make_pool("a", "b")


def test_the_demand_of_an_axis_is_that_of_its_models(pool):
    families = FamilyEstimates()
    assert families.demand_share(pool["a"], AXIS) == 1.0  # nothing is known
    families.record_response(pool["a"], None, OPUS, 100, pool.now)
    families.record_response(pool["b"], None, SONNET, 300, pool.now)
    assert families.demand_share(pool["a"], AXIS) == 0.25
    assert families.demand_share(pool["a"], "7d_haiku") > 0.0


def test_active_conversations_of_an_axis(pool):
    families = FamilyEstimates()
    families.record_response(pool["a"], "s", OPUS, 100, pool.now)
    families.record_response(pool["a"], "t", SONNET, 100, pool.now)
    assert families.active_count(pool["a"], AXIS, pool.now) == 1
    assert families.active_count(pool["b"], AXIS, pool.now) == 0
    assert families.active_count(pool["a"], AXIS, pool.now + ACTIVE_SEC) == 0


def test_an_unknown_size_is_like_the_others_against_the_week(pool):
    families = FamilyEstimates()
    families.record_response(pool["a"], "s", OPUS, 100, pool.now)
    assert families.window_size(pool["a"], AXIS, None) is None
    assert families.window_size(pool["a"], AXIS, 900.0) == 900.0
    pool["b"].scoped_caps[AXIS] = ScopedCap(size=200.0)
    pool["b"].cap_7d.size = 600.0
    families.advance(pool.fleet.accounts.values(), 20.0)
    assert families.window_size(pool["a"], AXIS, 900.0) == pytest.approx(300.0)
    assert families.window_size(pool["b"], AXIS, 600.0) == 200.0


def test_what_was_burned_fades_and_survives_a_restart(pool):
    families = FamilyEstimates()
    families.record_response(pool["a"], "s", OPUS, 100, pool.now)
    families.advance(pool.fleet.accounts.values(), 60.0)
    assert 99.0 < families.tokens["opus"] < 100.0
    again = FamilyEstimates()
    again.restore(LenientObject(families.to_json(), "families", []))
    assert again.tokens == families.tokens


def test_clients_that_name_any_model_fill_no_memory(pool):
    families = FamilyEstimates()
    families.record_response(pool["a"], "s", OPUS, 100, pool.now)
    for number in range(100):
        families.record_response(pool["a"], "s", f"gpt-{number}", 1, pool.now)
    assert len(families.tokens) == MAX_FAMILIES
    assert "opus" in families.tokens
