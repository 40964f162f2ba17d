"""Draw the last line: the keys, a question, or the text that is being typed."""

from __future__ import annotations

from typing import Optional

from ...routing.switch_price import SwitchPrice
from ..text.format import UNKNOWN, format_dollars, format_tokens
from ..text.spans import Line, Span, join_lines, line
from .ui_state import (
    AddAccount,
    Browse,
    ChooseRow,
    Confirm,
    EditFilter,
    EnterSecret,
    ReadPage,
    ScreenContents,
    UiState,
)

__all__ = ["WRITE_KEYS", "footer_lines"]

KEYS = (
    ("s", "switch"),
    ("a", "add"),
    ("r", "remove"),
    ("R", "reload"),
    ("d", "disable"),
    ("e", "explain"),
    ("n", "next"),
    ("/", "filter"),
    ("t", "tree"),
    ("i", "issues"),
    ("b", "bell"),
    ("?", "help"),
    ("q", "quit"),
)
# When the line is too long, keys are left out in this order.
DROP_ORDER = ("b", "i", "t", "R", "e", "r", "d", "/", "a", "n", "s")
WRITE_KEYS = frozenset("sarRd")  # they change the proxy: not on a read-only Deck
CHOICES = {
    "switch": "pin",
    "remove": "remove",
    "disable": "disable or enable",
    "explain": "explain",
}


def footer_lines(state: UiState, screen: ScreenContents) -> tuple[Line, ...]:
    """Return the wordings of the footer, longest first."""
    mode = state.mode
    if isinstance(mode, Browse):
        return _notice(state) or _browsing(state, screen)
    if isinstance(mode, ChooseRow):
        name = state.cursor.partition(":")[2]
        price = screen.switch_price(name, mode.session or None) if mode.purpose == "switch" and name else None
        return _notice(state) or _choosing(mode, name, price)
    if isinstance(mode, Confirm):
        return (line((mode.question, "warn strong"), "  y ", ("yes", "dim"), "  n ", ("no", "dim")),)
    if isinstance(mode, EditFilter):
        return _input("filter: ", state.filter, "Enter keep · Esc back")
    if isinstance(mode, AddAccount):
        wordings = [_key("k", "API key"), _key("i", "import Claude Code's login"), _key("Esc", "back")]
        return (join_lines([line(("add an account", "strong")), *wordings], "  "), join_lines(wordings, "  "))
    if isinstance(mode, EnterSecret):
        return _input("API key (not shown): ", "•" * min(len(mode.text), 24), "Enter add · Esc back")
    return _reading(mode)


def _key(key: str, what: str) -> Line:
    return line((key, "accent strong"), f" {what}")


def _notice(state: UiState) -> tuple[Line, ...]:
    return (line((state.notice, state.notice_style)),) if state.notice else ()


def _browsing(state: UiState, screen: ScreenContents) -> tuple[Line, ...]:
    keys = [key for key in KEYS if not (screen.read_only and key[0] in WRITE_KEYS)]
    marks = [
        line((f"read-only {screen.address}".rstrip(), "dim")) if screen.read_only else (),
        line(("muted", "warn")) if state.muted else (),
        line((f"filter: {state.filter}", "accent")) if state.filter else (),
    ]
    wordings = []
    for left_out in range(len(DROP_ORDER) + 1):
        gone = DROP_ORDER[:left_out]
        wordings.append(join_lines([*marks, *(_key(*key) for key in keys if key[0] not in gone)], "  "))
    return tuple(wordings)


def _choosing(mode: ChooseRow, name: str, price: Optional[SwitchPrice]) -> tuple[Line, ...]:
    what = "all work to " if mode.purpose == "switch" and not mode.session else ""
    if mode.session:
        what = f"{mode.label} to "
    target = "" if mode.purpose == "explain" else name
    lead = line((f"{CHOICES[mode.purpose]} {what}", "strong"), (target, "accent strong"))
    enter, back = _key("Enter", CHOICES[mode.purpose]), _key("Esc", "back")
    extra = [_key("u", "unpin")] if mode.purpose == "switch" else []
    if price is not None:
        return tuple(
            join_lines([lead, line((words, style)), *keys], "  ")
            for words, style in _price_words(price)
            for keys in ([enter, *extra, back], [enter, back], [line(("Enter Esc", "accent"))])
        )
    return (
        join_lines([lead, _key("j/k", "choose"), enter, *extra, back], "  "),
        join_lines([lead, enter, *extra, back], "  "),
        join_lines([lead, line(("Enter Esc", "accent"))], "  "),
        lead,
    )


def _price_words(price: SwitchPrice) -> list[tuple[str, str]]:
    """Return what a switch costs, longest wording first: it is read before Enter is pressed."""
    if not price.conversations:
        return [("moves no warm cache", "dim"), ("free", "dim")]
    tokens, cost = format_tokens(price.tokens), UNKNOWN
    if price.cost is not None:
        cost = ("~" if price.estimated else "") + format_dollars(price.cost)
        cost += "+" if price.unpriced_tokens else ""
    caches = "1 warm cache" if price.conversations == 1 else f"{price.conversations} warm caches"
    return [
        (f"moves {caches}: {tokens} tokens written anew, {cost}", "warn"),
        (f"{caches}, {tokens} tokens, {cost}", "warn"),
        (f"{tokens} tok {cost}", "warn"),
    ]


def _input(label: str, text: str, hint: str) -> tuple[Line, ...]:
    typed = line((label, "strong"), text, (" ", "reverse"))
    # A long text is cut at its beginning: the cursor is at its end.
    ends: list[Line] = [
        line((label, "strong"), "…" + text[-keep:], (" ", "reverse")) for keep in (60, 40, 20, 8)
    ]
    return ((*typed, Span(f"   {hint}", "dim")), typed, *(end for end in ends if len(text) > 8))


def _reading(mode: ReadPage) -> tuple[Line, ...]:
    back = _key("Esc", "back")
    return (join_lines([line((mode.page.title, "dim")), _key("j/k PgUp/PgDn", "scroll"), back], "  "), back)
