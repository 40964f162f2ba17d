"""Figures as Markdown, and what machine they were taken on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

__all__ = ["Row", "Target", "machine", "markdown", "quantity", "table"]

Figures = Mapping[str, float]  # by the name of a way
OURS = "teamclaude"


class Target(NamedTuple):
    """What we want to hold: in words, and whether it does."""

    words: str
    holds: Callable[[Figures], bool]


class Row(NamedTuple):
    """One line of the table; a way that was not measured has no figure."""

    title: str
    unit: str
    figures: Figures
    target: Optional[Target] = None


def table(rows: Sequence[Row]) -> str:
    """The rows, a column per way in the order of its first figure."""
    ways = list(dict.fromkeys(way for row in rows for way in row.figures))
    return markdown(["", *ways, "target"], [[row.title, *_cells(row, ways), _verdict(row)] for row in rows])


def _cells(row: Row, ways: Sequence[str]) -> list[str]:
    return [quantity(row.figures[way], row.unit) if way in row.figures else "" for way in ways]


def _verdict(row: Row) -> str:
    if row.target is None or OURS not in row.figures:
        return ""
    try:
        holds = row.target.holds(row.figures)
    except KeyError:  # what it is compared with was not measured
        return row.target.words
    return f"{row.target.words}: {'holds' if holds else 'MISSED'}"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are also aligned to the eye; all but the first are numbers."""
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in [heads, rule, *rows])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return f"| {' | '.join(padded)} |"


def quantity(value: float | None, unit: str) -> str:
    """Three digits, or a dash for what is not known."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def machine() -> str:
    """Date, processor, cores and interpreter in one line."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{time.strftime('%Y-%m-%d')}, {_processor()}, {os.cpu_count()} cores, {system}, {python}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
