"""What each key does: pure transitions of the state."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from teamclaude.deck.key_bindings import handle_key
from teamclaude.deck.terminal.keyboard import Key
from teamclaude.deck.text.spans import line, plain_text
from teamclaude.deck.view.footer import footer_lines
from teamclaude.deck.view.ui_state import (
    AddAccount,
    Browse,
    ChooseRow,
    Command,
    Confirm,
    EditFilter,
    EnterSecret,
    Frame,
    Page,
    ReadPage,
    ScreenContents,
    UiState,
)
from teamclaude.values import replace
from tests.deck.example_model import node

ORDER = ("node:s1", "account:alice", "node:s2", "account:bob", "activity:r1", "activity:r2")
FRAME = Frame(
    selectable=ORDER,
    visible=("", "", "account:alice", "node:s2", "", "account:bob"),
    section_starts=(4, 10, 20),
    body_length=60,
    body_room=6,
)
SCREEN = ScreenContents(
    FRAME,
    statuses={"alice": "active", "bob": "disabled"},
    nodes={"s1": node("s1", "ENG-1"), "s2": node("s2", "Fix it"), "s2/a": node("s2/a", "Explore")},
)
STATE = UiState()
PAGE = Page("A page", (line("text"),))


def after(
    keys: str, state: UiState = STATE, screen: ScreenContents = SCREEN
) -> tuple[UiState, list[Command]]:
    """Return the state after some keys, and their commands."""
    commands = []
    for name in keys.split():
        state, command = handle_key(state, Key(" " if name == "space" else name), screen)
        commands += [command] if command else []
    return state, commands


def footer(state: UiState, screen: ScreenContents = SCREEN) -> str:
    return plain_text(footer_lines(state, screen)[0])


# --- moving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        ("j", "account:alice"),
        ("down", "account:alice"),
        ("k", "account:bob"),
        ("j j", "node:s2"),
        ("j j j j j j j j", "activity:r2"),
        ("j k k k", "node:s1"),
        ("j j up", "account:alice"),
    ],
)
def test_the_cursor_starts_at_a_visible_row_and_moves_in_the_order_shown(keys: str, cursor: str) -> None:
    state, commands = after(keys)
    assert state.cursor == cursor
    assert state.scroll_to_cursor
    assert not commands


def test_the_cursor_stays_on_its_row_when_the_order_changes() -> None:
    state, _ = after("j j")
    state, _ = after(
        "j",
        state,
        replace(
            SCREEN, frame=FRAME._replace(selectable=("node:s2", "account:bob", "account:alice", "node:s1"))
        ),
    )
    assert state.cursor == "account:bob"


def test_a_cursor_whose_row_is_gone_restarts_at_a_visible_row() -> None:
    state, _ = after("j", UiState(cursor="node:gone"))
    assert state.cursor == "account:alice"


def test_esc_takes_the_cursor_away_and_then_the_filter() -> None:
    state = UiState(cursor="node:s1", filter="eng")
    state, _ = after("esc", state)
    assert (state.cursor, state.filter) == ("", "eng")
    state, _ = after("esc", state)
    assert state.filter == ""


@pytest.mark.parametrize(
    ("key", "top"),
    [
        ("pagedown", 24),
        ("space", 24),
        ("pageup", 16),
        ("wheeldown", 23),
        ("wheelup", 17),
        ("home", 0),
        ("g", 0),
        ("end", 54),
        ("G", 54),
        ("tab", 0),
        ("backtab", 10),
    ],
)
def test_scrolling(key: str, top: int) -> None:
    state, _ = after(key, UiState(top=20))
    assert state.top == top
    assert not state.scroll_to_cursor
    assert 0 <= after(key, UiState(top=54))[0].top <= 54
    assert 0 <= after(key, UiState(top=0))[0].top <= 54


def test_tab_goes_from_section_to_section_and_round() -> None:
    tops, state = [], UiState()
    for _ in range(4):
        state, _ = after("tab", state)
        tops.append(state.top)
    assert tops == [4, 10, 20, 0]


def test_a_click_selects_the_row_under_it() -> None:
    assert handle_key(UiState(), Key("click", row=3), SCREEN)[0].cursor == "node:s2"
    for row in (0, 4, 99):
        assert handle_key(UiState(cursor="node:s1"), Key("click", row=row), SCREEN)[0].cursor == "node:s1"


# --- views ------------------------------------------------------------------------------------


def test_switches_of_the_view() -> None:
    state, commands = after("i t b")
    assert state.issues_open
    assert state.tree_folded
    assert state.muted
    assert not commands
    assert state.notice == "the bell is off"
    state, _ = after("i t b", state)
    assert not (state.issues_open)
    assert not (state.tree_folded)
    assert not (state.muted)
    assert state.notice == "the bell rings again"


def test_a_notice_disappears_with_the_next_key() -> None:
    state = UiState().with_notice("done", "good")
    assert footer(state) == "done"
    assert footer(after("j", state)[0]).startswith("s switch")


def test_help_is_a_page_and_returns_to_the_old_position() -> None:
    state, _ = after("?", UiState(top=17))
    assert isinstance(state.mode, ReadPage)
    assert state.top == 0
    for key in ("?", "esc", "q", "enter"):
        back, commands = after(key, state)
        assert back.mode == Browse()
        assert back.top == 17
        assert not commands


def test_a_page_scrolls_by_lines_and_by_screens() -> None:
    state = UiState(mode=ReadPage(PAGE, 0))
    assert after("j", state)[0].top == 1
    assert after("j j k", state)[0].top == 1
    assert after("up", state)[0].top == 0
    assert after("pagedown", state)[0].top == 4
    assert after("end j", state)[0].top == 54


# --- filter -----------------------------------------------------------------------------------


def test_a_filter_is_typed_kept_or_taken_back() -> None:
    state, _ = after("/ E n G", UiState(top=9, cursor="node:s1"))
    assert (state.filter, state.top, state.cursor) == ("EnG", 0, "")
    assert isinstance(state.mode, EditFilter)
    assert footer(state).startswith("filter: EnG")
    assert after("backspace", state)[0].filter == "En"
    assert after("ctrl-u", state)[0].filter == ""
    kept, _ = after("enter", state)
    assert kept.mode == Browse()
    assert kept.filter == "EnG"
    assert "filter: EnG" in footer(kept)
    again, _ = after("/ x esc", kept)
    assert again.filter == "EnG", "Esc brings back what was before"


def test_letters_are_letters_while_a_filter_is_typed() -> None:
    state, commands = after("/ q r s R ? space b")
    assert state.filter == "qrsR? b"
    assert not commands


def test_moving_and_pasting_work_while_filtering() -> None:
    state, _ = after("/ down")
    assert state.cursor == "account:alice"
    state, _ = handle_key(state, Key("paste", "  eng\x1b[31m-7\nsecond line"), SCREEN)
    assert state.filter == "eng-7"


# --- accounts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        ("s enter", Command("pin", account="alice")),
        ("s j enter", Command("pin", account="bob")),
        ("s j k enter", Command("pin", account="alice")),
        ("s u", Command("unpin")),
        ("d enter", Command("disable", account="alice")),
        ("d j enter", Command("enable", account="bob")),
        ("r j enter y", Command("remove", account="bob")),
        ("R", Command("reload")),
        ("a i", Command("import")),
        ("e enter", Command("explain", request="r1")),
        ("e j enter", Command("explain", request="r2")),
    ],
)
def test_a_choice_becomes_a_command(keys: str, command: Command) -> None:
    state, commands = after(keys)
    assert commands == [command]
    assert state.mode == Browse()


@pytest.mark.parametrize(
    "keys", ["s esc", "d esc", "r esc", "r enter n", "r enter esc", "a esc", "a k esc", "e q"]
)
def test_esc_leaves_every_mode_without_a_trace(keys: str) -> None:
    state, commands = after(keys)
    assert commands == []
    assert state.mode == Browse()
    assert state.cursor == ""


def test_removing_asks_and_names_the_account() -> None:
    state, _ = after("r j enter")
    assert isinstance(state.mode, Confirm)
    assert footer(state) == "Remove bob from the config file?  y yes  n no"
    assert after("x", state) == (state, []), "any other key does nothing"


def test_the_choice_begins_at_the_cursor() -> None:
    assert after("s", UiState(cursor="account:bob"))[0].cursor == "account:bob"
    assert after("d enter", UiState(cursor="account:bob"))[1] == [Command("enable", account="bob")]
    assert after("e", UiState(cursor="activity:r2"))[1] == [Command("explain", request="r2")]


def test_a_session_under_the_cursor_is_pinned_alone() -> None:
    state, _ = after("s", UiState(cursor="node:s2/a"))
    assert state.mode == ChooseRow("switch", "s2", "Fix it"), "a sub-agent goes with its session"
    assert footer(state).startswith("pin Fix it to alice")
    assert after("enter", state)[1] == [Command("pin", account="alice", session="s2")]
    assert after("u", state)[1] == [Command("unpin", session="s2")]


def test_an_account_that_is_removed_while_it_is_chosen_is_not_acted_on() -> None:
    state, _ = after("d j")
    left = replace(SCREEN, frame=FRAME._replace(selectable=("node:s1", "account:alice")))
    state, commands = after("enter", state, left)
    assert commands == []
    assert isinstance(state.mode, ChooseRow)
    assert "gone" in footer(state, left)


def test_where_there_is_nothing_to_choose_it_says_so() -> None:
    nobody = replace(SCREEN, frame=FRAME._replace(selectable=("node:s1",)))
    for key, what in (("s", "no account"), ("e", "no request")):
        state, _ = after(key, UiState(filter="x"), nobody)
        assert state.mode == Browse()
        assert state.notice == f"{what} is shown: Esc ends the filter"


def test_enter_shows_the_row_in_full() -> None:
    assert after("enter", UiState(cursor="node:s1"))[1] == [Command("show node", session="s1")]
    assert after("enter", UiState(cursor="account:bob"))[1] == [Command("show account", account="bob")]
    assert after("enter", UiState(cursor="activity:r1"))[1] == [Command("explain", request="r1")]
    assert after("enter")[1] == []


# --- the key ----------------------------------------------------------------------------------


def test_a_key_is_typed_hidden() -> None:
    state, _ = after("a k s e c")
    assert isinstance(state.mode, EnterSecret)
    assert footer(state).startswith("API key (not shown): •••")
    assert "sec" not in footer(state)
    assert "sec" not in repr(state)
    state, commands = after("backspace x enter", state)
    assert commands == [Command("add key", secret="sex")]
    assert "sex" not in repr(commands)


def test_a_pasted_key_loses_its_line_end_and_nothing_else() -> None:
    state, _ = handle_key(after("a k")[0], Key("paste", " sk-ant-api03-FAKE \nq\n"), SCREEN)
    assert after("enter", state)[1] == [Command("add key", secret="sk-ant-api03-FAKE")]


def test_no_key_is_no_command() -> None:
    state, commands = after("a k enter")
    assert commands == []
    assert state.notice == "no key was given"


def test_a_paste_while_browsing_does_nothing() -> None:
    assert handle_key(UiState(), Key("paste", "dqr"), SCREEN) == (UiState(), None)


# --- leaving ----------------------------------------------------------------------------------


def test_q_asks_while_requests_are_in_flight() -> None:
    assert after("q")[1] == [Command("quit")]
    busy = replace(SCREEN, inflight=3)
    state, commands = after("q", UiState(), busy)
    assert commands == []
    assert "3 requests are in flight" in footer(state)
    assert after("n", state, busy)[1] == []
    assert after("y", state, busy)[1] == [Command("quit")]
    one = after("q", UiState(), replace(SCREEN, inflight=1))[0]
    assert "1 request is in flight" in footer(one)


def test_a_read_only_deck_changes_nothing_and_quits_at_once() -> None:
    watching = replace(SCREEN, read_only=True, inflight=3, address="http://host:1")
    for key in "sarRd":
        state, commands = after(key, UiState(), watching)
        assert commands == []
        assert state.mode == Browse()
        assert "read-only" in state.notice
    assert after("q", UiState(), watching)[1] == [Command("quit")]
    shown = footer(UiState(), watching)
    assert shown.startswith("read-only http://host:1")
    assert "switch" not in shown
    assert "e explain" in shown
    assert after("e enter", UiState(), watching)[1] == [Command("explain", request="r1")]


@pytest.mark.parametrize(
    "mode",
    [
        Browse(),
        ChooseRow("switch"),
        ChooseRow("explain"),
        Confirm("?", Command("quit")),
        EditFilter(""),
        AddAccount(),
        EnterSecret(),
        ReadPage(PAGE, 0),
    ],
)
def test_no_key_breaks_any_mode(mode: Any) -> None:
    names = [*"abcdeRsqy/?tiu 1ü", "enter", "esc", "tab", "up", "click", "paste", "backspace", "f1"]
    for name, screen in product(names, (SCREEN, ScreenContents())):
        state, command = handle_key(UiState(mode=mode), Key(name, "text", 2), screen)
        ways = footer_lines(state, screen)
        assert ways
        assert all(plain_text(way) or not way for way in ways)
        assert command is None or command.action
