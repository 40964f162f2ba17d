"""Will it last?  Chances between the quantiles, and times as people write them."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.errors import UsageError
from teamclaude.forecast.lasting import lasting, parse_span
from teamclaude.forecast.views import chance_before, forecast_view, thinned
from teamclaude.outlook_views import BandPoint, ForecastView

NOW, HOUR = 1000.0, 3600.0
SOON = ForecastView(NOW + HOUR, NOW + 2 * HOUR, NOW + 4 * HOUR, NOW + 10 * HOUR, 0.95)


@pytest.mark.parametrize(
    ("hours", "answer", "chance"),
    [(0.5, "yes", 0.95), (1.0, "yes", 0.9), (2.0, "maybe", 0.5), (3.0, "maybe", 0.3), (5.0, "no", 0.09)],
)
def test_the_answer_follows_the_chance(hours: float, answer: str, chance: float) -> None:
    found = lasting(SOON, "green", NOW, hours * HOUR)
    assert found.answer == answer
    assert found.chance == pytest.approx(chance, abs=0.01)
    assert (found.sec, found.dry_from, found.dry_until) == (hours * HOUR, SOON.p10, SOON.p90)


def test_a_red_pool_lasts_no_time_at_all() -> None:
    assert lasting(None, "red", NOW, HOUR).answer == "no"
    assert lasting(SOON, "red", NOW, HOUR).chance == 0.0


def test_what_can_not_be_told_is_said_so() -> None:
    assert lasting(None, "green", NOW, HOUR) == (HOUR, "unknown", None, None, None)


def test_a_small_chance_is_spread_over_the_time_until_the_end() -> None:
    view = ForecastView(until=NOW + 10 * HOUR, chance=0.08)
    assert chance_before(view, NOW + 5 * HOUR, NOW) == pytest.approx(0.04)
    assert chance_before(view, NOW + 20 * HOUR, NOW) == pytest.approx(0.08)
    assert chance_before(view, NOW - HOUR, NOW) == 0.0


def test_a_range_that_has_begun_already() -> None:
    over = ForecastView(NOW, NOW, NOW, NOW + HOUR, 1.0)
    assert chance_before(over, NOW + 60.0, NOW) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("3d", 259200), ("60s", 60)]
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h2", "2 h", "-1h", "4d", "59s", "2h3", "9999999h", "٢h"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is no time such as 2h"):
        parse_span(text)


@pytest.mark.parametrize(
    ("ends", "p10", "p50", "p90", "low", "high"),
    [
        ((None, None, None), None, None, None, 0.0, 0.1),
        ((None, None, 5.0), None, None, None, 0.1, 0.31),
        ((9.0, 6.0, 3.0), 2.9, 6.0, 9.1, 0.9, 1.0),
    ],
)
def test_quantiles_of_the_end(
    ends: tuple[Optional[float], ...],
    p10: Optional[float],
    p50: Optional[float],
    p90: Optional[float],
    low: float,
    high: float,
) -> None:
    view = forecast_view((0.1, 0.5, 0.9), ends, 10.0, ())
    assert low <= view.chance <= high
    found = [None if end is None else pytest.approx(end, abs=1.0) for end in (p10, p50, p90)]
    if ends[2] != 5.0:
        assert [view.p10, view.p50, view.p90] == found


def test_a_long_band_keeps_its_ends() -> None:
    band = [BandPoint(float(at)) for at in range(100)]
    found = thinned(band)
    assert (len(found), found[0].at, found[-1].at) == (8, 0.0, 99.0)
    assert thinned(band[:3]) == tuple(band[:3])
