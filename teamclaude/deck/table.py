"""Columns that line up, in terminal cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .cells import clean, clip, pad, width

__all__ = ["Column", "table"]


class Column(NamedTuple):
    """A heading; figures stand to the right.  `most` cells at most, where it is not 0."""

    heading: str
    right: bool = False
    most: int = 0


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], cells: int, heading: bool = True
) -> list[str]:
    """Rows of text as lines of at most `cells` cells; the first line is the headings.

    A cell's text is cleaned here: rows may hold names from outside.
    """
    body = [[clean(text) for text in row] for row in rows]
    everything = [[column.heading for column in columns], *body] if heading else body
    widths = [max((width(row[i]) for row in everything), default=0) for i in range(len(columns))]
    widths = [min(size, c.most) if c.most else size for size, c in zip(widths, columns)]
    return [clip(_line(row, columns, widths), cells) for row in everything]


def _line(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts = [pad(text, size, column.right) for text, size, column in zip(row, widths, columns)]
    return "  ".join(parts).rstrip()
