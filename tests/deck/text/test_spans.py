"""Styled lines: clipping, joining, wrapping, colors."""

from __future__ import annotations

import re

import pytest

from teamclaude.deck.text.spans import (
    Span,
    ansi_text,
    clip_line,
    cursor_line,
    first_fitting,
    join_lines,
    left_and_right,
    line,
    line_width,
    plain_text,
    sgr_codes,
    wrap_line,
)

FAMILY = "👨‍👩‍👧"


def test_a_line_is_cut_in_cells_and_shows_it() -> None:
    assert plain_text(clip_line(line("abc", "defg"), 7)) == "abcdefg"
    assert plain_text(clip_line(line("abc", "defg"), 6)) == "abcde…"
    assert plain_text(clip_line(line("abc", "漢字漢字"), 7)) == "abc漢…"
    assert plain_text(clip_line(line("abc", "defg"), 3)) == "ab…", (
        "the ellipsis takes a cell of what is there"
    )
    assert clip_line(line("abc"), 0) == ()


@pytest.mark.parametrize("room", range(12))
def test_a_joined_emoji_is_never_split(room: int) -> None:
    shown = plain_text(clip_line(line("ab", (f"{FAMILY}{FAMILY}{FAMILY}cd", "good")), room))
    assert line_width(line(shown)) <= room
    assert shown.replace(FAMILY, "").strip("abcd…") == ""


def test_right_stays_at_the_edge_or_is_dropped() -> None:
    assert plain_text(left_and_right(line("left"), line("right"), 12)) == "left   right"
    assert plain_text(left_and_right(line("left"), line("right"), 10)) == "left", (
        "two cells between them at least"
    )
    assert plain_text(left_and_right(line("left"), (), 12)) == "left"


def test_the_longest_wording_that_fits() -> None:
    ways = [line("longest"), line("mid"), line("s")]
    assert [plain_text(first_fitting(ways, room)) for room in (7, 6, 2, 0)] == ["longest", "mid", "s", ""]


def test_parts_are_joined_without_the_empty_ones() -> None:
    assert plain_text(join_lines([(), line("a"), (), line("b", "c")])) == "a · bc"
    assert join_lines([(), ()]) == ()


def test_a_long_line_goes_on_below_broken_at_blanks() -> None:
    text = wrap_line(line(("  name  ", "dim"), "one two three four"), 16, 8)
    assert [plain_text(part) for part in text] == ["  name  one two", "        three", "        four"]
    assert text[0][0] == Span("  name  ", "dim")
    assert [plain_text(part) for part in wrap_line(line("漢" * 6), 5, 2)] == [
        "漢漢",
        "  漢",
        "  漢",
        "  漢",
        "  漢",
    ]
    assert wrap_line((), 5) == [()]
    assert [plain_text(part) for part in wrap_line(line("abcdef"), 3)] == ["abc", "def"]


def test_under_the_cursor_there_are_no_colours_and_reverse_is_plain() -> None:
    shown = cursor_line(line(("name", "strong good"), " ", ("██", "good"), ("3h", "good reverse")), 12)
    assert shown == (
        Span("name", "strong reverse"),
        Span(" ", "reverse"),
        Span("██", "reverse"),
        Span("3h", ""),
        Span("   ", "reverse"),
    )


@pytest.mark.parametrize(
    ("depth", "text"),
    [
        (0, "bad"),
        (1, "\x1b[1mbad\x1b[0m"),
        (8, "\x1b[31mbad\x1b[0m"),
        (16, "\x1b[31mbad\x1b[0m"),
        (256, "\x1b[38;5;196mbad\x1b[0m"),
        (1 << 24, "\x1b[38;5;196mbad\x1b[0m"),
    ],
)
def test_colours_by_the_terminals_depth(depth: int, text: str) -> None:
    assert ansi_text(line(("bad", "bad")), depth) == text


def test_the_background_is_always_the_terminals() -> None:
    styles = ("good", "warn", "bad", "accent", "dim", "strong", "reverse", "bad strong", "dim reverse")
    codes = [sgr_codes(style, depth) for style in styles for depth in (1, 8, 16, 256)]
    plain_codes = [
        int(code) for found in codes for code in re.sub(r"38;5;\d+", "0", found).split(";") if code
    ]
    assert set(plain_codes) <= {0, 1, 2, 7, 31, 32, 33, 36, 90}
    assert sgr_codes("dim reverse", 256) == "7", "grey letters can't be read on a bar"
