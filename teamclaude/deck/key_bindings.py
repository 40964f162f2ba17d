"""Map keys to actions: state, key and screen contents in; next state and perhaps a command out.  Pure.

Rule 1: a key that has no meaning in a mode does nothing.
Rule 2: Esc leaves every mode and undoes what was entered in it.
Rule 3: nothing changes the proxy without Enter or y, except `R`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..values import replace
from .cursor_moves import move, scroll, to_next
from .terminal.keyboard import Key
from .text.cells import clean
from .view.footer import WRITE_KEYS
from .view.pages import help_page
from .view.sections import ACCOUNT_PREFIX, ACTIVITY_PREFIX, NEED_PREFIX, NODE_PREFIX
from .view.ui_state import (
    BROWSE,
    AddAccount,
    Browse,
    ChooseRow,
    Command,
    Confirm,
    EditFilter,
    EnterSecret,
    ReadPage,
    ScreenContents,
    UiState,
)

__all__ = ["handle_key"]

MAX_INPUT = 500  # characters

Transition = tuple[UiState, Optional[Command]]


def handle_key(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    """Return the state after one key, and the command to execute, if any."""
    state = replace(state, notice="", notice_style="", scroll_to_cursor=False)
    return _MODES[type(state.mode)](state, key, screen)


# --- browsing -------------------------------------------------------------------------------------


def _handle_browse(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    if key.name in WRITE_KEYS and screen.read_only:
        return state.with_notice(
            "this Deck is read-only: change things in the server's own Deck", "warn"
        ), None
    action = _BROWSE_ACTIONS.get(key.name)
    if action is not None:
        return action(state, screen)
    return move(state, key, screen, screen.frame.selectable), None


def _escape(state: UiState, screen: ScreenContents) -> Transition:
    """Remove the cursor; when there is none, the filter."""
    return replace(state, cursor="", filter=state.filter if state.cursor else ""), None


def _enter(state: UiState, screen: ScreenContents) -> Transition:
    """Open the page of the row under the cursor."""
    kind, _, name = _row_of(state.cursor).partition(":")
    if f"{kind}:" == ACTIVITY_PREFIX:
        return state, Command("explain", request=name)
    if f"{kind}:" == ACCOUNT_PREFIX:
        return state, Command("show account", account=name)
    return state, Command("show node", session=name) if f"{kind}:" == NODE_PREFIX else None


def _row_of(cursor: str) -> str:
    """Return the id of the row that the selected one stands for, a node or an account."""
    return cursor[len(NEED_PREFIX) :] if cursor.startswith(NEED_PREFIX) else cursor


def _next_need(state: UiState, screen: ScreenContents) -> Transition:
    """Move the cursor to the next row that needs you; after the last one to the first."""
    needs = [row for row in screen.frame.selectable if row.startswith(NEED_PREFIX)]
    return (to_next(state, needs) if needs else state.with_notice("nobody needs you", "good")), None


def _quit(state: UiState, screen: ScreenContents) -> Transition:
    if screen.read_only or not screen.inflight:
        return state, Command("quit")
    what = "1 request is" if screen.inflight == 1 else f"{screen.inflight} requests are"
    return state.with_mode(Confirm(f"{what} in flight. Stop when they have finished?", Command("quit"))), None


def _switch(state: UiState, screen: ScreenContents) -> Transition:
    kind, _, key = _row_of(state.cursor).partition(":")
    node = screen.nodes.get(key) if f"{kind}:" == NODE_PREFIX else None
    if node is None:
        return _choose(state, screen, ChooseRow("switch"))
    session = screen.nodes.get(node.session, node)  # a sub-agent goes where its session goes
    return _choose(state, screen, ChooseRow("switch", node.session, session.label))


def _choose(state: UiState, screen: ScreenContents, mode: ChooseRow) -> Transition:
    order = _choosable_rows(mode, screen)
    if not order:
        what = "request" if mode.purpose == "explain" else "account"
        hint = ": Esc ends the filter" if state.filter else ""
        return state.with_notice(f"no {what} is shown{hint}", "warn"), None
    cursor = state.cursor if state.cursor in order else order[0]
    return replace(state, mode=mode, cursor=cursor, scroll_to_cursor=True), None


def _explain(state: UiState, screen: ScreenContents) -> Transition:
    if state.cursor.startswith(ACTIVITY_PREFIX):
        return _enter(state, screen)
    return _choose(state, screen, ChooseRow("explain"))


_BROWSE_ACTIONS: dict[str, Callable[[UiState, ScreenContents], Transition]] = {
    "s": _switch,
    "a": lambda state, screen: (state.with_mode(AddAccount()), None),
    "r": lambda state, screen: _choose(state, screen, ChooseRow("remove")),
    "d": lambda state, screen: _choose(state, screen, ChooseRow("disable")),
    "R": lambda state, screen: (state.with_notice("reading the config file again ..."), Command("reload")),
    "e": _explain,
    "n": _next_need,
    "b": lambda state, screen: (
        replace(state, muted=not state.muted).with_notice(
            "the bell rings again" if state.muted else "the bell is off"
        ),
        None,
    ),
    "i": lambda state, screen: (replace(state, issues_open=not state.issues_open), None),
    "t": lambda state, screen: (replace(state, tree_folded=not state.tree_folded), None),
    "/": lambda state, screen: (replace(state, mode=EditFilter(state.filter), cursor="", top=0), None),
    "?": lambda state, screen: (
        replace(state, mode=ReadPage(help_page(screen.read_only), state.top), top=0),
        None,
    ),
    "q": _quit,
    "esc": _escape,
    "enter": _enter,
}


# --- choosing -------------------------------------------------------------------------------------


def _choosable_rows(mode: ChooseRow, screen: ScreenContents) -> list[str]:
    kind = ACTIVITY_PREFIX if mode.purpose == "explain" else ACCOUNT_PREFIX
    return [row for row in screen.frame.selectable if row.startswith(kind)]


def _handle_choose(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    mode = state.mode
    assert isinstance(mode, ChooseRow)
    if key.name in ("esc", "q"):
        return replace(state, mode=BROWSE, cursor=""), None
    if key.name == "u" and mode.purpose == "switch":
        return replace(state, mode=BROWSE, cursor=""), Command("unpin", session=mode.session)
    order = _choosable_rows(mode, screen)
    if key.name != "enter":
        return move(state, key, screen, order), None
    if state.cursor not in order:  # the row disappeared meanwhile
        return state.with_notice("that row is gone: choose again", "warn"), None
    done = replace(state, mode=BROWSE, cursor="")
    name = state.cursor.partition(":")[2]
    if mode.purpose == "explain":
        return replace(done, cursor=state.cursor), Command("explain", request=name)
    if mode.purpose == "switch":
        return done, Command("pin", account=name, session=mode.session)
    if mode.purpose == "disable":
        return done, Command("enable" if screen.statuses.get(name) == "disabled" else "disable", account=name)
    return done.with_mode(
        Confirm(f"Remove {name} from the config file?", Command("remove", account=name))
    ), None


def _handle_confirm(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    mode = state.mode
    assert isinstance(mode, Confirm)
    if key.name in ("y", "Y"):
        return state.with_mode(BROWSE), mode.command
    return (state.with_mode(BROWSE) if key.name in ("n", "N", "esc", "q", "enter") else state), None


# --- typing ---------------------------------------------------------------------------------------


def _edit_input(text: str, key: Key) -> str:
    """Return the text of an input line after one key."""
    if key.name == "backspace":
        return text[:-1]
    if key.name == "ctrl-u":
        return ""
    if key.name == "paste":
        pasted = key.text.strip().splitlines()
        return (text + (clean(pasted[0]) if pasted else ""))[:MAX_INPUT]
    return (text + key.name)[:MAX_INPUT] if len(key.name) == 1 and key.name.isprintable() else text


def _handle_filter(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    mode = state.mode
    assert isinstance(mode, EditFilter)
    if key.name == "esc":
        return replace(state, mode=BROWSE, filter=mode.previous), None
    if key.name == "enter":
        return state.with_mode(BROWSE), None
    if key.name in ("up", "down", "pageup", "pagedown", "wheelup", "wheeldown", "click"):
        return move(state, key, screen, screen.frame.selectable), None
    return replace(state, filter=_edit_input(state.filter, key), top=0), None


def _handle_add(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    if key.name == "k":
        return state.with_mode(EnterSecret()), None
    if key.name == "i":
        return state.with_mode(BROWSE).with_notice("reading Claude Code's login ..."), Command("import")
    return (state.with_mode(BROWSE) if key.name in ("esc", "q", "enter") else state), None


def _handle_secret(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    mode = state.mode
    assert isinstance(mode, EnterSecret)
    if key.name == "esc":
        return state.with_mode(BROWSE), None
    if key.name == "enter":
        if not mode.text:
            return state.with_mode(BROWSE).with_notice("no key was given", "warn"), None
        return state.with_mode(BROWSE).with_notice("adding the key ..."), Command("add key", secret=mode.text)
    return state.with_mode(EnterSecret(_edit_input(mode.text, key))), None


# --- reading --------------------------------------------------------------------------------------


def _handle_page(state: UiState, key: Key, screen: ScreenContents) -> Transition:
    mode = state.mode
    assert isinstance(mode, ReadPage)
    if key.name in ("esc", "q", "enter", "?", "e"):
        return replace(state, mode=BROWSE, top=mode.return_top), None
    by = {"j": 1, "down": 1, "k": -1, "up": -1}.get(key.name)
    if by is None:
        return scroll(state, key, screen), None
    last = max(0, screen.frame.body_length - max(1, screen.frame.body_room))
    return replace(state, top=max(0, min(state.top + by, last))), None


_MODES: dict[type, Callable[[UiState, Key, ScreenContents], Transition]] = {
    Browse: _handle_browse,
    ChooseRow: _handle_choose,
    Confirm: _handle_confirm,
    EditFilter: _handle_filter,
    AddAccount: _handle_add,
    EnterSecret: _handle_secret,
    ReadPage: _handle_page,
}
