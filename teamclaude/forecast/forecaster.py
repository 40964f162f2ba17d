"""The forecast as a whole: readings in, one view for each window and one for the pool out.

1. The demand of the pool is expected from the week's profile and the conversations at work (demand.py).
2. It is let run through the accounts at several levels, from little to much work (pool_paths.py).
3. A window's quantiles follow from these courses, and from how unevenly the accounts get the work.
4. What can't be told is left out: with less than two hours observed, a window without a reset or a known
   size, an account that takes no work.  The pool has a forecast only if each of its accounts has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ..outlook_views import BandPoint, ForecastView
from ..snapshot import Window
from .bursts import BURST_GRID, bursty_courses
from .calibration import BUSY_RISE, Calibration
from .courses import (
    COURSES,
    LEVELS,
    P10,
    P50,
    P90,
    PARTS,
    Course,
    between,
    crossing,
    ranges_of,
    rising,
    value_at,
)
from .demand import DemandModel
from .pool_paths import GRID, UNKNOWN_WEEKS_IN_5H, AccountStart, PoolPath, run_pool
from .progress import Progress
from .readings import HOUR_SEC, AccountReading, PoolReading
from .saved import saved_object
from .spread import gamma_factor
from .views import PoolForecast, forecast_view, thinned

__all__ = ["Forecaster"]

LONGEST_SEC = 8 * 86400.0  # a reset that is farther away is none of a window
POOL_BURST = 2.0
JUST_OPEN = 0.999  # the share of a window that does not refuse yet
READING_ERROR, READING_BIAS = 0.0025, 0.001  # of a used share; the answer's own request is not in it


class Forecaster:
    """Observe readings in order, and forecast from the last one.  `week_hour`: as of `WeekProfile`."""

    def __init__(self, week_hour: Callable[[float], int]) -> None:
        self.demand = DemandModel(week_hour)
        self.progress = Progress()
        self.calibration = Calibration()
        self._reading = PoolReading(0.0)
        self._pool: Optional[ForecastView] = None
        self._courses: Mapping[str, Mapping[str, Course]] = {}

    def observe(self, reading: PoolReading) -> None:
        """Take in the state of the pool: every minute or so."""
        self._reading = reading
        self.demand.observe(reading)
        self.progress.observe(reading)
        self.calibration.observe(reading.at, self._used)

    def to_json(self) -> dict[str, Any]:
        """Return what was learned, for the next run: not the week's demand, of which there is a history."""
        return {"demand": self.demand.to_json(), "ranges": self.calibration.to_json()}

    def restore(self, saved: object, now: float) -> None:
        """Take over what `to_json` returned, whatever has become of it in a file."""
        self.demand.restore(saved_object(saved, "demand"), now)
        self.calibration.restore(saved_object(saved, "ranges"))

    def _used(self, name: str, axis: str, resets_at: float) -> Optional[float]:
        """Return the used share of a window now; None when it has been reset or is unknown."""
        account = next((each for each in self._reading.accounts if each.name == name), None)
        window = account.windows.get(axis) if account is not None else None
        if account is None or window is None or abs((window.resets_at or 0.0) - resets_at) > 5.0:
            return None
        return self.progress.used(account, axis, window)

    def forecast(self) -> PoolForecast:
        """Return what is expected from the last reading on."""
        courses = self._courses = self.courses()
        if self.calibration.is_due(self._reading.at):
            self.calibration.keep(self._reading.at, ranges_of(courses))
        views = {
            name: {axis: self._view(course) for axis, course in by_axis.items()}
            for name, by_axis in courses.items()
        }
        return PoolForecast(views, self._pool)

    def shares_ahead(
        self, hours: Sequence[float]
    ) -> dict[tuple[str, str], dict[float, tuple[float, float, float]]]:
        """Return the used shares (p10, p50, p90) of the last forecast, by account and axis, some hours ahead.

        A window that is reset before is left out.
        """
        return {
            (name, axis): {
                ahead: (
                    course.share_at(P10, ahead * HOUR_SEC),
                    course.share_at(P50, ahead * HOUR_SEC),
                    course.share_at(P90, ahead * HOUR_SEC),
                )
                for ahead in hours
                if ahead * HOUR_SEC < course.offsets[-1]
            }
            for name, by_axis in self._courses.items()
            for axis, course in by_axis.items()
        }

    # --- the courses ----------------------------------------------------------------------------

    def courses(self, with_pool: bool = True) -> dict[str, dict[str, Course]]:
        """Return the quantiles of each window that can be told; also runs the pool."""
        self._pool, reading = None, self._reading
        pooled = [account for account in reading.accounts if account.is_pooled and account.is_metered]
        if not pooled or not self.demand.is_known:
            return {}
        sizes = self._sizes(pooled)
        if sizes is None:
            return {}
        starts = [self._start(account, *sizes[account.name]) for account in pooled]
        expected = self.demand.expected(reading.at, GRID)
        runs = [run_pool(starts, self._asked(expected, z), reading.at) for z in COURSES]
        if with_pool and all(a.is_metered for a in reading.accounts if a.is_pooled):
            self._pool = self._pool_view(starts)
        found: dict[str, dict[str, Course]] = {}
        for place, account in enumerate(pooled):
            tokens = self._tokens(place, runs, expected)
            for axis, window in account.windows.items():
                course = self._course(account, axis, window, sizes[account.name], tokens)
                if course is not None:
                    found.setdefault(account.name, {})[axis] = course
        return found

    def _asked(self, expected: Sequence[float], z: float) -> list[float]:
        """Return the demand at a level, at each time of GRID; it never falls."""
        asked, most = [], 0.0
        for tokens in expected:
            most = max(most, tokens * gamma_factor(z, self.demand.shape(tokens)))
            asked.append(most)
        return asked

    def _sizes(self, accounts: Sequence[AccountReading]) -> Optional[dict[str, tuple[float, float]]]:
        """Return the tokens of the 5h and the weekly windows; an unknown size is the others' mean."""
        sizes = [(self.progress.size(a, "5h"), self.progress.size(a, "7d")) for a in accounts]
        fives, weeks = ([size for size in each if size] for each in zip(*sizes))
        if not weeks and not fives:
            return None
        five = sum(fives) / len(fives) if fives else sum(weeks) / len(weeks) * UNKNOWN_WEEKS_IN_5H
        week = sum(weeks) / len(weeks) if weeks else five / UNKNOWN_WEEKS_IN_5H
        return {a.name: (own5 or five, own7 or week) for a, (own5, own7) in zip(accounts, sizes)}

    def _start(self, account: AccountReading, size_5h: float, size_7d: float) -> AccountStart:
        five, week = account.windows.get("5h"), account.windows.get("7d")
        return AccountStart(
            left_5h=self._left(account, "5h", five) * size_5h,
            resets_5h=five.resets_at if five is not None else None,
            size_5h=size_5h,
            left_7d=self._left(account, "7d", week) * size_7d,
            resets_7d=week.resets_at if week is not None else None,
            size_7d=size_7d,
            share=self.progress.share(account.name),
            back_at=account.back_at or 0.0,
        )

    def _left(self, account: AccountReading, axis: str, window: Optional[Window]) -> float:
        if window is None:
            return 1.0
        return 0.0 if window.rejected else max(0.0, 1.0 - (self.progress.used(account, axis, window) or 0.0))

    def _course(
        self,
        account: AccountReading,
        axis: str,
        window: Window,
        sizes: tuple[float, float],
        tokens: Sequence[Sequence[float]],
    ) -> Optional[Course]:
        now, used, resets_at = self._reading.at, self.progress.used(account, axis, window), window.resets_at
        size = dict(zip(("5h", "7d"), sizes)).get(axis) or self.progress.size(account, axis)
        if used is None or resets_at is None or not size or not now < resets_at <= now + LONGEST_SEC:
            return None
        left = resets_at - now
        inside = [offset for offset in GRID if offset < left]
        offsets = [0.0, *inside, left]
        if window.rejected:
            return Course(offsets, [[max(1.0, used)] * len(offsets) for _ in LEVELS], resets_at)
        by_level = []
        is_busy = value_at(tokens[P50], HOUR_SEC) / size >= BUSY_RISE
        factors = [self.calibration.factors(axis, offset, is_busy) for offset in offsets]
        middle = [each / size for each in (0.0, *tokens[P50][: len(inside)], value_at(tokens[P50], left))]
        for z, burned in zip(LEVELS, tokens):
            # The share itself is known to half a step of its rounding only; that error is independent.
            side, error = (1.0 if z > 0.0 else -1.0), READING_ERROR * z
            rises = [each / size for each in (0.0, *burned[: len(inside)], value_at(burned, left))]
            shares = [
                used + READING_BIAS + mid + side * math.hypot(error, (rise - mid) * factor[z > 0.0])
                for rise, mid, factor in zip(rises, middle, factors)
            ]
            by_level.append(rising(shares, JUST_OPEN if used < 1.0 else used))
        return Course(offsets, by_level, resets_at, is_busy)

    def _tokens(self, place: int, runs: Sequence[PoolPath], expected: Sequence[float]) -> list[list[float]]:
        """Return the tokens wanted of one account at each time of GRID, for each of LEVELS."""
        by_course = [run.accounts[place].wanted for run in runs]
        means, common_level = by_course[COURSES.index(0.0)], self.demand.level_error**2
        burst = self.demand.burst
        found: list[list[float]] = [[] for _ in LEVELS]
        for at, (asked, mean) in enumerate(zip(expected, means)):
            part = min(1.0, mean / asked) if asked > 0.0 else 0.0
            own = burst * (1.0 - part) / max(1.0, mean)  # variance of what is its own, and of the pool
            common = burst / max(1.0, asked) + common_level
            total = math.sqrt(own + common) or 1.0
            low, high = math.sqrt(common) / total, math.sqrt(own) / total
            courses = [tokens[at] for tokens in by_course]
            for level, z in enumerate(LEVELS):
                tokens = between(courses, z * low)
                found[level].append(tokens * gamma_factor(z * high, 1.0 / own) if own > 1e-6 else tokens)
        return found

    # --- views ----------------------------------------------------------------------------------

    def _view(self, course: Course) -> ForecastView:
        now = self._reading.at
        ends = [crossing(course.offsets, used) for used in course.used]
        band = [
            BandPoint(now + offset, *(min(1.0, course.used[level][at]) for level in (P10, P50, P90)))
            for at, offset in enumerate(course.offsets)
        ]
        return forecast_view(
            PARTS, [None if end is None else now + end for end in ends], course.until, thinned(band)
        )

    def _pool_view(self, starts: Sequence[AccountStart]) -> ForecastView:
        now, demand = self._reading.at, self.demand
        expected = demand.expected(now, BURST_GRID)
        courses = bursty_courses(expected, POOL_BURST * demand.burst, demand.level_error)
        dry = [run_pool(starts, course, now, BURST_GRID, until_dry=True).dry_at for course in courses]
        late_first = sorted((math.inf if end is None else now + end for end in dry), reverse=True)
        ends = [None if end == math.inf else end for end in late_first]
        levels = [(place + 0.5) / len(ends) for place in range(len(ends))]
        return forecast_view(levels, ends, now + BURST_GRID[-1], ())
