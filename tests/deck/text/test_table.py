"""Columns line up and give way."""

from __future__ import annotations

from teamclaude.deck.text.table import Column, table_lines

COLUMNS = (
    Column("NAME", max_cells=6),
    Column("N", align_right=True, drop_order=1),
    Column("NOTE", drop_order=2),
)


def test_columns_line_up_in_cells() -> None:
    rows = [["漢字", "7", "x"], ["a", "1234", "long note"]]
    assert table_lines(COLUMNS, rows, 80) == [
        "NAME     N  NOTE",
        "漢字     7  x",
        "a     1234  long note",
    ]


def test_a_column_has_its_most() -> None:
    assert table_lines(COLUMNS, [["abcdefgh", "1", ""]], 80)[1] == "abcde…  1"


def test_the_sparest_columns_go_first() -> None:
    rows = [["name", "12", "note"]]
    assert table_lines(COLUMNS, rows, 14) == ["NAME   N  NOTE", "name  12  note"]
    assert table_lines(COLUMNS, rows, 13) == ["NAME   N", "name  12"]
    assert table_lines(COLUMNS, rows, 7) == ["NAME", "name"]
    assert table_lines(COLUMNS, rows, 3) == ["NA…", "na…"]


def test_cells_are_cleaned() -> None:
    assert table_lines(COLUMNS, [["a\x1b[2J\nb", "1", "x\x00"]], 80)[1] == "a b   1  x"


def test_no_rows() -> None:
    assert table_lines(COLUMNS, [], 80) == ["NAME  N  NOTE"]
