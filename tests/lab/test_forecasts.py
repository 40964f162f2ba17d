"""The lab's test of forecasts: its own arithmetic, and a small world from end to end."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.lab.forecasts.play import ForecastWorld, play_world, unseen_half
from teamclaude.lab.forecasts.score import ForecastScore, ends_lines, shares_lines, straight_lines
from teamclaude.lab.traffic import synthetic_sessions
from teamclaude.outlook_views import ForecastView
from teamclaude.snapshot import Window

HOUR = 3600.0
VIEW = ForecastView(10.0, 20.0, 30.0, 100.0, 0.95)


def test_the_straight_lines_go_on_as_before() -> None:
    # Half used after two of five hours, of that a tenth in the last one.
    lines = straight_lines(Window(0.5, 3 * HOUR), 0.0, 5 * HOUR, 0.4, 1.0)
    assert lines == pytest.approx((0.75, 0.6))
    assert straight_lines(Window(0.9, 1 * HOUR), 0.0, 5 * HOUR, 0.5, 3.0) == (1.0, 1.0)


def test_errors_and_ranges_of_shares_are_means() -> None:
    score = ForecastScore()
    for share in (0.3, 0.5, 0.5, 0.9):
        score.add_share("7d", 3.0, share, (0.4, 0.5, 0.6), (0.5, 0.7))
    assert score.mean("7d", 3.0) == pytest.approx((4, 0.25, 0.25, 0.15, 0.15, 0.25))
    assert score.mean("5h", 3.0) is None
    lines = shares_lines([("x", score)])
    assert [line.split() for line in lines if line.startswith("x")] == [
        ["x", "-", "-"],
        ["x", "-", "15.0/15.0/25.0", "(50)", "-"],
    ]


@pytest.mark.parametrize(
    ("ended_at", "early", "late"),
    [(5.0, 1.0, 0.0), (15.0, 0.0, 0.0), (30.0, 0.0, 0.0), (40.0, 0.0, 1.0), (None, 0.0, 1.0)],
)
def test_an_end_is_early_late_or_within_its_range(
    ended_at: Optional[float], early: float, late: float
) -> None:
    score = ForecastScore()
    score.add_end("7d", VIEW, ended_at)
    assert score.mean("7d", 0.0) == pytest.approx(
        (1, early, late, 0.95, float(ended_at is not None), 0.9025 if ended_at is None else 0.0025)
    )


def test_what_lasted_counts_in_parts() -> None:
    """A forecast without any chance is right in 80 of 100 cases, as each other one should be."""
    sure, open_ = ForecastScore(), ForecastScore()
    sure.add_end("pool", ForecastView(until=100.0, chance=0.0), None)
    open_.add_end("pool", ForecastView(10.0, None, None, 100.0, 0.4), None)
    assert sure.mean("pool", 0.0) == pytest.approx((1, 0.1, 0.1, 0.0, 0.0, 0.0))
    assert open_.mean("pool", 0.0) == pytest.approx((1, 0.0, 1 / 6, 0.4, 0.0, 0.16))
    assert ends_lines([("x", sure)])[-1].split() == ["x", "-", "-", "80,", "0/0", "1"]


def test_scores_add_up() -> None:
    one, two = ForecastScore(), ForecastScore()
    one.add_end("7d", VIEW, 15.0)
    two.add_end("7d", VIEW, 40.0)
    two.add_share("7d", 1.0, 0.5, (0.4, 0.5, 0.6), (0.5, 0.5))
    both = one.plus(two)
    assert both.mean("7d", 0.0) == pytest.approx((2, 0.0, 0.5, 0.95, 1.0, 0.0025))
    assert both.as_json()["7d 1h"] == {
        "count": 1,
        "below": 0.0,
        "above": 0.0,
        "error": 0.0,
        "lineError": 0.0,
        "hourError": 0.0,
    }
    assert one.plus(two).sums == two.plus(one).sums


def test_every_second_session_is_unseen() -> None:
    sessions = synthetic_sessions(5, 1)
    assert list(unseen_half(sessions)) == [sessions[1], sessions[3]]


def test_a_world_is_named_by_who_works_in_it() -> None:
    assert ForecastWorld(2, None, 1, 1.2).name == "2 people"
    assert ForecastWorld(1, 30, 4, 0.6).name == "1 person x 30"


def test_a_small_world_gives_the_same_numbers_each_time() -> None:
    world = ForecastWorld(users=1, agents=None, accounts=1, load=3.0, weeks=1)
    one, two = (play_world(world, synthetic_sessions(30, 7), 2, 42 * HOUR) for _ in range(2))
    assert one.sums == two.sums
    shares, ends = one.mean("7d", 3.0), one.mean("pool", 0.0)
    assert shares is not None
    assert ends is not None
    count, below, above, error, line, recent = shares
    assert count > 5
    assert below + above < 0.5
    assert error < min(0.05, line, recent)
    assert ends[4] == 1.0  # more work than the account has: it came every time
    assert ends[3] > 0.5  # the chance that was given
