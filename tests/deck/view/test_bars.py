"""Quota windows as bars: fill, label, colour, and the arrow that tells the pace."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.model import QuotaBar
from teamclaude.deck.text.spans import Line, line_width, plain_text
from teamclaude.deck.view.bars import bar_line, bar_width, bars_line

HOUR = 3600.0


def bar(used: Any = 0.5, left: Any = 9000.0, **fields: Any) -> QuotaBar:
    return QuotaBar("5h", "Ses", used, left, **fields)


def styles(of: Line) -> list[tuple[str, str]]:
    return [(span.text, span.style) for span in of]


@pytest.mark.parametrize(
    ("used", "inner", "shown"),
    [
        (0.0, 9, "Ses[  2h30m  ]"),
        (0.25, 9, "Ses[██2h30m  ]"),
        (1.0, 9, "Ses[██2h30m██]"),
        (1.13, 9, "Ses[██2h30m██]"),
        (0.5, 16, "Ses[████ 2h30m      ]"),
        (0.8, 16, "Ses[████ 2h30m ██   ]"),
        (None, 9, "Ses[    —    ]"),
    ],
)
def test_the_fill_is_what_is_used_and_the_label_the_time_to_the_reset(
    used: Any, inner: int, shown: str
) -> None:
    assert plain_text(bar_line(bar(used), inner, False)) == shown


def test_what_is_filled_below_the_label_is_reversed() -> None:
    assert styles(bar_line(bar(0.5), 9, False))[1:4] == [
        ("██", "good"),
        ("2h", "good reverse"),
        ("30m", ""),
    ]


@pytest.mark.parametrize(
    ("used", "style"), [(0.0, ""), (0.69, "good"), (0.7, "warn"), (0.899, "warn"), (0.9, "bad"), (1.2, "bad")]
)
def test_green_below_seventy_yellow_below_ninety_then_red(used: float, style: str) -> None:
    fills = {span.style for span in bar_line(bar(used, None), 9, False) if "█" in span.text}
    assert fills == ({style} if style else set())


def test_a_little_is_seen_and_nearly_full_is_not_full() -> None:
    assert plain_text(bar_line(bar(0.01, None), 9, False)) == "Ses[█        ]"
    assert plain_text(bar_line(bar(0.99, None), 9, False)) == "Ses[████████ ]"


def test_unknown_is_a_grey_dash_and_unknown_reset_has_no_label() -> None:
    assert ("—".center(9), "dim") in styles(bar_line(bar(None), 9, False))
    assert plain_text(bar_line(bar(0.5, None), 9, True)) == "Ses[████     ]  50%"
    assert "—" in plain_text(bar_line(bar(None), 9, True))[-2:]


@pytest.mark.parametrize(
    ("pace", "runs_out", "shown", "style"),
    [
        ("behind", None, "↑", "good"),
        ("on", None, "→", "dim"),
        ("ahead", 5 * HOUR, "↓5h", "warn"),
        ("ahead", 2700.0, "↓45m", "warn"),
        ("ahead", 42.0, "↓42s", "warn"),
        ("ahead", 80 * HOUR, "↓3d", "warn"),
        ("ahead", None, "↓", "warn"),
        ("", None, "", ""),
    ],
)
def test_the_arrow(pace: str, runs_out: Any, shown: str, style: str) -> None:
    last = bar_line(bar(pace=pace, full_sec=runs_out), 9, False)[-1]
    assert (last.text.rstrip(), last.style) == (shown, style)


@pytest.mark.parametrize("inner", [5, 9, 13, 22])
@pytest.mark.parametrize("used", [None, 0.0, 0.33, 0.97, 2.0])
@pytest.mark.parametrize("left", [None, 5.0, 9000.0, 6e5, 1e9])
@pytest.mark.parametrize("percent", [True, False])
def test_every_bar_is_as_wide_as_it_says(inner: int, used: Any, left: Any, percent: bool) -> None:
    one = bar(used, left, pace="ahead", full_sec=1e7)
    assert line_width(bar_line(one, inner, percent)) == bar_width(one, inner, percent)


def test_bars_that_find_no_room_are_left_for_the_next_line() -> None:
    three = [bar(), QuotaBar("7d", "Wk", 0.3, HOUR), QuotaBar("7d_opus", "Opus", 0.3, HOUR)]
    shown, others = bars_line(three, 9, False, 40)
    assert plain_text(shown) == "Ses[██2h30m  ]     Wk[███1h    ]"
    assert list(others) == three[2:]
    assert bars_line(three, 9, False, 10) == ((), three)
