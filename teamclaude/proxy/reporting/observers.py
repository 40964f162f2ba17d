"""All observers of a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...routing.view import burned_by_hour, states_of
from .alerting import Alerting
from .forecaster import ForecastObserver
from .past_demand import past_demand
from .recent_trends import RecentTrends
from .reporter import Reporter

if TYPE_CHECKING:
    from ..runtime import Runtime

__all__ = ["add_history", "add_observers"]


def add_observers(
    reporter: Reporter, runtime: Runtime, alert_state: Path, warn: Callable[[str], None]
) -> tuple[ForecastObserver, Alerting]:
    """Give the reporter its observers but for the history; return those that end before the others."""

    def past(now: float) -> list[tuple[float, float]]:
        writer = runtime.live_history.writer
        week = runtime.router.read(burned_by_hour)
        return past_demand(None if writer is None else writer.reader, week, now)

    forecasting = ForecastObserver(
        lambda: runtime.router.snapshot({}),
        past,
        lambda forecast: setattr(runtime, "forecast", forecast),
    )
    alerting = Alerting(
        lambda: runtime.context.config, lambda: runtime.snapshot(requests=False), alert_state, warn
    )
    trends = RecentTrends(lambda: runtime.router.read(states_of))
    for observer in (runtime.request_metrics, forecasting, alerting, trends):
        reporter.add(observer)
    runtime.alert_counts, runtime.trends = alerting.counts, trends.view
    return forecasting, alerting


def add_history(reporter: Reporter, runtime: Runtime) -> None:
    """Give the reporter the history, its last observer: from now on it can be told to deliver."""
    from .history_feed import HistoryFeed  # with the history: the first answer does without

    feed = HistoryFeed(runtime.live_history, runtime)

    def deliver() -> int:
        reporter.flush()
        return feed.unplaced

    reporter.add(feed)
    runtime.flush_reports, runtime.live_history.deliver = reporter.deliver_now, deliver
