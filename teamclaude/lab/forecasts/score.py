"""How well forecasts did: sums that add up over worlds, and the tables made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from ...outlook_views import ForecastView
from ...snapshot import Window
from ..study.table import align_columns

__all__ = ["ForecastScore", "ends_lines", "shares_lines", "straight_lines"]

CELLS = (("5h", 1.0), ("5h", 3.0), ("7d", 1.0), ("7d", 3.0), ("7d", 24.0))
ENDS = ("5h", "7d", "pool")
WORLD = "who, accounts, load"


def straight_lines(
    window: Window, now: float, length: float, before: float, hours: float
) -> tuple[float, float]:
    """Return what two straight lines say of a window's used share in some hours.

    The first goes on as since the window began, `length` seconds before its reset; the second as in the last
    hour, in which it rose from `before`.
    """
    used = window.utilization or 0.0
    passed = max(300.0, now - ((window.resets_at or now) - length))
    return (
        min(1.0, used + used / passed * hours * 3600.0),
        min(1.0, used + max(0.0, used - before) * hours),
    )


class ForecastScore:
    """Sums by what was forecast."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, float], list[float]] = {}

    def _add(self, key: tuple[str, float], *values: float) -> None:
        sums = self.sums.setdefault(key, [0.0] * (len(values) + 1))
        for place, value in enumerate((1.0, *values)):
            sums[place] += value

    def add_share(
        self,
        kind: str,
        hours: float,
        share: float,
        quantiles: tuple[float, float, float],
        lines: tuple[float, float],
    ) -> None:
        """Count a used share that was forecast `hours` ahead."""
        low, middle, high = quantiles
        errors = [abs(each - share) for each in (middle, *lines)]
        self._add((kind, hours), share < low - 1e-9, share > high + 1e-9, *errors)

    def add_end(self, kind: str, view: ForecastView, ended_at: Optional[float]) -> None:
        """Count when a window or the pool was used up; None: it lasted.

        Of one that lasted it is not known how much longer it would have: it counts as spread evenly over the
        cases that the forecast has beyond the reset (a randomized test of quantiles, in its mean).
        """
        if ended_at is None:
            beyond = max(1e-9, 1.0 - view.chance)
            early = max(0.0, 0.1 - view.chance) / beyond
            late = min(beyond, 0.1) / beyond
        else:
            early = float(view.p10 is None or ended_at < view.p10)
            late = float(view.p90 is not None and ended_at > view.p90)
        came = float(ended_at is not None)
        self._add((kind, 0.0), early, late, view.chance, came, (view.chance - came) ** 2)

    def plus(self, other: ForecastScore) -> ForecastScore:
        """Return the sum."""
        both = ForecastScore()
        for score in (self, other):
            for key, sums in score.sums.items():
                old = both.sums.get(key, [0.0] * len(sums))
                both.sums[key] = [a + b for a, b in zip(old, sums)]
        return both

    def mean(self, kind: str, hours: float) -> Optional[tuple[float, ...]]:
        """Return how many there were, and the means of what was counted."""
        sums = self.sums.get((kind, hours))
        return None if sums is None else (sums[0], *(value / sums[0] for value in sums[1:]))

    def as_json(self) -> dict[str, Any]:
        """Return every number."""
        found: dict[str, Any] = {}
        for (kind, hours), sums in sorted(self.sums.items()):
            count, *means = sums[0], *(round(value / sums[0], 6) for value in sums[1:])
            names: Sequence[str] = ("below", "above", "error", "lineError", "hourError")
            if not hours:
                names = ("early", "late", "chance", "came", "brier")
            name = f"{kind} {hours:g}h" if hours else f"{kind} used up"
            found[name] = {"count": int(count), **dict(zip(names, means))}
        return found


def shares_lines(rows: Sequence[tuple[str, ForecastScore]]) -> list[str]:
    """Return the tables of the used shares: mean absolute errors and the ranges that hold."""
    lines = ["used share: error / line / hour in points (ranges that hold, %)"]
    for kind in ("5h", "7d"):
        lines += ["", *_shares_table(rows, [cell for cell in CELLS if cell[0] == kind])]
    return lines


def _shares_table(
    rows: Sequence[tuple[str, ForecastScore]], columns: Sequence[tuple[str, float]]
) -> list[str]:
    table = [[WORLD, *(f"{kind} in {hours:g} h" for kind, hours in columns)]]
    for name, score in rows:
        cells = []
        for kind, hours in columns:
            found = score.mean(kind, hours)
            if found is None:
                cells.append("-")
                continue
            _, below, above, error, line, recent = found
            holds = 100 * (1.0 - below - above)
            cells.append(f"{100 * error:.1f}/{100 * line:.1f}/{100 * recent:.1f} ({holds:.0f})")
        table.append([name, *cells])
    return align_columns(table)


def ends_lines(rows: Sequence[tuple[str, ForecastScore]]) -> list[str]:
    """Return the table of the ends: ranges that hold, chance that was given / how often it came."""
    table = [[WORLD, *ENDS, "n"]]
    for name, score in rows:
        cells, count = [], 0
        for kind in ENDS:
            found = score.mean(kind, 0.0)
            if found is None:
                cells.append("-")
                continue
            many, early, late, chance, came, _ = found
            count += int(many)
            cells.append(f"{100 * (1 - early - late):.0f}, {100 * chance:.0f}/{100 * came:.0f}")
        table.append([name, *cells, str(count)])
    return ["used up: ranges that hold, chance/came (%)", "", *align_columns(table)]
