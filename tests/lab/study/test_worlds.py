"""The worlds of the table."""

from __future__ import annotations

import pytest

from teamclaude.lab.scenario import synthetic_scenario
from teamclaude.lab.study.worlds import HALVES, WORLDS, half_of
from teamclaude.lab.traffic import synthetic_sessions


@pytest.mark.parametrize("name", WORLDS)
def test_each_world_has_a_scenario_of_its_own_and_enough_quota_for_its_load(name):
    world = WORLDS[name]
    settings = world.settings
    small = synthetic_scenario(
        settings.__class__(**{**settings.__dict__, "weeks": 1, "agents": settings.agents and 2}),
        [each._replace(requests=each.requests[:10]) for each in synthetic_sessions(10, 3)],
        1,
    )
    ours = sum(setup.week for setup in small.setups) * (1.0 - settings.other_use)
    assert ours == pytest.approx(small.demand.wanted_before(small.end))
    assert len(small.setups) == len(settings.sizes)
    assert bool(small.other_use) == (name == "others-too")


def test_the_worlds_differ_and_say_how():
    assert len({world.settings for world in WORLDS.values()}) == len(WORLDS)
    assert len({world.about for world in WORLDS.values()}) == len(WORLDS)
    assert WORLDS["opus-third"].settings.opus_window == pytest.approx(1 / 3)
    assert tuple(WORLDS["weights-x3"].settings.weights) == pytest.approx((15.0, 0.06))
    assert [len(WORLDS[f"agents-{count}"].settings.sizes) for count in (2, 4, 8)] == [2, 4, 8]


def test_no_session_is_in_both_halves():
    sessions = synthetic_sessions(7, 1)
    seen, unseen, everything = (half_of(sessions, half) for half in HALVES)
    assert not set(seen) & set(unseen)
    assert len(seen) + len(unseen) == len(everything) == 7
