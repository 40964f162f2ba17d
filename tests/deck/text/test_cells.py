"""Text is measured as terminals draw it, and is safe to print."""

from __future__ import annotations

import pytest

from teamclaude.deck.text.cells import (
    Column,
    ascii_text,
    clean,
    clip,
    pad,
    supports_unicode,
    table_lines,
    width,
)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),  # a letter and its accent
        ("漢字", 4),
        ("\uff46\uff55\uff4c\uff4c", 8),  # fullwidth letters
        ("🦜", 2),
        (FAMILY, 2),
        ("\U0001f44d\U0001f3fd", 2),  # a thumb with a skin tone
        ("\U0001f1e9\U0001f1ea", 2),  # a flag
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 4),
        ("\u2764\ufe0f", 2),  # a heart in emoji style
        ("█░·→—", 5),
        ("a🦜b", 4),
    ],
)
def test_width(text: str, cells: int) -> None:
    assert width(text) == cells


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("漢字", 4, "漢字"),
        ("漢字漢", 4, "漢…"),  # a half character is none
        ("ab cd", 4, "ab…"),
        (FAMILY + "xyz", 4, FAMILY + "x…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_clip(text: str, room: int, shown: str) -> None:
    assert clip(text, room) == shown
    assert width(clip(text, room)) <= room


def test_pad_fills_to_the_cell() -> None:
    assert pad("漢", 4) == "漢  "
    assert pad("漢", 4, right=True) == "  漢"
    assert pad("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc  d", "a b c d"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jx", "x"),
        ("a\x00\x07\x7f\x86b", "ab"),
        ("abc\u202edef\u202c", "abcdef"),  # reversed text
        ("a\u2066b\u2069\u200bc\ufeff", "abc"),
        ("\ud800x", "x"),
        (FAMILY, FAMILY),
        ("  padded  ", "padded"),
        (" one space ", "one space"),
        ("wide  gap", "wide gap"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_no_control_character_survives() -> None:
    everything = "".join(chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
    assert clean("x".join(everything)).strip("x ") == ""


# --- ASCII ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("── Tree", "-- Tree"),
        ("│  └─ ↳ ", "|  `- + "),
        ("Ses[██ 3h ]↓5h", "Ses[## 3h ]v5h"),
        ("► ◆ ◇ ⚙ Σ 5 · 3…", "> * o % S 5 | 3~"),
        ("“it’s”", '"it\'s"'),
        ("漢字 ü", "???? ?"),
        ("👨‍👩‍👧x🇩🇪", "??x??"),
        ("plain", "plain"),
    ],
)
def test_every_sign_has_a_substitute_of_its_width(text: str, shown: str) -> None:
    assert ascii_text(text) == shown
    assert width(text) == len(shown)


@pytest.mark.parametrize(
    ("env", "encoding", "speaks"),
    [
        ({"LANG": "en_US.UTF-8", "TERM": "xterm"}, "utf-8", True),
        ({"LANG": "C.UTF-8"}, "UTF-8", True),
        ({"LANG": "C"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, "utf-8", False),
        ({"LC_CTYPE": "UTF-8"}, "utf-8", True),
        ({}, "utf-8", False),
        ({"LANG": "de_DE"}, "iso8859-1", False),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "utf-8", False),
        ({"LANG": "C.UTF-8", "TERM": "vt100"}, "utf-8", False),
        ({"LANG": "C.UTF-8", "TERM": "linux-16color"}, "utf-8", False),
    ],
)
def test_which_terminals_support_unicode(env: dict[str, str], encoding: str, speaks: bool) -> None:
    assert supports_unicode(env, encoding) is speaks


# --- tables ---------------------------------------------------------------------------------------


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


def test_columns_are_dropped_by_their_drop_order() -> None:
    rows = [["name", "12", "note"]]
    assert table_lines(COLUMNS, rows, 14) == ["NAME   N  NOTE", "name  12  note"]
    assert table_lines(COLUMNS, rows, 13) == ["NAME   N", "name  12"]
    assert table_lines(COLUMNS, rows, 7) == ["NAME", "name"]
    assert table_lines(COLUMNS, rows, 3) == ["NA…", "na…"]


def test_cells_are_cleaned() -> None:
    assert table_lines(COLUMNS, [["a\x1b[2J\nb", "1", "x\x00"]], 80)[1] == "a b   1  x"


def test_no_rows() -> None:
    assert table_lines(COLUMNS, [], 80) == ["NAME  N  NOTE"]
