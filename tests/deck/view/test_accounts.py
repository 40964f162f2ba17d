"""An account's line: kind, name, status, windows, summary, and the lines below it."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any

import pytest

from teamclaude.deck.model.model import AccountRow, QuotaBar
from teamclaude.deck.text.names import short_names
from teamclaude.deck.text.spans import Line, line_width, plain_text
from teamclaude.deck.view.accounts import AccountColumns, account_lines, bar_line, bars_line
from teamclaude.snapshot import ProbeView
from teamclaude.values import replace
from tests.deck.example_model import ALICE, BOB, account, bare_account, example_model, spent


def lines(one: AccountRow, room: int = 100, percent: bool = False) -> list[str]:
    return [plain_text(of) for of in account_lines(one, AccountColumns([one], room, percent))]


def test_kind_name_status_windows_and_summary() -> None:
    assert lines(account(ALICE, ("a", "b"))) == [
        "◆ alice@example.com active  Ses[███ 2h30m    ]→    Wk[███ 3d4h     ]↑            2 agents · 58k burn"
    ]
    paid = lines(
        bare_account("paid", type="apikey", status="active", bars=(QuotaBar("tokens", "tokens", 0.5, 42.0),))
    )
    assert paid[0].startswith("◇ paid active  tokens[████ 42s     ]")
    assert paid[0].endswith("no agents")


@pytest.mark.parametrize(
    ("fields", "word", "style"),
    [
        ({"status": "active"}, "active", "good"),
        ({"status": "benched", "bench_sec": 42.0}, "benched 42s", "warn"),
        ({"status": "benched"}, "benched", "warn"),
        ({"status": "auth_failed"}, "login", "bad strong"),
        ({"status": "disabled"}, "disabled", "dim"),
        ({"status": "of another version"}, "of another ve…", ""),
    ],
)
def test_the_status_has_its_word_and_colour(fields: dict[str, Any], word: str, style: str) -> None:
    one = account(ALICE, **fields)
    (first, *_) = account_lines(one, AccountColumns([one], 120, False))
    assert [span.style for span in first if span.text == word] == [style]
    assert first[0].style == style, "the mark has the colour of the status"


def test_the_lines_below_show_the_reason_and_what_did_not_fit() -> None:
    assert lines(account(ALICE, status="benched", status_reason="429: 5h window is full", streak=3))[1:] == [
        "    429: 5h window is full · streak 3"
    ]
    assert lines(account(ALICE, pinned=True, last_resort=True))[1:] == [
        "    all work is pinned to it · last resort"
    ]
    assert lines(account(ALICE, used_elsewhere_per_hour=0.22))[1:] == ["    used elsewhere: 22 %/h"]
    probe = ProbeView(0.0, "429", datetime(2026, 5, 1, 14, 5).timestamp())
    assert lines(account(ALICE, quota_probe=probe))[1:] == ["    probe: 429, next 14:05"]
    assert lines(account(ALICE, quota_probe=ProbeView(0.0)))[1:] == []
    opus = account(ALICE, bars=(*account(ALICE).bars, QuotaBar("7d_opus", "Opus", 0.97, 3600.0)))
    assert lines(opus, 80)[1:] == ["    Opus[███1h███ ]"]
    assert lines(opus, 40)[1:] == ["    Ses[██2h30m  ]→    Wk[██3d4h   ]↑", "    Opus[███1h███ ]"]
    assert lines(opus, 160)[1:] == [], "a wide screen has room for it"
    active = account(ALICE, status_reason="API unreachable", usable=True)
    assert lines(active)[1:] == ["    API unreachable"], "it takes no new conversation"
    live = replace(active, view=replace(active.view, live=True))
    assert lines(live)[1:] == [], "one that serves needs no reason"
    limited = account(ALICE, status_reason="7d at 61%, maxUsage 60%", usable=False)
    assert lines(limited)[1:] == ["    7d at 61%, maxUsage 60%"], "its owner keeps it from work"


def test_unknown_is_a_grey_dash() -> None:
    one = bare_account(ALICE, status="active", bars=(QuotaBar("5h", "Ses"), QuotaBar("7d", "Wk")))
    assert "Ses[      —      ]" in lines(one)[0]


@pytest.mark.parametrize("room", [40, 52, 66, 80, 100, 116, 150, 200])
@pytest.mark.parametrize("percent", [True, False])
def test_all_lines_fit_and_windows_line_up(room: int, percent: bool) -> None:
    accounts = example_model().accounts
    columns = AccountColumns(accounts, room, percent)
    shown = [account_lines(one, columns) for one in accounts]
    assert max(line_width(of) for some in shown for of in some) <= room
    starts = {plain_text(some[0]).index("Ses[") for some in shown if "Ses[" in plain_text(some[0])}
    assert len(starts) <= 1


@pytest.mark.parametrize(
    ("room", "rolled"),
    [(200, "4 agents · 4 live · 1.3M burn · $13.00"), (100, "4 agents · 1.3M burn"), (80, "1.3M burn")],
)
def test_the_summary_is_as_long_as_fits(room: int, rolled: str) -> None:
    one = account(ALICE, ("a", "b", "c", "d"), usage=spent(1_300_000))
    assert lines(one, room)[0].endswith(f" {rolled}")


def test_names_are_short_where_that_leaves_them_different() -> None:
    assert short_names([ALICE, BOB, "carol"]) == {ALICE: "alice", BOB: "bob", "carol": "carol"}
    twins = ["me@home.org", "me@work.com", "you@work.com", "@odd"]
    assert short_names(twins) == {
        "me@home.org": "me@home.org",
        "me@work.com": "me@work.com",
        "you@work.com": "you",
        "@odd": "@odd",
    }


# --- bars -----------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("percent", [True, False])
def test_the_width_of_a_bar_depends_on_no_value(inner: int, percent: bool) -> None:
    for used, left in product([None, 0.0, 0.33, 0.97, 2.0], [None, 5.0, 9000.0, 6e5, 1e9]):
        shown = bar_line(bar(used, left, pace="ahead", full_sec=1e7), inner, percent)
        assert line_width(shown) == len("Ses[]") + inner + 4 + (5 if percent else 0), (used, left)


def test_bars_that_find_no_room_are_left_for_the_next_line() -> None:
    three = [bar(), QuotaBar("7d", "Wk", 0.3, HOUR), QuotaBar("7d_opus", "Opus", 0.3, HOUR)]
    shown, others = bars_line(three, 9, False, 40)
    assert plain_text(shown) == "Ses[██2h30m  ]     Wk[███1h    ]"
    assert list(others) == three[2:]
    assert bars_line(three, 9, False, 10) == ((), three)
