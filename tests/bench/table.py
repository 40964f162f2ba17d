"""The figures as text, and the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

__all__ = ["Row", "Target", "machine", "markdown", "quantity", "table"]

Figures = Mapping[str, float]  # by route
OURS = "teamclaude"
COLUMNS = ("direct", "nginx", OURS)  # other routes are named below their row
WIDTH = 75  # of a manual page, less the indentation of a table


class Target(NamedTuple):
    """A target: its text, and the test whether it holds."""

    words: str
    holds: Callable[[Figures], bool]


class Row(NamedTuple):
    """One row of the table; a route that was not measured has no figure."""

    title: str
    unit: str
    figures: Figures
    target: Optional[Target] = None


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text for a manual page; other proxies and the target stand below their row."""
    lines, group = [_line("", COLUMNS)], ""
    for row in rows:
        head, _, title = row.title.rpartition(": ")
        if head != group:
            lines += ["", *([head] if head else [])]
            group = head
        lines.append(_line(f"  {title}" if head else title, [_cell(row, route) for route in COLUMNS]))
        others = [f"{route} {_cell(row, route)}" for route in row.figures if route not in COLUMNS]
        together = [other.replace(" ", "\u00a0") for other in others]  # a line may not end in between
        for note in filter(None, [", ".join(together), _verdict(row)]):
            indent = " " * 6
            lines += textwrap.wrap(note, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(f"    {line}".rstrip() for line in lines)


def _line(title: str, cells: Sequence[str]) -> str:
    return title.ljust(WIDTH - 12 * len(cells)) + "".join(cell.rjust(12) for cell in cells)


def _cell(row: Row, route: str) -> str:
    return quantity(row.figures[route], row.unit) if route in row.figures else ""


def _verdict(row: Row) -> str:
    if row.target is None or OURS not in row.figures:
        return ""
    try:
        holds = row.target.holds(row.figures)
    except KeyError:  # what it is compared with was not measured
        return row.target.words
    return f"{row.target.words}: {'holds' if holds else 'MISSED'}"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns; all but the first are numbers."""
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in [heads, rule, *rows]:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        lines.append(f"| {' | '.join([row[0].ljust(widths[0]), *numbers])} |")
    return "\n".join(lines)


def quantity(value: float | None, unit: str) -> str:
    """Return the value with three digits, or a dash if it is unknown."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def machine() -> str:
    """Return date, processor, cores, system and interpreter in one line."""
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
