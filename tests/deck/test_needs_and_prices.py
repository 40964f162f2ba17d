"""The keys n and s: to whoever needs you, and what a switch costs before it is made."""

from __future__ import annotations

from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.footer import footer_lines
from teamclaude.deck.view.ui_state import ChooseRow, Command, UiState
from teamclaude.routing.switch_price import SwitchPrice
from teamclaude.values import replace
from tests.deck.test_key_bindings import FRAME, ORDER, SCREEN, STATE, after, footer


def test_n_goes_from_one_that_needs_you_to_the_next() -> None:
    needs = ("needs:node:s1", "needs:account:bob")
    screen = replace(SCREEN, frame=FRAME._replace(selectable=(*needs, *ORDER)))
    seen = []
    state = STATE
    for _ in range(3):
        state, _command = after("n", state, screen)
        assert state.scroll_to_cursor
        seen.append(state.cursor)
    assert seen == [*needs, needs[0]]
    state, _command = after("n")
    assert (state.cursor, state.notice) == ("", "nobody needs you")


def test_a_row_that_needs_you_stands_for_its_session_or_account() -> None:
    row = UiState(cursor="needs:node:s2/a")
    assert after("enter", row)[1] == [Command("show node", session="s2/a")]
    assert after("enter", UiState(cursor="needs:account:bob"))[1] == [Command("show account", account="bob")]
    state, _ = after("s", row)
    assert state.mode == ChooseRow("switch", "s2", "Fix it")
    state, _ = after("s", UiState(cursor="needs:account:bob"))
    assert state.mode == ChooseRow("switch")


def test_s_says_what_the_cold_caches_cost_before_enter() -> None:
    asked = []

    def price(account: str, session: str | None) -> SwitchPrice:
        asked.append((account, session))
        return SwitchPrice(12, 840_000, 5.25)

    screen = replace(SCREEN, switch_price=price)
    state, commands = after("s", STATE, screen)
    assert not commands
    words = footer(state, screen)
    assert words.startswith(
        "pin all work to alice  moves 12 warm caches: 840k tokens written anew, $5.25  Enter"
    )
    assert asked[-1] == ("alice", None)
    after("j", state, screen)
    assert all("$5.25" in plain_text(wording) for wording in footer_lines(state, screen))
    assert min(line_width(wording) for wording in footer_lines(state, screen)) <= 60
    one = replace(SCREEN, switch_price=lambda account, session: SwitchPrice(1, 5000, None, False, 5000))
    assert "1 warm cache: 5.0k tokens written anew, —" in footer(after("s", STATE, one)[0], one)
    none = replace(SCREEN, switch_price=lambda account, session: SwitchPrice(cost=0.0))
    assert "moves no warm cache" in footer(after("s", STATE, none)[0], none)
    assert "written" not in footer(after("d", STATE, screen)[0], screen), "a disabled account moves nothing"
