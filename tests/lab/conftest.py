"""A small week that every test of the lab may run."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from teamclaude.lab.scenario import Scenario, ScenarioSettings, synthetic_scenario
from teamclaude.lab.traffic import synthetic_sessions


@cache
def small_scenario(load: float = 1.2, seed: int = 1, **more: Any) -> Scenario:
    setting = ScenarioSettings(sizes=(1.0, 1.0), load=load, weeks=1, users=2, **more)
    return synthetic_scenario(setting, synthetic_sessions(30, 7), seed)


@pytest.fixture(name="scenario")
def scenario_maker() -> Any:
    return small_scenario
