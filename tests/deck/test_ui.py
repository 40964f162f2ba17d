"""The Deck without a terminal: what models and keys do, and when the bell rings."""

from __future__ import annotations

from typing import Any

from teamclaude.deck.model.model import Alert
from teamclaude.deck.terminal.keyboard import Key
from teamclaude.deck.text.spans import line, plain_text
from teamclaude.deck.ui import CommandResult, DeckUi
from teamclaude.deck.view.ui_state import Browse, Command, EnterSecret, Page, ReadPage
from teamclaude.snapshot import CapacityView
from teamclaude.values import replace
from tests.deck.example_model import ALICE, bare_account, example_model

BLOCKED = Alert("blocked", "ENG-1")
REVIEW = Alert("review", "ENG-2")


def drawn_deck(**settings: Any) -> DeckUi:
    made = DeckUi(example_model(activity=()), **settings)
    made.draw(80, 24)
    return made


def press(on: DeckUi, *names: str) -> list[Command]:
    """Press keys one after the other, each on a newly drawn screen."""
    commands = []
    for name in names:
        commands += on.press_keys([Key(name)])
        on.draw(80, 24)
    return commands


def text(on: DeckUi) -> list[str]:
    return [plain_text(shown) for shown in on.draw(80, 24)]


# --- the bell ---------------------------------------------------------------------------------


def test_the_bell_rings_once_for_each_new_alert() -> None:
    deck = drawn_deck()
    assert not deck.update(example_model(alerts=frozenset({BLOCKED}))), "the first frame is being looked at"
    assert not deck.update(example_model(alerts=frozenset({BLOCKED})))
    assert deck.update(example_model(alerts=frozenset({BLOCKED, REVIEW})))
    assert not deck.update(example_model(alerts=frozenset({BLOCKED, REVIEW})))
    assert not deck.update(example_model(alerts=frozenset({REVIEW}))), "fewer alerts do not ring"
    assert deck.update(example_model(alerts=frozenset({REVIEW, BLOCKED}))), "it needs you again"


def test_a_muted_bell_does_not_ring_afterwards_for_what_came_meanwhile() -> None:
    deck = drawn_deck()
    deck.update(example_model())
    press(deck, "b")
    assert not deck.update(example_model(alerts=frozenset({BLOCKED})))
    assert any("muted" in shown or "bell is off" in shown for shown in text(deck)[-1:])
    press(deck, "b")
    assert not deck.update(example_model(alerts=frozenset({BLOCKED})))
    assert deck.update(example_model(alerts=frozenset({BLOCKED, REVIEW})))


# --- keys on the screen -----------------------------------------------------------------------


def test_keys_work_on_what_is_on_the_screen() -> None:
    deck = drawn_deck()
    assert press(deck, "s", "j", "enter") == [Command("pin", account="bob@example.com")]
    assert press(deck, "q") == [Command("quit")]
    deck.update(example_model())
    deck.draw(80, 24)
    assert press(deck, "q") == []
    assert "2 requests are in flight" in text(deck)[-1]
    assert press(deck, "y") == [Command("quit")]


def test_the_cursor_stays_on_its_row_while_rows_move() -> None:
    deck = drawn_deck()
    press(deck, "s", "esc", *"jjjjjjjjj")
    chosen = deck.state.cursor
    assert chosen == f"account:{ALICE}"
    accounts = example_model().accounts
    deck.update(example_model(activity=(), trees=(), accounts=(*accounts[1:], accounts[0])))
    deck.draw(80, 60)
    assert deck.state.cursor == chosen


def test_the_cursor_stays_on_its_line_of_the_screen_when_rows_are_sorted_anew() -> None:
    deck = drawn_deck()
    deck.update(example_model())
    deck.draw(80, 24)
    press(deck, *"jjjjjjjjjj")
    deck.draw(80, 24)
    before = next(n for n, of in enumerate(deck.draw(80, 24)) if of and "reverse" in of[0].style)
    model = example_model()
    needs = (
        *model.needs_you,
        *(row._replace(view=row.view._replace(session=f"x{n}")) for n, row in enumerate(model.needs_you)),
    )
    deck.update(example_model(needs_you=needs))
    after = next(n for n, of in enumerate(deck.draw(80, 24)) if of and "reverse" in of[0].style)
    assert after == before
    press(deck, "pagedown")
    deck.draw(80, 24)
    top = deck.state.top
    deck.update(example_model(needs_you=needs))
    deck.draw(80, 24)
    assert deck.state.top == top, "after scrolling away nothing moves"


def test_enter_opens_a_row_in_full_and_esc_goes_back() -> None:
    deck = drawn_deck()
    press(deck, *"jjjjjj", "enter")
    shown = text(deck)
    assert shown[0] == "🐝 ENG-3"
    assert "  about       Port the rounding tests" in shown
    assert "  works for   ENG-2" in shown
    assert "  leads       Explore: where is rounding done" in shown
    press(deck, "esc")
    assert text(deck)[0].startswith("TeamClaude")
    press(deck, "s", "esc", *"jjjjjjjjj", "enter")
    shown = text(deck)
    assert shown[0] == ALICE
    assert "  Ses         50% used, resets in 2h30m, on its line" in shown


def test_a_row_that_is_gone_opens_nothing() -> None:
    deck = drawn_deck()
    press(deck, "j")
    deck.update(replace(example_model(), nodes={}, trees=(), accounts=(), unassigned=(), activity=()))
    press(deck, "enter")
    assert deck.state.mode == Browse()


def test_outcomes_are_notices_or_pages() -> None:
    deck = drawn_deck()
    deck.show_result(CommandResult("alice is removed", "good"))
    assert text(deck)[-1].startswith("alice is removed")
    deck.show_result(CommandResult(page=Page("why", (line("because"),))))
    assert text(deck)[:2] == ["why", "because"]
    deck.show_result(CommandResult(page=Page("why else", ())))
    press(deck, "esc")
    assert not isinstance(deck.state.mode, ReadPage), "a page over a page leads back to the rows"


# --- pasted text ------------------------------------------------------------------------------


def test_a_notice_that_a_server_wrote_is_not_obeyed() -> None:
    deck = drawn_deck()
    deck.show_result(CommandResult("it says \x1b[2J\x1b]0;title\x07 \u202eno", "bad"))
    (footer,) = [row for row in text(deck) if "it says" in row]
    assert footer.startswith("it says no")
    assert footer.isprintable()
    assert "\u202e" not in footer


def test_text_pasted_without_brackets_while_browsing_presses_no_keys() -> None:
    deck = drawn_deck()
    assert deck.press_keys([Key(letter) for letter in "sk-ant-api03-FAKEdrRq"]) == []
    assert "pasted text is ignored" in text(deck)[-1]
    deck.press_keys([Key("j")] * 40)  # a key held down is no paste
    assert deck.state.cursor.startswith("activity:") or deck.state.cursor


def test_text_after_a_pasted_key_is_dropped() -> None:
    deck = drawn_deck()
    press(deck, "a", "k")
    keys = [*map(Key, "sk-ant-api03-FAKE"), Key("enter"), Key("R"), Key("q")]
    assert deck.press_keys(keys) == [Command("add key", secret="sk-ant-api03-FAKE")]
    assert not isinstance(deck.state.mode, EnterSecret)


# --- life -------------------------------------------------------------------------------------


def test_it_is_animated_only_with_requests_and_countdowns_of_seconds() -> None:
    calm = example_model(activity=(), accounts=example_model().accounts[:1])
    calm = replace(calm, proxy=replace(calm.proxy, capacity=CapacityView("green", 3, 3, 0, 3)))
    assert not DeckUi(calm).is_animated
    assert DeckUi(replace(calm, activity=example_model().activity)).is_animated
    assert DeckUi(replace(calm, proxy=example_model().proxy)).is_animated, "next 42s"
    benched = bare_account("carol", status="benched", bench_sec=30.0)
    assert DeckUi(replace(calm, accounts=(benched,))).is_animated
    assert not DeckUi(
        replace(calm, accounts=(bare_account("carol", status="benched", bench_sec=3000.0),))
    ).is_animated


def test_spinners_turn_with_each_model() -> None:
    deck = DeckUi(example_model())
    seen = set()
    for _ in range(12):
        deck.update(example_model())
        seen |= {plain_text(of)[0] for of in deck.draw(80, 60) if " ··· " in plain_text(of)}
    assert len(seen) == 10


def test_an_ascii_terminal_gets_ascii_on_every_page() -> None:
    deck = DeckUi(example_model(), ascii=True, percent=True)
    for keys in ([], ["?"], ["esc", "j", "enter"], ["esc", "a", "k", "x"], ["esc", "/", "ü"]):
        press(deck, *keys)
        assert all(shown.isascii() for shown in text(deck)), keys
