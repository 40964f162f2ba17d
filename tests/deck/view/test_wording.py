"""Short texts that several sections share: the forecast."""

from __future__ import annotations

from datetime import datetime
from typing import Optional

import pytest

from teamclaude.deck.view.wording import forecast_text
from teamclaude.outlook_views import ForecastView


def at(day: int, hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, day, hour, minute).timestamp()  # 23 November 2026 is a Monday


NOW = at(24, 14)


def view(p10: Optional[float], p90: Optional[float], chance: float = 1.0) -> ForecastView:
    return ForecastView(p10, p10, p90, at(29, 9), chance)


@pytest.mark.parametrize(
    ("p10", "p90", "text"),
    [
        (at(24, 15, 10), at(24, 16, 40), "dry 15:10-16:40"),
        (at(24, 23, 10), at(25, 9), "dry 23:10-Wed 09:00"),
        (at(25, 9), at(25, 11), "dry Wed 09:00-11:00"),
        (at(24, 15, 10), at(24, 15, 10), "dry 15:10"),
        (NOW - 60, NOW - 60, "dry"),
        (None, None, "lasts until reset"),
        (1e300, 2e300, "dry —"),
    ],
)
def test_a_range_is_times_of_the_clock(p10: Optional[float], p90: Optional[float], text: str) -> None:
    assert forecast_text(view(p10, p90), NOW) == text


def test_a_range_that_ends_after_the_reset_says_how_likely_it_is() -> None:
    assert forecast_text(view(at(25, 15, 10), None, 0.384), NOW) == "38% dry from Wed 15:10"


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert forecast_text(None, NOW) == ""
    assert forecast_text(view(None, None), NOW, lasts="lasts the week") == "lasts the week"
