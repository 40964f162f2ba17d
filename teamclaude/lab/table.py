"""The table of a study: one row per policy and load, mean and spread over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from .score import Score

__all__ = ["TableRow", "align_columns", "table_lines"]


class TableRow(NamedTuple):
    """All seeds of one policy at one load."""

    policy: str
    load: float
    seeds: tuple[int, ...]
    scores: tuple[Score, ...]

    def mean(self, name: str) -> float:
        return fmean(float(getattr(score, name)) for score in self.scores)

    def spread(self, name: str) -> float:
        return pstdev([float(getattr(score, name)) for score in self.scores])

    def as_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "load": self.load,
            "seeds": {str(seed): score.as_json() for seed, score in zip(self.seeds, self.scores)},
            "mean": {name: round(self.mean(name), 6) for name in Score.__dataclass_fields__},
        }


# Heading, field of Score, factor, decimals, whether its spread is shown.
_COLUMNS = (
    ("done %", "completed", 100.0, 2, True),
    ("stall h", "stall_hours", 1.0, 1, False),
    ("avoidable", "avoidable_hours", 1.0, 1, False),
    ("429s", "visible_429s", 1.0, 0, False),
    ("cold %", "cold_tokens", 100.0, 2, False),
    ("switches", "switches", 1.0, 2, False),
    ("stranded %", "stranded", 100.0, 1, False),
    ("fairness", "fairness", 1.0, 3, False),
)


def table_lines(rows: Sequence[TableRow]) -> list[str]:
    """The table as text, widths by content."""
    table = [["policy", "load", *(heading for heading, *_ in _COLUMNS)]]
    table += [[row.policy, f"{row.load:g}", *(_cell(row, *column) for column in _COLUMNS)] for row in rows]
    return align_columns(table)


def align_columns(table: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]


def _cell(row: TableRow, heading: str, name: str, factor: float, decimals: int, spread: bool) -> str:
    text = f"{factor * row.mean(name):.{decimals}f}"
    return f"{text} ± {factor * row.spread(name):.{decimals}f}" if spread else text
