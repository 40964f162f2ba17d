"""The runs of a study as tables: means over the seeds, as text and as JSON.

Two blocks: what got done, and what people feel of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any, Optional

from ...values import NamedTuple
from ..score import Score

__all__ = ["TableRow", "align_columns", "table_lines", "waiting_text"]


class TableRow(NamedTuple):
    """All seeds of one policy in one world at one load."""

    world: str  # "": that of the options
    policy: str
    load: float
    seeds: tuple[int, ...]
    scores: tuple[Score, ...]

    def mean(self, name: str) -> Optional[float]:
        """Return the mean of a score's field over the seeds; None if the world has no such thing."""
        values = [getattr(score, name) for score in self.scores]
        return None if None in values else fmean(map(float, values))

    def spread(self, name: str) -> float:
        """Return the standard deviation of a score's field over the seeds."""
        return pstdev([float(getattr(score, name)) for score in self.scores])

    def as_json(self) -> dict[str, Any]:
        """Return each seed's score and the means; `world` is null for that of the options."""
        return {
            "world": self.world or None,
            "policy": self.policy,
            "load": self.load,
            "seeds": {str(seed): score.as_json() for seed, score in zip(self.seeds, self.scores)},
            "mean": {name: _rounded(self.mean(name)) for name in Score.__dataclass_fields__},
        }


def _rounded(value: Optional[float]) -> Optional[float]:
    return None if value is None else round(value, 6)


class _Column(NamedTuple):
    heading: str
    field: str  # of Score
    factor: float = 1.0
    decimals: int = 0
    with_spread: bool = False


_WORK = (
    _Column("done %", "completed", 100.0, 2, True),
    _Column("of all %", "wanted", 100.0, 2),
    _Column("others %", "others_got", 100.0, 1),
    _Column("worst user %", "worst_user", 100.0, 1),
    _Column("fairness", "fairness", 1.0, 3),
    _Column("switches", "switches", 1.0, 2),
    _Column("kept M", "kept_cache_tokens", 1e-6, 0),
    _Column("lost M", "lost_cache_tokens", 1e-6, 1),
    _Column("cold %", "cold_tokens", 100.0, 2),
    _Column("stranded %", "stranded", 100.0, 1),
)
# Times are seconds; `_cell` gives them a unit.
_WAITING = (
    _Column("p50", "waiting_p50"),
    _Column("p95", "waiting_p95"),
    _Column("p99", "waiting_p99"),
    _Column("longest", "waiting_longest"),
    _Column("> 10 s %", "waited_10s", 100.0, 2),
    _Column("> 10 min %", "waited_10min", 100.0, 2),
    _Column("known lengths %", "known_lengths_10min", 100.0, 2),
    _Column("stall h", "stall_hours", 1.0, 1),
    _Column("avoidable", "avoidable_hours", 1.0, 1),
    _Column("429s", "visible_429s"),
    _Column("retried", "retried_429s"),
    _Column("requests", "requests"),
)


def table_lines(rows: Sequence[TableRow]) -> list[str]:
    """Return two tables as text, widths by content: the work that was done, and the waiting.

    A column of what no row has is left out.
    """
    return [*_block(rows, _WORK), "", *_block(rows, _WAITING)]


def _block(rows: Sequence[TableRow], columns: Sequence[_Column]) -> list[str]:
    labels = [["world", "policy", "load"], *([row.world, row.policy, f"{row.load:g}"] for row in rows)]
    if not any(row.world for row in rows):
        labels = [label[1:] for label in labels]
    columns = [each for each in columns if any(row.mean(each.field) is not None for row in rows)]
    cells = [[each.heading for each in columns], *([_cell(row, each) for each in columns] for row in rows)]
    return align_columns([[*label, *cell] for label, cell in zip(labels, cells)])


def align_columns(table: Sequence[Sequence[str]]) -> list[str]:
    """Align rows in columns: the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]


def _cell(row: TableRow, column: _Column) -> str:
    value = row.mean(column.field)
    if value is None:
        return "-"
    mean = column.factor * value
    if column.field.startswith("waiting_"):
        return waiting_text(mean)
    text = f"{mean:.{column.decimals}f}"
    if not column.with_spread or len(row.scores) == 1:
        return text
    return f"{text} ± {column.factor * row.spread(column.field):.{column.decimals}f}"


def waiting_text(seconds: float) -> str:
    """Return a time as it is best read: `0.4 s`, `12 s`, `7 min`, `4.8 h`."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
