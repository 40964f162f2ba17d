"""A small week that every test of the lab may run."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from teamclaude.lab.scene import Scene, Setting, made_up
from teamclaude.lab.traffic import synthetic_sessions


@cache
def small_scene(load: float = 1.2, seed: int = 1, **more: Any) -> Scene:
    setting = Setting(sizes=(1.0, 1.0), load=load, weeks=1, users=2, **more)
    return made_up(setting, synthetic_sessions(30, 7), seed)


@pytest.fixture(name="scene")
def scene_maker() -> Any:
    return small_scene
