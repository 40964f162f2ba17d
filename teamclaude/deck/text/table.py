"""Columns that line up, in terminal cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .cells import clean, clip, pad, width

__all__ = ["Column", "table_lines"]


class Column(NamedTuple):
    """A heading; figures stand to the right.  `most` cells at most, where it is not 0.

    Where there is no room for all columns the one with the largest `spare` goes first; 0 stays.
    """

    heading: str
    align_right: bool = False
    max_cells: int = 0
    drop_order: int = 0


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], cells: int) -> list[str]:
    """Rows of text as lines of at most `cells` cells; the first line is the headings.

    A cell's text is cleaned here: rows may hold names from outside.
    """
    everything = [[column.heading for column in columns]]
    everything += [[clean(text) for text in row] for row in rows]
    widths = [max(width(row[place]) for row in everything) for place in range(len(columns))]
    widths = [min(size, c.max_cells) if c.max_cells else size for size, c in zip(widths, columns)]
    kept = _kept_columns(columns, widths, cells)
    return [clip(_line(row, columns, widths, kept), cells) for row in everything]


def _kept_columns(columns: Sequence[Column], widths: Sequence[int], cells: int) -> list[int]:
    """The places of the columns that there is room for."""
    kept = list(range(len(columns)))
    while sum(widths[place] + 2 for place in kept) - 2 > cells:
        least = max(kept, key=lambda place: columns[place].drop_order)
        if not columns[least].drop_order:
            break
        kept.remove(least)
    return kept


def _line(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int]) -> str:
    return "  ".join(pad(row[place], widths[place], columns[place].align_right) for place in kept).rstrip()
