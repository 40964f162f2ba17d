"""Keep the forecast up to date, in the reporter's thread: a copy of the fleet, some ms of work, new views.

The week's demand is learned from what has been burned: at first from the past that the history or the state
file remember, then from each look at the fleet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Optional

from ...forecast.views import PoolForecast
from ...snapshot import Snapshot
from .reporter import Observer

if TYPE_CHECKING:
    from ...forecast.forecaster import Forecaster

__all__ = ["FORECAST_SEC", "ForecastObserver", "local_week_hour"]

FORECAST_SEC = 30.0  # between two forecasts: each takes 5 ms and more for each account


def local_week_hour(at: float) -> int:
    """Return the hour of the local week of epoch seconds: Monday 0:00 is 0, Sunday 23:00 is 167."""
    local = time.localtime(at)
    return local.tm_wday * 24 + local.tm_hour


class ForecastObserver(Observer):
    """Look at the fleet now and then, and pass on what is expected.

    `look` returns the fleet's snapshot; `past` is asked once for what was burned before a time: whole hours
    in order, (begin, tokens).  `publish` gets each forecast.  `saved` is what an earlier run has left in the
    state file.
    """

    def __init__(
        self,
        look: Callable[[], Snapshot],
        past: Callable[[float], Iterable[tuple[float, float]]],
        publish: Callable[[PoolForecast], None],
        week_hour: Callable[[float], int] = local_week_hour,
        saved: Any = None,
    ) -> None:
        self._look = look
        self._past = past
        self._publish = publish
        self._week_hour = week_hour
        # To be kept over a restart: replaced as a whole, so that any thread may read it.
        self.saved = saved
        self._forecaster: Optional[Forecaster] = None  # made at the first tick, with all that it imports
        self._last: Optional[float] = None

    def tick(self, now: float) -> None:
        """Forecast anew when the last time was half a minute ago, or the clock was set back."""
        if self._last is not None and 0.0 <= now - self._last < FORECAST_SEC:
            return
        from ...forecast.forecaster import Forecaster
        from ...forecast.readings import reading_of

        if self._forecaster is None:
            self._forecaster = Forecaster(self._week_hour)
            self._forecaster.demand.profile.add_hours(self._past(now))
            self._forecaster.restore(self.saved, now)
        self._last = now
        self._forecaster.observe(reading_of(self._look()))
        self._publish(self._forecaster.forecast())
        self.saved = self._forecaster.to_json()
