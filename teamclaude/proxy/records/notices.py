"""Log lines about what happens to accounts and to held requests.

Rules that hold in this file:

1. A line reports a difference between two polls, so nothing is reported twice, and nothing while nothing
   happens.  The first poll reports nothing: the state that a restart finds is no event.
2. A bench that ends with a full window of the account has a LIMIT line for that window and no BENCH line.
3. A hold has one line at its start and one at its end.  In between it has one every 5 minutes; while more
   than 3 requests are held, one line counts them all.
4. A request that is refused by one account and held again continues its hold: the hold ends with the response
   of an account, a refusal, or the client's disconnect.
5. Of tunnels to other hosts the first to each has a line: what a client asks besides the API.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from ...routing.quota.windows import API_KEY_AXES, SAME_WINDOW_SEC, WHOLE_ACCOUNT, is_scoped
from ...routing.view import AccountState, WindowState
from ...snapshot import HeldView
from .exchange import Exchange, Outcome
from .request_wait import duration_text, expectation_text, held_seconds

__all__ = [
    "BENCH",
    "HELD",
    "LIMIT",
    "RESET",
    "TUNNEL",
    "HoldNotices",
    "Notice",
    "Notices",
    "account_notices",
    "clock_line",
    "limit_text",
    "reset_text",
]

BENCH, HELD, LIMIT, RESET, TUNNEL = "BENCH", "HELD", "LIMIT", "RESET", "TUNNEL"
REPEAT_SEC = 300.0  # between two lines about the same hold
MAX_SEPARATE_LINES = 3  # held requests that have a repeated line each
MAX_REASON_CHARS = 300


class Notice(NamedTuple):
    """One line without its time."""

    kind: str
    subject: str
    text: str

    def __str__(self) -> str:
        """Return the line, printable characters only."""
        text = f"{self.kind} {self.subject}: {self.text}"
        return "".join(char if char.isprintable() else " " for char in text)


def clock_line(notice: Notice, now: float) -> str:
    """Return `13:58:40 LIMIT alice: the 5h window is full (102%), ...`."""
    return f"{_clock(now)} {notice}"


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
            BENCH, f"{after.name} {duration_text(until - began)}", after.bench_reason[:MAX_REASON_CHARS]
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
        yield Notice(RESET, name, reset_text(axis))
    if after is not None and after.full and (anew or not was_full):
        yield Notice(LIMIT, name, limit_text(axis, after.utilization, after.resets_at, now))
    elif was_full and not anew and (after is None or not after.full):
        yield Notice(RESET, name, f"{_window(axis)} is no longer full")


def _is_reset(before: WindowState, after: Optional[WindowState], now: float) -> bool:
    if before.resets_at is None:
        return False
    if now >= before.resets_at:
        return True
    later = after.resets_at if after is not None else None
    return later is not None and later > before.resets_at + SAME_WINDOW_SEC


def limit_text(axis: str, utilization: Optional[float], reset_at: Optional[float], now: float) -> str:
    """Return `the 5h window is full (102%), back at 14:04:26 (in 6 min)`."""
    text = f"{_window(axis)} is full"
    if utilization is not None:
        text += f" ({100 * utilization:.0f}%)"
    if reset_at is None:
        return text
    return f"{text}, back at {_clock(reset_at)} (in {duration_text(max(0.0, reset_at - now))})"


def reset_text(axis: str) -> str:
    """Return `a new 5h window`."""
    if axis == WHOLE_ACCOUNT:
        return "its quota begins anew"
    return f"the {axis} limit begins anew" if axis in API_KEY_AXES else f"a new {axis} window"


def _window(axis: str) -> str:
    if axis == WHOLE_ACCOUNT:
        return "its quota"
    return f"the {axis} limit" if axis in API_KEY_AXES else f"the {axis} window"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


# --- held requests ------------------------------------------------------------------------------


@dataclass
class _AnnouncedHold:
    exchange: Exchange
    held: HeldView  # as last seen
    at: float  # of the last line about it


class HoldNotices:
    """The holds that have had their first line."""

    def __init__(self) -> None:
        self._announced: dict[str, _AnnouncedHold] = {}

    def update(self, held: Sequence[tuple[Exchange, HeldView]], now: float) -> list[Notice]:
        """Return the lines for requests that are held now, and for those that no longer are."""
        found: list[Notice] = []
        for exchange, one in held:
            announced = self._announced.get(one.request)
            if announced is None:
                self._announced[one.request] = _AnnouncedHold(exchange, one, now)
                found.append(Notice(HELD, _request_name(one), _expectation(one, now)))
            else:
                announced.held = one
        current = {one.request for _, one in held}
        for request, announced in list(self._announced.items()):
            end = None if request in current else _end_text(announced.exchange)
            if end is not None:
                del self._announced[request]
                lasted = duration_text(int(held_seconds(announced.exchange.waits)))
                found.append(
                    Notice(
                        HELD, _request_name(announced.held), f"over after {lasted}, {end}"[:MAX_REASON_CHARS]
                    )
                )
        return [*found, *self._repeat_lines([self._announced[request] for request in current], now)]

    def _repeat_lines(self, held: Sequence[_AnnouncedHold], now: float) -> Iterator[Notice]:
        for announced in held:
            announced.at = min(announced.at, now)  # the clock was set back
        due = [announced for announced in held if now - announced.at >= REPEAT_SEC]
        if not due:
            return
        if len(held) > MAX_SEPARATE_LINES:
            due = list(held)
            longest = max(due, key=lambda announced: announced.held.held_sec).held
            subject = f"{len(held)} requests, the longest {duration_text(int(longest.held_sec))}"
            yield Notice(HELD, subject, _expectation(longest, now))
        else:
            for announced in due:
                subject = f"{_request_name(announced.held)} {duration_text(int(announced.held.held_sec))}"
                yield Notice(HELD, subject, _expectation(announced.held, now))
        for announced in due:
            announced.at = now


def _request_name(held: HeldView) -> str:
    """Return `3f2a91c0 claude-opus-4-8`; for a request without a session its own id."""
    who = held.session[:8] + (f"/{held.agent[:8]}" if held.agent else "") if held.session else held.request
    return f"{who} {held.model}".rstrip()


def _expectation(held: HeldView, now: float) -> str:
    """Return `no account usable, alice back 23:22 (in 5 min)`."""
    if held.account is None or held.back_at is None:
        return f"{held.reason} ({held.detail})" if held.detail else held.reason
    back = expectation_text(held.account, held.back_at, held.reason, now)
    return f"{held.reason}, {back} (in {duration_text(max(0.0, held.back_at - now))})"


def _end_text(exchange: Exchange) -> Optional[str]:
    """Return how a hold ended; None while that is open."""
    last = exchange.attempts[-1] if exchange.attempts else None
    served = last is not None and bool(last.account) and last.status is not None and last.status < 300
    if last is not None and (served if exchange.outcome is None else exchange.outcome is Outcome.SERVED):
        return f"served by {last.account}" if exchange.waiting is None else None
    if exchange.outcome is None:
        return None
    if exchange.outcome is Outcome.CLIENT_GONE:
        return "its client left"
    end = "the upstream's error" if exchange.outcome is Outcome.UPSTREAM_ERROR else "refused"
    return f"{end}: {exchange.note}" if exchange.note else end


# --- both ---------------------------------------------------------------------------------------


class Notices:
    """Call `emit` with what is new since the last poll, in order.  Any thread may poll.

    `revision` is cheap and changes whenever something happened to an account; changes by the passing of time
    alone are found here.  `others` returns further lines since its last call.
    """

    def __init__(
        self,
        accounts: Callable[[], Sequence[AccountState]],
        held: Callable[[], Sequence[tuple[Exchange, HeldView]]],
        revision: Callable[[], Hashable],
        clock: Callable[[], float],
        emit: Callable[[Notice, float], None],
        others: Callable[[], list[Notice]] = list,
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
            found = [*self._of_accounts(now), *self._holds.update(self._held(), now), *self._others()]
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
