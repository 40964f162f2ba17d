"""Quantiles of a course of events as what a reader sees: `ForecastView`, and what follows from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..outlook_views import BandPoint, ForecastView
from ..snapshot import AccountView, Snapshot
from ..values import NamedTuple, replace

__all__ = ["PoolForecast", "chance_before", "forecast_view", "thinned", "with_forecast"]

MAX_BAND_POINTS = 8


class PoolForecast(NamedTuple):
    """What is expected, as far as it can be told."""

    accounts: Mapping[str, Mapping[str, ForecastView]] = {}  # by name and axis
    pool: Optional[ForecastView] = None


def with_forecast(snapshot: Snapshot, forecast: PoolForecast) -> Snapshot:
    """Return the snapshot with the forecast, without what is over at its time."""
    now, pool = snapshot.at, forecast.pool
    return replace(
        snapshot,
        accounts=tuple(_with_windows(account, forecast, now) for account in snapshot.accounts),
        forecast=pool if pool is not None and pool.until > now else None,
    )


def _with_windows(account: AccountView, forecast: PoolForecast, now: float) -> AccountView:
    views = {
        axis: view
        for axis, view in forecast.accounts.get(account.name, {}).items()
        if view.until > now and axis in account.quota.axes
    }
    return replace(account, forecast=views) if views else account


def forecast_view(
    levels: Sequence[float], ends: Sequence[Optional[float]], until: float, band: Sequence[BandPoint]
) -> ForecastView:
    """Return the view.

    `ends[i]` is when it is used up in the case that is worse than a share `levels[i]` of all, ascending; None
    when it is not used up before `until`.
    """
    chance = _chance(levels, ends)
    return ForecastView(
        p10=_quantile(levels, ends, 0.1, chance, until),
        p50=_quantile(levels, ends, 0.5, chance, until),
        p90=_quantile(levels, ends, 0.9, chance, until),
        until=until,
        chance=chance,
        band=thinned(band),
    )


def _chance(levels: Sequence[float], ends: Sequence[Optional[float]]) -> float:
    """Return the share of the cases in which it is used up: between the last that is not and the first."""
    first = next((place for place, end in enumerate(ends) if end is not None), None)
    if first is None:
        return (1.0 - levels[-1]) / 2
    below = levels[first - 1] if first else 0.0
    return 1.0 - (below + levels[first]) / 2


def _quantile(
    levels: Sequence[float], ends: Sequence[Optional[float]], part: float, chance: float, until: float
) -> Optional[float]:
    """Return when it is used up in a share `part` of all cases, the earliest ones."""
    if part > chance:
        return None
    points = [(1.0 - chance, until)]
    points += [(level, end) for level, end in zip(levels, ends) if end is not None and level > 1.0 - chance]
    level = 1.0 - part
    for (low, late), (high, early) in zip(points, points[1:]):
        if low <= level <= high:
            return late + (early - late) * (level - low) / (high - low)
    return points[-1][1]


def chance_before(view: ForecastView, at: float, now: float) -> float:
    """Return the chance that it is used up before `at`, by straight lines between the known quantiles."""
    points = [(now, 0.0)]
    points += [
        (end, part)
        for end, part in ((view.p10, 0.1), (view.p50, 0.5), (view.p90, 0.9))
        if end is not None and end >= points[-1][0]
    ]
    if view.until > points[-1][0]:
        points.append((view.until, max(view.chance, points[-1][1])))
    for (early, low), (late, high) in zip(points, points[1:]):
        if early <= at <= late:
            return low + (high - low) * (at - early) / (late - early) if late > early else high
    return points[-1][1] if at >= points[-1][0] else 0.0


def thinned(band: Sequence[BandPoint], most: int = MAX_BAND_POINTS) -> tuple[BandPoint, ...]:
    """Return the first, the last, and points evenly between them in number."""
    if len(band) <= most:
        return tuple(band)
    step = (len(band) - 1) / (most - 1)
    return tuple(band[round(place * step)] for place in range(most))
