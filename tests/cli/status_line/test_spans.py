"""Styled text: colours by environment, cells, and names that can do nothing to the terminal."""

from __future__ import annotations

import pytest

from teamclaude.cli.status_line.spans import (
    cells_of,
    clipped,
    colors_for,
    duration,
    joined,
    painted,
    safe_text,
)


@pytest.mark.parametrize(
    ("env", "colors"),
    [
        ({}, 16),
        ({"TERM": "xterm"}, 16),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "screen", "COLORTERM": "truecolor"}, 256),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
        ({"TERM": "xterm-256color", "FORCE_COLOR": "0"}, 0),
    ],
)
def test_the_environment_decides_about_colours(env: dict[str, str], colors: int) -> None:
    assert colors_for(env) == colors


def test_painting() -> None:
    spans = (("42%", "bad"), (" x", ""))
    assert painted(spans, 0) == "42% x"
    assert painted(spans, 16) == "\x1b[31m42%\x1b[0m x"
    assert painted(spans, 256) == "\x1b[38;5;203m42%\x1b[0m x"


def test_empty_parts_get_no_separator() -> None:
    assert painted(joined([(), (("a", ""),), (), (("b", ""),)]), 0) == "a · b"
    assert joined([(), ()]) == ()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("alice@example.com", "alice@example.com"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("a\nb\tc", "a b c"),
        ("a\x9b2Jb", "ab"),
        ("\u202egnp", "gnp"),
        ("  a   b ", "a b"),
        ("日本", "日本"),
    ],
)
def test_text_from_outside_is_made_safe(text: str, safe: str) -> None:
    assert safe_text(text) == safe


def test_long_names_end_in_an_ellipsis() -> None:
    assert safe_text("abcdefgh", 5) == "abcd…"
    assert safe_text("日本語日本語", 5) == "日本…"


def test_cells() -> None:
    assert cells_of((("5h ↻1h", ""), (" · é", ""))) == 10
    assert cells_of((("日本", ""), ("e\u0301", ""))) == 5


def test_clipping_keeps_styles_and_never_splits_a_wide_character() -> None:
    spans = (("alice", "name"), (" · ", "dim"), ("日本", ""))
    assert clipped(spans, 12) == spans
    for width in range(1, 12):
        assert cells_of(clipped(spans, width)) <= width
    assert painted(clipped(spans, 11), 0) == "alice · 日…"
    assert painted(clipped(spans, 5), 0) == "alic…"
    assert clipped(spans, 5)[0][1] == "name"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (6540, "1h49m"),
        (7500, "2h05m"),
        (86400, "1d"),
        (200_000, "2d7h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
