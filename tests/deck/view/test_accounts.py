"""An account's line: kind, name, status, windows, roll-up, and what stands below it."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.model import AccountRow, QuotaBar
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.accounts import AccountColumns, account_lines
from teamclaude.deck.view.wording import short_names
from tests.deck.example_model import ALICE, BOB, account, rich, tally


def lines(one: AccountRow, room: int = 100, percent: bool = False) -> list[str]:
    return [plain_text(of) for of in account_lines(one, AccountColumns([one], room, percent))]


def test_kind_name_status_windows_and_roll_up() -> None:
    assert lines(account(ALICE, ("a", "b"))) == [
        "◆ alice@example.com active  Ses[███ 2h30m    ]→    Wk[███ 3d4h     ]↑    2 agents · 2 live · 58k tok"
    ]
    paid = lines(AccountRow("paid", "apikey", "active", bars=(QuotaBar("tokens", "tokens", 0.5, 42.0),)))
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


def test_below_it_stands_why_and_what_found_no_room() -> None:
    assert lines(account(ALICE, status="benched", reason="429: 5h window is full", streak=3))[1:] == [
        "    429: 5h window is full · streak 3"
    ]
    assert lines(account(ALICE, pinned=True, last_resort=True))[1:] == [
        "    all work is pinned to it · last resort"
    ]
    opus = account(ALICE, bars=(*account(ALICE).bars, QuotaBar("7d_opus", "Opus", 0.97, 3600.0)))
    assert lines(opus, 80)[1:] == ["    Opus[███1h███ ]"]
    assert lines(opus, 40)[1:] == ["    Ses[██2h30m  ]→    Wk[██3d4h   ]↑", "    Opus[███1h███ ]"]
    assert lines(opus, 160)[1:] == [], "a wide screen has room for it"
    assert lines(account(ALICE, reason="fine"))[1:] == [], "an active one needs no reason"


def test_unknown_is_a_grey_dash() -> None:
    one = AccountRow(ALICE, status="active", bars=(QuotaBar("5h", "Ses"), QuotaBar("7d", "Wk")))
    assert "Ses[      —      ]" in lines(one)[0]


@pytest.mark.parametrize("room", [40, 52, 66, 80, 100, 116, 150, 200])
@pytest.mark.parametrize("percent", [True, False])
def test_all_lines_fit_and_windows_line_up(room: int, percent: bool) -> None:
    accounts = rich().accounts
    columns = AccountColumns(accounts, room, percent)
    shown = [account_lines(one, columns) for one in accounts]
    assert max(line_width(of) for some in shown for of in some) <= room
    starts = {plain_text(some[0]).index("Ses[") for some in shown if "Ses[" in plain_text(some[0])}
    assert len(starts) <= 1


@pytest.mark.parametrize(
    ("room", "rolled"),
    [(200, "4 agents · 4 live · 1.3M tok · $13.00"), (100, "4 agents · 1.3M tok"), (80, "1.3M tok")],
)
def test_the_roll_up_says_as_much_as_fits(room: int, rolled: str) -> None:
    one = account(ALICE, ("a", "b", "c", "d"), usage=tally(1_300_000))
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
