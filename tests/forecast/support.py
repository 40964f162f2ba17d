"""A pool that is described in a few words, and watched for days in no time."""

from __future__ import annotations

import copy
from functools import cache
from typing import Optional

from teamclaude.forecast.forecaster import Forecaster
from teamclaude.forecast.readings import HOUR_SEC, WEEK_SEC, AccountReading, PoolReading
from teamclaude.snapshot import Window

STEP = 300.0
MONDAY = 1_000 * WEEK_SEC  # of a week that begins with the epoch


def week_hour(at: float) -> int:
    return int(at // HOUR_SEC) % 168


def account(name: str = "a", burned: float = 0.0, **changes: object) -> AccountReading:
    reading = AccountReading(name, {}, int(burned), 1_000_000.0, 8_000_000.0)
    return reading._replace(**changes)  # type: ignore[arg-type]


def watched(
    rate: float,
    hours: float,
    used: float = 0.5,
    left_hours: float = 24.0,
    active: int = 2,
    forecaster: Optional[Forecaster] = None,
) -> tuple[Forecaster, PoolReading]:
    """Return a forecaster that saw one account burn `rate` tokens an hour, and the last reading.

    Its week is used to `used` then and is reset in `left_hours`; its 5h window is not open.
    """
    if forecaster is None:
        return copy.deepcopy(_watched_anew(rate, hours, used, left_hours, active))
    return _watch(forecaster, rate, hours, used, left_hours, active)


@cache
def _watched_anew(
    rate: float, hours: float, used: float, left_hours: float, active: int
) -> tuple[Forecaster, PoolReading]:
    return _watch(Forecaster(week_hour), rate, hours, used, left_hours, active)


def _watch(
    forecaster: Forecaster, rate: float, hours: float, used: float, left_hours: float, active: int
) -> tuple[Forecaster, PoolReading]:
    end = MONDAY + hours * HOUR_SEC
    window = Window(used, end + left_hours * HOUR_SEC, "allowed", end)
    reading = PoolReading(end)
    for step in range(int(hours * HOUR_SEC / STEP) + 1):
        burned = rate * step * STEP / HOUR_SEC
        reading = PoolReading(MONDAY + step * STEP, (account(burned=burned, windows={"7d": window}),), active)
        forecaster.observe(reading)
    return forecaster, reading
