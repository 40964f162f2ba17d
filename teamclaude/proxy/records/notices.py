"""Log lines about what happens to accounts, and the poll that finds all of them.

Rules that hold in this file:

1. A line reports a difference between two polls, so nothing is reported twice, and nothing while nothing
   happens.  The first poll reports nothing: the state that a restart finds is no event.
2. A bench that ends with a full window of the account has a LIMIT line for that window and no BENCH line.
3. Of tunnels to other hosts the first to each has a line: what a client asks besides the API.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Optional

from ...routing.quota.windows import API_KEY_AXES, SAME_WINDOW_SEC, WHOLE_ACCOUNT, is_scoped
from ...routing.view import AccountState, WindowState
from ...snapshot import HeldView
from .exchange import Exchange
from .hold_notices import HoldNotices
from .notice import (
    BENCH,
    HELD,
    LIMIT,
    LOGIN,
    MAX_REASON_CHARS,
    RESET,
    SERVER,
    TUNNEL,
    Notice,
    clock_line,
)
from .wait_texts import clock_time, duration_text

__all__ = [
    "BENCH",
    "HELD",
    "LIMIT",
    "LOGIN",
    "RESET",
    "SERVER",
    "TUNNEL",
    "HoldNotices",
    "Notice",
    "Notices",
    "account_notices",
    "clock_line",
    "limit_text",
    "reset_text",
]

# --- accounts -----------------------------------------------------------------------------------


def account_notices(
    before: Sequence[AccountState], after: Sequence[AccountState], now: float
) -> list[Notice]:
    """Return what happened to the accounts between two polls; a new account is no event."""
    known = {state.key: state for state in before}
    return [
        notice
        for state in after
        if state.key in known
        for notice in _account_notices(known[state.key], state, now)
    ]


def _account_notices(before: AccountState, after: AccountState, now: float) -> Iterator[Notice]:
    for axis in dict.fromkeys([*before.windows, *after.windows]):
        yield from _window_notices(after.name, axis, before.windows.get(axis), after.windows.get(axis), now)
    until = after.bench_until
    if until is None or any(_outlasts(axis, window, until) for axis, window in after.windows.items()):
        return
    began = now if after.bench_began is None else after.bench_began
    last = before.bench_until
    # Requests that are refused at the same time move the end of a bench a little.
    if last is None or last <= began or last + SAME_WINDOW_SEC < until:
        yield Notice(
            BENCH,
            f"{after.name} {duration_text(until - began)}",
            after.bench_reason[:MAX_REASON_CHARS],
            after.name,
        )


def _outlasts(axis: str, window: WindowState, bench_until: float) -> bool:
    """Return whether this window keeps the whole account out for at least as long as the bench."""
    back = window.resets_at
    return window.full and not is_scoped(axis) and back is not None and back + SAME_WINDOW_SEC >= bench_until


def _window_notices(
    name: str, axis: str, before: Optional[WindowState], after: Optional[WindowState], now: float
) -> Iterator[Notice]:
    was_full = before is not None and before.full
    anew = before is not None and _is_reset(before, after, now)
    # The limits of an API key are renewed with every response: only the end of a full one is an event.
    if anew and (was_full or axis not in API_KEY_AXES):
        yield Notice(RESET, name, reset_text(axis), name)
    if after is not None and after.full and (anew or not was_full):
        back = after.limit_until or after.resets_at
        yield Notice(LIMIT, name, limit_text(axis, after.utilization, back, now, after.limit), name)
    elif was_full and not anew and (after is None or not after.full):
        yield Notice(RESET, name, f"{_window(axis)} is no longer full", name)


def _is_reset(before: WindowState, after: Optional[WindowState], now: float) -> bool:
    if before.resets_at is None:
        return False
    if now >= before.resets_at:
        return True
    later = after.resets_at if after is not None else None
    return later is not None and later > before.resets_at + SAME_WINDOW_SEC


def limit_text(
    axis: str, utilization: Optional[float], back_at: Optional[float], now: float, allowed: str = ""
) -> str:
    """Return `the 5h window is full (102%), back at 14:04:26 (in 6 min)`; `allowed`: the owner's limit."""
    text = f"{_window(axis)} is full"
    if utilization is not None:
        text += f" ({100 * utilization:.0f}%{', ' if allowed else ''}{allowed})"
    if back_at is None or back_at == math.inf:
        return text
    when = clock_time(back_at, now, "%H:%M:%S")
    return f"{text}, back at {when} (in {duration_text(max(0.0, back_at - now))})"


def reset_text(axis: str) -> str:
    """Return `a new 5h window`."""
    if axis == WHOLE_ACCOUNT:
        return "its quota begins anew"
    return f"the {axis} limit begins anew" if axis in API_KEY_AXES else f"a new {axis} window"


def _window(axis: str) -> str:
    if axis == WHOLE_ACCOUNT:
        return "its quota"
    return f"the {axis} limit" if axis in API_KEY_AXES else f"the {axis} window"


# --- the poll -----------------------------------------------------------------------------------


class Notices:
    """Call `emit` with what is new since the last poll, in order.  Any thread may poll.

    `revision` is cheap and changes whenever something happened to an account; changes by the passing of time
    alone are found here.  `others` return further lines since their last call.
    """

    def __init__(
        self,
        accounts: Callable[[], Sequence[AccountState]],
        held: Callable[[], Sequence[tuple[Exchange, HeldView]]],
        revision: Callable[[], Hashable],
        clock: Callable[[], float],
        emit: Callable[[Notice, float], None],
        others: Sequence[Callable[[float], list[Notice]]] = (),
    ) -> None:
        self._others = others
        self._accounts, self._held, self._revision = accounts, held, revision
        self._clock, self._emit = clock, emit
        self._before: Optional[Sequence[AccountState]] = None
        self._seen_revision: Hashable = None
        self._due = 0.0  # when a window is reset next
        self._holds = HoldNotices()
        self._lock = threading.Lock()  # guards everything above

    def poll(self) -> None:
        """Emit what is new; raises what `emit` raises."""
        with self._lock:
            now = self._clock()
            found = [*self._of_accounts(now), *self._holds.update(self._held(), now)]
            for more in self._others:
                found += more(now)
            for notice in found:
                self._emit(notice, now)

    def _of_accounts(self, now: float) -> list[Notice]:
        revision = self._revision()
        if self._before is not None and revision == self._seen_revision and now < self._due:
            return []
        before, after = self._before, self._accounts()
        self._before, self._seen_revision = after, revision
        self._due = min(_reset_times(after), default=float("inf"))
        return [] if before is None else account_notices(before, after, now)


def _reset_times(states: Sequence[AccountState]) -> Iterator[float]:
    for state in states:
        for window in state.windows.values():
            if window.resets_at is not None:
                yield window.resets_at
