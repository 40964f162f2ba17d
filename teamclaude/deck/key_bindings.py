"""What each key does: a desk, a key and the scene in; the next desk, and maybe a command, out.  Pure.

Rules: a key that means nothing in a mode does nothing; Esc leaves every mode without a trace; nothing that
changes the proxy happens without Enter or y, except `R`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Optional

from .terminal.keyboard import Key
from .text.cells import clean
from .view.pages import help_page
from .view.sections import ACCOUNT_PREFIX, ACTIVITY_PREFIX, NODE_PREFIX
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

WHEEL_LINES = 3  # lines
MAX_INPUT = 500  # characters of an input

Transition = tuple[UiState, Optional[Command]]


def handle_key(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    """What one key does."""
    desk = replace(desk, notice="", notice_style="", scroll_to_cursor=False)
    return _MODES[type(desk.mode)](desk, key, scene)


def _without_command(desk: UiState) -> Transition:
    return desk, None


# --- looking --------------------------------------------------------------------------------------


def _handle_browse(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    if key.name in _WRITE_KEYS and scene.read_only:
        return desk.with_notice("this Deck only watches: the server's own can change things", "warn"), None
    action = _BROWSE_ACTIONS.get(key.name)
    if action is not None:
        return action(desk, scene)
    return _without_command(_move(desk, key, scene, scene.selectable))


def _move(desk: UiState, key: Key, scene: ScreenContents, order: Sequence[str]) -> UiState:
    """Cursor and scrolling."""
    if key.name in ("j", "down"):
        return _move_cursor(desk, scene, order, 1)
    if key.name in ("k", "up"):
        return _move_cursor(desk, scene, order, -1)
    if key.name == "click":
        target = scene.visible[key.row] if key.row < len(scene.visible) else ""
        return replace(desk, cursor=target) if target in order else desk
    return _scroll(desk, key, scene)


def _scroll(desk: UiState, key: Key, scene: ScreenContents) -> UiState:
    sight = max(1, len(scene.visible))
    last = max(0, scene.body_length - sight)
    top = desk.top
    if key.name == "tab":
        top = next((start for start in scene.section_starts if start > desk.top), 0)
    elif key.name == "backtab":
        top = next((start for start in reversed(scene.section_starts) if start < desk.top), last)
    else:
        top += _SCROLLS[key.name](sight, scene.body_length) if key.name in _SCROLLS else 0
    return replace(desk, top=max(0, min(top, last)))


_SCROLLS: dict[str, Callable[[int, int], int]] = {
    "pagedown": lambda sight, length: max(1, sight - 2),
    " ": lambda sight, length: max(1, sight - 2),
    "pageup": lambda sight, length: -max(1, sight - 2),
    "wheeldown": lambda sight, length: WHEEL_LINES,
    "wheelup": lambda sight, length: -WHEEL_LINES,
    "home": lambda sight, length: -length,
    "g": lambda sight, length: -length,
    "end": lambda sight, length: length,
    "G": lambda sight, length: length,
}


def _move_cursor(desk: UiState, scene: ScreenContents, order: Sequence[str], by: int) -> UiState:
    """The cursor one row on in the order shown; the first time onto a row in sight."""
    if not order:
        return desk
    if desk.cursor in order:
        place = order.index(desk.cursor) + by
        cursor = order[max(0, min(place, len(order) - 1))]
    else:
        seen = [row for row in scene.visible if row in order] or list(order)
        cursor = seen[0] if by > 0 else seen[-1]
    return replace(desk, cursor=cursor, scroll_to_cursor=True)


def _escape(desk: UiState, scene: ScreenContents) -> Transition:
    """The cursor goes first, then the filter."""
    return replace(desk, cursor="", filter=desk.filter if desk.cursor else ""), None


def _enter(desk: UiState, scene: ScreenContents) -> Transition:
    """What is under the cursor, in full."""
    kind, _, name = desk.cursor.partition(":")
    if f"{kind}:" == ACTIVITY_PREFIX:
        return desk, Command("explain", request=name)
    if f"{kind}:" == ACCOUNT_PREFIX:
        return desk, Command("show account", account=name)
    return desk, Command("show node", session=name) if f"{kind}:" == NODE_PREFIX else None


def _quit(desk: UiState, scene: ScreenContents) -> Transition:
    if scene.read_only or not scene.inflight:
        return desk, Command("quit")
    what = "1 request is" if scene.inflight == 1 else f"{scene.inflight} requests are"
    return desk.with_mode(Confirm(f"{what} in flight. Stop when they have finished?", Command("quit"))), None


def _switch(desk: UiState, scene: ScreenContents) -> Transition:
    node = scene.nodes.get(desk.cursor[len(NODE_PREFIX) :]) if desk.cursor.startswith(NODE_PREFIX) else None
    if node is None:
        return _choose(desk, scene, ChooseRow("switch"))
    session = scene.nodes.get(node.session, node)  # a sub-agent goes where its session goes
    return _choose(desk, scene, ChooseRow("switch", node.session, session.label))


def _choose(desk: UiState, scene: ScreenContents, mode: ChooseRow) -> Transition:
    order = _choosable_rows(mode, scene)
    if not order:
        what = "request" if mode.purpose == "explain" else "account"
        hint = ": Esc ends the filter" if desk.filter else ""
        return desk.with_notice(f"no {what} is shown{hint}", "warn"), None
    cursor = desk.cursor if desk.cursor in order else order[0]
    return replace(desk, mode=mode, cursor=cursor, scroll_to_cursor=True), None


def _explain(desk: UiState, scene: ScreenContents) -> Transition:
    if desk.cursor.startswith(ACTIVITY_PREFIX):
        return _enter(desk, scene)
    return _choose(desk, scene, ChooseRow("explain"))


_WRITE_KEYS = frozenset("sarRd")
_BROWSE_ACTIONS: dict[str, Callable[[UiState, ScreenContents], Transition]] = {
    "s": _switch,
    "a": lambda desk, scene: (desk.with_mode(AddAccount()), None),
    "r": lambda desk, scene: _choose(desk, scene, ChooseRow("remove")),
    "d": lambda desk, scene: _choose(desk, scene, ChooseRow("disable")),
    "R": lambda desk, scene: (desk.with_notice("reading the config file again ..."), Command("reload")),
    "e": _explain,
    "b": lambda desk, scene: _without_command(
        replace(desk, muted=not desk.muted).with_notice(
            "the bell rings again" if desk.muted else "the bell is off"
        )
    ),
    "i": lambda desk, scene: _without_command(replace(desk, issues_open=not desk.issues_open)),
    "t": lambda desk, scene: _without_command(replace(desk, tree_folded=not desk.tree_folded)),
    "/": lambda desk, scene: _without_command(replace(desk, mode=EditFilter(desk.filter), cursor="", top=0)),
    "?": lambda desk, scene: _without_command(
        replace(desk, mode=ReadPage(help_page(scene.read_only), desk.top), top=0)
    ),
    "q": _quit,
    "esc": _escape,
    "enter": _enter,
}


# --- choosing -------------------------------------------------------------------------------------


def _choosable_rows(mode: ChooseRow, scene: ScreenContents) -> list[str]:
    kind = ACTIVITY_PREFIX if mode.purpose == "explain" else ACCOUNT_PREFIX
    return [row for row in scene.selectable if row.startswith(kind)]


def _handle_choose(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    mode = desk.mode
    assert isinstance(mode, ChooseRow)
    if key.name in ("esc", "q"):
        return replace(desk, mode=BROWSE, cursor=""), None
    if key.name == "u" and mode.purpose == "switch":
        return replace(desk, mode=BROWSE, cursor=""), Command("unpin", session=mode.session)
    order = _choosable_rows(mode, scene)
    if key.name != "enter":
        return _without_command(_move(desk, key, scene, order))
    if desk.cursor not in order:  # it left while the person was thinking
        return desk.with_notice("that one is gone: choose again", "warn"), None
    done = replace(desk, mode=BROWSE, cursor="")
    name = desk.cursor.partition(":")[2]
    if mode.purpose == "explain":
        return replace(done, cursor=desk.cursor), Command("explain", request=name)
    if mode.purpose == "switch":
        return done, Command("pin", account=name, session=mode.session)
    if mode.purpose == "disable":
        return done, Command("enable" if scene.statuses.get(name) == "disabled" else "disable", account=name)
    return done.with_mode(
        Confirm(f"Remove {name} from the config file?", Command("remove", account=name))
    ), None


def _handle_confirm(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    mode = desk.mode
    assert isinstance(mode, Confirm)
    if key.name in ("y", "Y"):
        return desk.with_mode(BROWSE), mode.command
    return (desk.with_mode(BROWSE) if key.name in ("n", "N", "esc", "q", "enter") else desk), None


# --- typing ---------------------------------------------------------------------------------------


def _edit_input(text: str, key: Key) -> str:
    """`text` after one key of an input line."""
    if key.name == "backspace":
        return text[:-1]
    if key.name == "ctrl-u":
        return ""
    if key.name == "paste":
        pasted = key.text.strip().splitlines()
        return (text + (clean(pasted[0]) if pasted else ""))[:MAX_INPUT]
    return (text + key.name)[:MAX_INPUT] if len(key.name) == 1 and key.name.isprintable() else text


def _handle_filter(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    mode = desk.mode
    assert isinstance(mode, EditFilter)
    if key.name == "esc":
        return replace(desk, mode=BROWSE, filter=mode.previous), None
    if key.name == "enter":
        return desk.with_mode(BROWSE), None
    if key.name in ("up", "down", "pageup", "pagedown", "wheelup", "wheeldown", "click"):
        return _without_command(_move(desk, key, scene, scene.selectable))
    return _without_command(replace(desk, filter=_edit_input(desk.filter, key), top=0))


def _handle_add(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    if key.name == "k":
        return desk.with_mode(EnterSecret()), None
    if key.name == "i":
        return desk.with_mode(BROWSE).with_notice("reading Claude Code's login ..."), Command("import")
    return (desk.with_mode(BROWSE) if key.name in ("esc", "q", "enter") else desk), None


def _handle_secret(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    mode = desk.mode
    assert isinstance(mode, EnterSecret)
    if key.name == "esc":
        return desk.with_mode(BROWSE), None
    if key.name == "enter":
        if not mode.text:
            return desk.with_mode(BROWSE).with_notice("no key was given", "warn"), None
        return desk.with_mode(BROWSE).with_notice("adding the key ..."), Command("add key", secret=mode.text)
    return desk.with_mode(EnterSecret(_edit_input(mode.text, key))), None


# --- reading --------------------------------------------------------------------------------------


def _handle_page(desk: UiState, key: Key, scene: ScreenContents) -> Transition:
    mode = desk.mode
    assert isinstance(mode, ReadPage)
    if key.name in ("esc", "q", "enter", "?", "e"):
        return replace(desk, mode=BROWSE, top=mode.return_top), None
    by = {"j": 1, "down": 1, "k": -1, "up": -1}.get(key.name)
    if by is None:
        return _without_command(_scroll(desk, key, scene))
    last = max(0, scene.body_length - max(1, len(scene.visible)))
    return _without_command(replace(desk, top=max(0, min(desk.top + by, last))))


_MODES: dict[type, Callable[[UiState, Key, ScreenContents], Transition]] = {
    Browse: _handle_browse,
    ChooseRow: _handle_choose,
    Confirm: _handle_confirm,
    EditFilter: _handle_filter,
    AddAccount: _handle_add,
    EnterSecret: _handle_secret,
    ReadPage: _handle_page,
}
