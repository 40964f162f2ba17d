"""Readings in, ranges out; and what can't be told is left out."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.forecast.courses import rising
from teamclaude.forecast.forecaster import Forecaster
from teamclaude.forecast.readings import HOUR_SEC, PoolReading
from teamclaude.outlook_views import ForecastView
from teamclaude.snapshot import Window
from tests.forecast.support import MONDAY, account, watched, week_hour


def week_of(forecaster: Forecaster) -> ForecastView:
    return forecaster.forecast().accounts["a"]["7d"]


def test_a_steady_burn_ends_the_window_about_when_a_straight_line_says() -> None:
    # 4,000,000 tokens are left, 200,000 go each hour: 20 hours.
    forecaster, reading = watched(rate=200_000, hours=48, used=0.5, left_hours=60)
    view = week_of(forecaster)
    assert view.p10 is not None
    assert view.p50 is not None
    assert view.p90 is not None
    assert view.p10 < view.p50 < view.p90 < view.until == reading.at + 60 * HOUR_SEC
    assert view.p50 - reading.at == pytest.approx(20 * HOUR_SEC, rel=0.25)
    assert view.chance > 0.9


def test_a_window_that_is_reset_long_before_lasts() -> None:
    view = week_of(watched(rate=200_000, hours=48, used=0.5, left_hours=5)[0])
    assert (view.p10, view.p50, view.p90) == (None, None, None)
    assert view.chance < 0.1


def test_in_between_only_the_early_end_is_before_the_reset() -> None:
    view = week_of(watched(rate=200_000, hours=48, used=0.5, left_hours=19)[0])
    assert view.p10 is not None
    assert view.p90 is None
    assert 0.1 < view.chance < 0.9


def test_more_work_is_over_earlier() -> None:
    slow, fast = (week_of(watched(rate, 48, left_hours=100)[0]).p50 for rate in (100_000, 300_000))
    assert slow is not None
    assert fast is not None
    assert fast < slow


def test_the_band_goes_from_now_to_the_reset_and_never_falls() -> None:
    forecaster, reading = watched(rate=200_000, hours=48, used=0.5, left_hours=30)
    band = week_of(forecaster).band
    assert len(band) <= 8
    assert (band[0].at, band[-1].at) == (reading.at, reading.at + 30 * HOUR_SEC)
    for earlier, later in zip(band, band[1:]):
        assert earlier.at < later.at
        assert earlier.p50 <= later.p50
    assert all(0.0 <= point.p10 <= point.p50 <= point.p90 <= 1.0 for point in band)
    assert band[0].p50 == pytest.approx(0.5, abs=0.01)


def test_shares_begin_below_the_top_and_never_fall() -> None:
    assert rising([-0.1, 0.3, 0.2, 0.5], 0.9) == [0.0, 0.3, 0.3, 0.5]
    assert rising([1.02, 0.9, 1.1], 0.99) == [0.99, 0.99, 1.1]


@pytest.mark.parametrize("used", [0.97, 1.02])
def test_a_window_that_refuses_is_used_up_now(used: float) -> None:
    forecaster, reading = watched(rate=200_000, hours=48)
    full = Window(used, reading.at + HOUR_SEC, "rejected", reading.at)
    forecaster.observe(reading._replace(at=reading.at + 60.0, accounts=(account(windows={"7d": full}),)))
    view = week_of(forecaster)
    assert (view.p10, view.p90) == (reading.at + 60.0, reading.at + 60.0)
    assert view.chance > 0.99
    assert all(point.p10 == point.p90 == 1.0 for point in view.band)


# --- what can't be told -----------------------------------------------------------------------------


def forecast_with(**changes: Any) -> Any:
    """Return the forecast after two days of work, with one account changed."""
    forecaster, reading = watched(rate=200_000, hours=48)
    forecaster.observe(reading._replace(accounts=(reading.accounts[0]._replace(**changes),)))
    return forecaster.forecast()


def test_the_pool_has_one_too() -> None:
    found = forecast_with()
    assert found.pool is not None
    assert found.pool.p50 is not None


def test_nothing_is_told_without_work_or_too_early() -> None:
    forecaster = Forecaster(week_hour)
    assert forecaster.forecast() == ({}, None)
    forecaster.observe(PoolReading(MONDAY, (account(),)))
    assert forecaster.forecast() == ({}, None)
    assert watched(rate=200_000, hours=1)[0].forecast() == ({}, None)
    assert watched(rate=0, hours=48)[0].forecast() == ({}, None)


@pytest.mark.parametrize(
    "window",
    [
        Window(None, MONDAY + 72 * HOUR_SEC, "allowed"),
        Window(0.5, None, "allowed"),
        Window(0.5, MONDAY + 47 * HOUR_SEC, "allowed"),  # its reset has passed
        Window(0.5, MONDAY + 5000 * HOUR_SEC, "allowed"),
    ],
)
def test_a_window_without_a_share_or_a_sensible_reset_has_none(window: Window) -> None:
    assert forecast_with(windows={"7d": window}).accounts == {}


def test_an_account_of_unknown_size_has_none() -> None:
    assert forecast_with(size_5h=None, size_7d=None) == ({}, None)


@pytest.mark.parametrize("change", [{"is_pooled": False}, {"is_metered": False}])
def test_an_account_that_serves_nothing_or_has_no_such_windows_has_none(change: dict[str, bool]) -> None:
    assert forecast_with(**change) == ({}, None)


def test_a_pool_with_an_unlimited_account_never_runs_dry() -> None:
    forecaster, reading = watched(rate=200_000, hours=48)
    key = account("key", is_metered=False, size_5h=None, size_7d=None)
    forecaster.observe(reading._replace(accounts=(*reading.accounts, key)))
    found = forecaster.forecast()
    assert "a" in found.accounts
    assert found.pool is None


def test_a_bench_without_end_in_sight_keeps_an_account_from_serving() -> None:
    forecaster, reading = watched(rate=200_000, hours=48, used=0.8)
    idle = account("b", windows={}, back_at=reading.at + 1000 * HOUR_SEC)
    forecaster.observe(reading._replace(accounts=(*reading.accounts, idle)))
    benched = forecaster.forecast().pool
    forecaster.observe(reading._replace(accounts=(*reading.accounts, idle._replace(back_at=None))))
    free = forecaster.forecast().pool
    assert benched is not None
    assert free is not None
    assert benched.chance > free.chance


def test_a_clock_that_is_set_back_is_survived() -> None:
    forecaster, reading = watched(rate=200_000, hours=48)
    forecaster.observe(reading._replace(at=reading.at - 10 * HOUR_SEC))
    assert week_of(forecaster).until == reading.at + 24 * HOUR_SEC
