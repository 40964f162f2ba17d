"""The weight that a balancer is told."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.proxy.balancer.agent_line import READY_SEC, agent_line
from teamclaude.proxy.lifecycle.ending import ANNOUNCED, DRAINING, SERVING
from teamclaude.routing.pool.capacity import capacity_of
from teamclaude.routing.quota.rules import Rules
from teamclaude.values import replace

EMPTY = capacity_of([], [], Rules(), 0.0)


def line(headroom: Optional[int], phase: str = SERVING, up_sec: float = READY_SEC) -> str:
    return agent_line(replace(EMPTY, headroom=headroom), phase, up_sec)


@pytest.mark.parametrize(
    ("headroom", "expected"),
    [(0, "up 1%"), (None, "up 1%"), (1, "up 10%"), (4, "up 40%"), (10, "up 100%"), (500, "up 100%")],
)
def test_the_weight_is_the_room_and_never_nothing(headroom: Optional[int], expected: str) -> None:
    assert line(headroom) == expected


def test_a_pool_without_an_account_that_is_usable_still_takes_part() -> None:
    assert EMPTY.verdict == "red"
    assert agent_line(EMPTY, SERVING, READY_SEC) == "up 1%"


@pytest.mark.parametrize("phase", [ANNOUNCED, DRAINING])
@pytest.mark.parametrize("up_sec", [0.0, READY_SEC])
def test_an_end_is_told_from_its_announcement_on(phase: str, up_sec: float) -> None:
    assert line(9, phase, up_sec) == "drain"


def test_a_drain_is_ended_at_the_start_and_not_later() -> None:
    assert line(4, up_sec=0.0) == line(4, up_sec=READY_SEC - 1) == "up ready 40%"
    assert line(4, up_sec=READY_SEC) == "up 40%"
