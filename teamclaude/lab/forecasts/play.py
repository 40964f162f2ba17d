"""Test the forecast on weeks of a team's traffic: what it said, against what became of it.

The forecast sees what the server would: the fleet's snapshot every ten minutes, its numbers rounded as the
API's headers are.  What became of it is taken from the API's own windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Optional

from ...forecast.forecaster import Forecaster
from ...forecast.readings import FIVE_HOURS_SEC, HOUR_SEC, WEEK_SEC, PoolReading, reading_of
from ...forecast.views import PoolForecast
from ...outlook_views import ForecastView
from ...routing.view import snapshot_of
from ...values import NamedTuple
from ..run import PolicyRun
from ..scenario import ScenarioSettings, synthetic_scenario
from ..study.worlds import half_of
from ..traffic import SessionTrace
from .score import ForecastScore, straight_lines

__all__ = ["ForecastWorld", "play_world", "unseen_half"]

STEP_SEC = 600.0
LOOKS = 3  # for a pool that is closed, in each step
ORIGIN_SEC = 7200.0  # between two forecasts
BEGIN_SEC = 86400.0  # of the first one
HOLD_SEC = 1800.0  # the constants of the forecast were chosen with clients that wait so long
HORIZONS = (1.0, 3.0, 24.0)  # hours


class ForecastWorld(NamedTuple):
    """A team, its accounts and its demand."""

    users: int
    agents: Optional[int]
    accounts: int
    load: float
    policy: str = "price"
    weeks: int = 2

    @property
    def name(self) -> str:
        """Its name in the table."""
        team = f"{self.users} people" if self.users > 1 else "1 person"
        return team if self.agents is None else f"{team} x {self.agents}"


class _Truth(NamedTuple):
    """The API's windows at one instant: (account, axis) -> used share, reset, whether it refuses."""

    at: float
    windows: Mapping[tuple[str, str], tuple[float, float, bool]]
    is_dry: bool  # no account was open at some time of the step before


class _Origin(NamedTuple):
    """A forecast with what it was made from."""

    reading: PoolReading
    forecast: PoolForecast
    shares: Mapping[tuple[str, str], Mapping[float, tuple[float, float, float]]]  # by hours: p10, p50, p90
    before: Mapping[tuple[str, str], float]  # used shares an hour before, of the same windows
    is_dry: bool


def unseen_half(sessions: Sequence[SessionTrace]) -> Sequence[SessionTrace]:
    """Return the sessions that the forecast's constants were not chosen with: every second one."""
    return half_of(sessions, "unseen")


def play_world(
    world: ForecastWorld,
    sessions: Sequence[SessionTrace],
    seed: int,
    until: float = math.inf,
) -> ForecastScore:
    """Play one world to its end, or `until` so many seconds, with forecasts on the way, and score them."""
    settings = ScenarioSettings(
        sizes=(1.0,) * world.accounts,
        load=world.load,
        weeks=world.weeks,
        users=world.users,
        agents=world.agents,
        hold_sec=HOLD_SEC,
    )
    scenario = synthetic_scenario(settings, sessions, seed)
    run, forecaster = PolicyRun(scenario, world.policy), Forecaster(_week_hour)
    truths: list[_Truth] = []
    origins: list[_Origin] = []
    readings: list[PoolReading] = []
    now = 0.0
    while now + STEP_SEC <= min(scenario.end, until):
        is_dry = False
        for look in range(1, LOOKS + 1):
            at = now + STEP_SEC * look / LOOKS
            run.advance(at)
            is_dry = is_dry or all(each.closed_until(at) > at for each in run.api_accounts.values())
        now += STEP_SEC
        truths.append(_truth(run, now, is_dry))
        readings.append(reading_of(snapshot_of(run.fleet, now)))
        forecaster.observe(readings[-1])
        if now >= BEGIN_SEC and now % ORIGIN_SEC == 0.0:
            origins.append(_origin(forecaster, readings, is_dry))
    score = ForecastScore()
    for origin in origins:
        _score(origin, truths, score)
    return score


def _week_hour(at: float) -> int:
    return int(at // HOUR_SEC) % 168


def _truth(run: PolicyRun, now: float, is_dry: bool) -> _Truth:
    windows = {
        (name, window.axis): (window.used / window.size, window.resets_at, window.is_full)
        for name, api_account in run.api_accounts.items()
        for window in api_account.windows
        if window.resets_at > now
    }
    return _Truth(now, windows, is_dry)


def _origin(forecaster: Forecaster, readings: Sequence[PoolReading], is_dry: bool) -> _Origin:
    reading, forecast = readings[-1], forecaster.forecast()
    ago = readings[-1 - int(HOUR_SEC / STEP_SEC)]
    before = {}
    for account, earlier in zip(reading.accounts, ago.accounts):
        for axis, window in account.windows.items():
            old = earlier.windows.get(axis)
            same = old is not None and abs((old.resets_at or 0.0) - (window.resets_at or 0.0)) < 5.0
            before[account.name, axis] = (old.utilization or 0.0) if same and old is not None else 0.0
    return _Origin(reading, forecast, forecaster.shares_ahead(HORIZONS), before, is_dry)


# --- what became of it --------------------------------------------------------------------------


def _score(origin: _Origin, truths: Sequence[_Truth], score: ForecastScore) -> None:
    now = origin.reading.at
    first = round(now / STEP_SEC)  # place of the step after
    for account in origin.reading.accounts:
        for axis, view in origin.forecast.accounts.get(account.name, {}).items():
            key, kind = (account.name, axis), "5h" if axis == "5h" else "7d"
            window = account.windows[axis]
            length = FIVE_HOURS_SEC if axis == "5h" else WEEK_SEC
            for hours, (p10, p50, p90) in origin.shares.get(key, {}).items():
                share = _share_at(truths, round((now + hours * HOUR_SEC) / STEP_SEC) - 1, key, view.until)
                if share is not None:
                    lines = straight_lines(window, now, length, origin.before[key], hours)
                    score.add_share(kind, hours, share, (p10, p50, p90), lines)
            used = truths[first - 1].windows.get(key)
            if used is not None and not used[2] and view.until <= truths[-1].at:
                score.add_end(kind, view, _used_up_at(truths[first:], key, view.until))
    pool = origin.forecast.pool
    if pool is not None and not origin.is_dry:
        _score_pool(pool, truths[first:], score)


def _share_at(
    truths: Sequence[_Truth], place: int, key: tuple[str, str], resets_at: float
) -> Optional[float]:
    if place >= len(truths) or truths[place].at >= resets_at:
        return None
    found = truths[place].windows.get(key)
    return None if found is None or abs(found[1] - resets_at) > 5.0 else min(1.0, found[0])


def _used_up_at(truths: Sequence[_Truth], key: tuple[str, str], resets_at: float) -> Optional[float]:
    for truth in truths:
        if truth.at >= resets_at:
            return None
        window = truth.windows.get(key)
        if window is not None and window[2]:
            return truth.at - STEP_SEC / 2
    return None


def _score_pool(view: ForecastView, truths: Sequence[_Truth], score: ForecastScore) -> None:
    for truth in truths:
        if truth.at >= view.until:
            score.add_end("pool", view, None)
            return
        if truth.is_dry:
            score.add_end("pool", view, truth.at - STEP_SEC / 2)
            return
