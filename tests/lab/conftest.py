"""A small week that every test of the lab may run, and what came of it where only the score is looked at."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from teamclaude.lab.run import run_policy
from teamclaude.lab.scenario import Scenario, ScenarioSettings, synthetic_scenario
from teamclaude.lab.score import Score
from teamclaude.lab.traffic import synthetic_sessions

# A request that waits is tried again every 15 s: with the default hold of a day it takes three times as
# long to play such a week.
HOLD_SEC = 120.0


@cache
def small_scenario(load: float = 1.2, seed: int = 1, hold_sec: float = HOLD_SEC, **more: Any) -> Scenario:
    setting = ScenarioSettings(sizes=(1.0, 1.0), load=load, weeks=1, users=2, hold_sec=hold_sec, **more)
    return synthetic_scenario(setting, synthetic_sessions(30, 7), seed)


@cache
def score_of(policy: str, load: float = 1.2, **more: Any) -> Score:
    return run_policy(small_scenario(load, **more), policy)


@pytest.fixture(name="scenario")
def scenario_maker() -> Any:
    return small_scenario


@pytest.fixture(name="played")
def score_maker() -> Any:
    """Play a policy in a small week, once for all tests that ask for it."""
    return score_of
