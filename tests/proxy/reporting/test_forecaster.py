"""When the forecast is made anew in the server, and from what."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from teamclaude.forecast.views import PoolForecast, with_forecast
from teamclaude.outlook_views import ForecastView
from teamclaude.proxy.reporting.forecaster import FORECAST_SEC, ForecastObserver, local_week_hour
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.view import burned_by_hour
from teamclaude.snapshot import AccountUsage, AccountView, QuotaView, Snapshot, UsageView, Window
from tests.routing.conftest import Pool

NOW = 1_800_000_000.0
PAST = [(NOW - 3600.0 * hour, 100_000.0) for hour in range(100, 0, -1)]
MOODS = ("quiet", "busy")


class Server:
    """A fleet with one account that burns 100,000 tokens an hour."""

    def __init__(self, past: Any = (), saved: Any = None) -> None:
        self.now = NOW
        self.looks = 0
        self.published: list[PoolForecast] = []
        self.observer = ForecastObserver(
            self.look, lambda now: past, self.published.append, lambda at: 0, saved
        )

    def look(self) -> Snapshot:
        self.looks += 1
        burned = int((self.now - NOW) / 36) * 1000
        window = Window(0.5, NOW + 90_000.0, "allowed", self.now)
        account = AccountView(
            "alice",
            status="active",
            cap_est_5h=1_000_000.0,
            cap_est_7d=8_000_000.0,
            quota=QuotaView(axes={"7d": window}),
            usage=AccountUsage(1, UsageView(burned, 0, 9_999_999, 0)),
        )
        return Snapshot(at=self.now, accounts=(account,))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.observer.tick(self.now)


def test_a_forecast_is_made_at_once_and_then_every_half_minute() -> None:
    server = Server()
    for seconds in (0.0, 2.0, FORECAST_SEC - 3.0):
        server.tick(seconds)
    assert (server.looks, len(server.published)) == (1, 1)
    server.tick(1.0)
    assert (server.looks, len(server.published)) == (2, 2)


def test_a_clock_that_was_set_back_is_no_reason_to_stop() -> None:
    server = Server()
    server.tick(0.0)
    server.tick(-7200.0)
    assert server.looks == 2


def test_with_a_past_the_first_work_gives_a_forecast() -> None:
    server, fresh = Server(PAST), Server()
    for _ in range(4):
        server.tick(60.0)
        fresh.tick(60.0)
    assert fresh.published[-1].accounts == {}
    assert server.published[-1].accounts["alice"]["7d"].until == NOW + 90_000.0


@pytest.mark.parametrize("saved", [None, 7, [], {"demand": [], "ranges": 1}, {"ranges": {"x": 1}}])
def test_whatever_was_saved_forecasts_begin(saved: Any) -> None:
    server = Server(PAST, saved)
    server.tick(0.0)
    assert server.published[-1].accounts["alice"]["7d"].until == NOW + 90_000.0


def test_what_was_learned_is_there_to_be_saved_and_widens_ranges_after_a_restart() -> None:
    server = Server(PAST)
    assert Server(PAST).observer.saved is None
    server.tick(0.0)
    assert set(server.observer.saved) == {"demand", "ranges"}
    wide = {"ranges": {f"7d in {hours}h, {when}": [1.0, 1.0] for hours in (1, 3, 24) for when in MOODS}}
    kept = Server(PAST, wide)
    assert kept.observer.saved == wide  # until there is something newer
    kept.tick(0.0)
    assert kept.observer.saved["ranges"] == wide["ranges"]
    first, again = (each.published[-1].accounts["alice"]["7d"].band[3] for each in (server, kept))
    assert (first.p90 - first.p10) * 1.5 < again.p90 - again.p10


def test_the_past_is_what_the_accounts_burned_by_the_hour() -> None:
    pool = Pool(AccountSpec("u1", "alice"))
    for after, tokens in ((0.0, 5), (1800.0, 7), (3 * 3600.0, 11)):
        pool["u1"].burn.add(tokens, 1_000_800.0 + after)
    assert burned_by_hour(pool.fleet, 1_000_800.0 + 5 * 3600.0) == [
        (1_000_800.0, 12.0),
        (1_004_400.0, 0.0),
        (1_008_000.0, 0.0),
        (1_011_600.0, 11.0),
        (1_015_200.0, 0.0),
    ]
    assert burned_by_hour(Pool(AccountSpec("u1", "alice")).fleet, 1_000_000.0) == []


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone can't be set on this system")
def test_the_hour_of_the_week_is_that_of_the_local_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        # 8:00 UTC on Monday, 12 January and 20 July 2026.
        assert (local_week_hour(1_768_204_800.0), local_week_hour(1_784_534_400.0)) == (9, 10)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_over_is_not_shown() -> None:
    now = 1000.0
    window = Window(0.5, 2000.0)
    account = AccountView("alice", quota=QuotaView(axes={"5h": window, "7d": window}))
    snapshot = Snapshot(at=now, accounts=(account, AccountView("bob")))
    over, valid = ForecastView(until=now), ForecastView(until=2000.0, chance=0.2)
    shown = with_forecast(
        snapshot,
        PoolForecast({"alice": {"5h": over, "7d": valid, "7d_opus": valid}, "gone": {"5h": valid}}, valid),
    )
    assert [each.forecast for each in shown.accounts] == [{"7d": valid}, {}]
    assert shown.forecast == valid
    assert with_forecast(snapshot, PoolForecast(pool=over)).forecast is None
