"""What happened in a demo, told as it happens and counted for the end."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..proxy.activity import Activity
from ..proxy.notices import LIMIT, RESET, Notice, clock_line, limit_text, reset_text
from .quota import Window

__all__ = ["Chronicle", "Totals", "WindowState", "plain_line"]


class WindowState(NamedTuple):
    """One quota window of one account as the fake API knows it."""

    account: str
    axis: str
    utilization: float
    reset_at: float | None
    full: bool

    @classmethod
    def of(cls, account: str, window: Window) -> WindowState:
        return cls(account, window.axis, window.utilization, window.reset_at, window.full)


@dataclass
class Totals:
    """Counts over the proxy's activity records."""

    requests: int = 0
    failovers: int = 0
    limits: int = 0
    resets: int = 0
    cost: float = 0.0
    unpriced_tokens: int = 0
    cost_estimated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    served_by: Counter[str] = field(default_factory=Counter)


class Chronicle:
    """`note` takes finished requests from any thread and never waits; `take` gives what was said.

    `line` renders one request.
    """

    def __init__(self, line: Callable[[Activity], str]) -> None:
        self._line = line
        self._lines: deque[str] = deque()
        self._homes: dict[tuple[str, str], str] = {}
        self._windows: dict[tuple[str, str], WindowState] = {}
        self.totals = Totals()
        # Guards homes and totals.
        self._lock = threading.Lock()

    def say(self, text: str, now: float | None = None) -> None:
        """One line, with the clock time in front when `now` is given."""
        self._lines.append(text if now is None else f"{_clock(now)} {text}")

    def notice(self, notice: Notice, now: float) -> None:
        """What happened to an account or to a held request, worded as the server's log does."""
        self._lines.append(clock_line(notice, now))

    def take(self) -> list[str]:
        """The lines that were said since the last call."""
        out = []
        while self._lines:
            out.append(self._lines.popleft())
        return out

    # --- requests ------------------------------------------------------------------------

    def note(self, activity: Activity) -> None:
        """A finished request: counted, and told when it was bound, moved, failed over or refused."""
        with self._lock:
            self._count(activity)
            event = self._event(activity)
        if event:
            self.say(f"{self._line(activity)}  · {event}")

    def _count(self, activity: Activity) -> None:
        totals = self.totals
        totals.requests += 1
        totals.failovers += len(set(activity.accounts)) > 1
        totals.outcomes[activity.outcome] += 1
        if activity.outcome == "served" and activity.accounts:
            # Of the others `reason` says what went wrong, not why the account was taken.
            totals.reasons[activity.reason or "unknown"] += 1
            totals.served_by[activity.accounts[-1]] += 1
        if activity.cost is not None:
            totals.cost += activity.cost
            totals.cost_estimated |= activity.cost_estimated
        else:
            totals.unpriced_tokens += activity.tokens

    def _event(self, activity: Activity) -> str:
        reason, accounts = activity.reason, activity.accounts
        if not accounts:
            return f"refused: {reason}"
        conversation = (activity.session, activity.agent)
        before = self._homes.get(conversation)
        if activity.outcome == "served":
            self._homes[conversation] = accounts[-1]
        route = list(dict.fromkeys(accounts))
        if len(route) > 1:
            return f"failover {' → '.join(route)}: {reason}"
        if activity.outcome != "served":
            return f"{activity.outcome}: {reason}"
        if before is None:
            parent = self._homes.get((conversation[0], ""))
            if not conversation[1]:
                return f"bound to {accounts[-1]}: {reason}"
            # Sub-agents begin where their session lives; that is no news.
            return f"sub-agent bound to {accounts[-1]}: {reason}" if parent != accounts[-1] else ""
        if before != accounts[-1]:
            return f"moved {before} → {accounts[-1]}: {reason}"
        return ""

    # --- windows -------------------------------------------------------------------------

    def observe(self, windows: Sequence[WindowState], now: float) -> None:
        """Tells which windows became full or began anew since the last look."""
        for window in windows:
            key = (window.account, window.axis)
            before = self._windows.get(key)
            self._windows[key] = window
            if before is None:
                continue
            if window.full and not before.full:
                self.totals.limits += 1
                words = limit_text(window.axis, window.utilization, window.reset_at, now)
                self.notice(Notice(LIMIT, window.account, words), now)
            elif before.reset_at is not None and window.reset_at != before.reset_at:
                self.totals.resets += 1
                self.notice(Notice(RESET, window.account, reset_text(window.axis)), now)

    def progress(self, now: float) -> None:
        """One line with the number of requests and every account's 5h window."""
        rows = [w for w in self._windows.values() if w.axis == "5h"]
        bars = " · ".join(f"{w.account} 5h {100 * w.utilization:.0f}%" for w in rows)
        with self._lock:
            requests = self.totals.requests
        self.say(f"---- {requests} requests so far · {bars}", now)


def plain_line(activity: Activity) -> str:
    """One request on one line, for callers that bring no renderer of their own."""
    parts = [
        _clock(activity.at),
        activity.path,
        activity.session[:8],
        "→",
        " → ".join(dict.fromkeys(activity.accounts)) or "nobody",
        str(activity.status or "—"),
    ]
    return " ".join(part for part in parts if part)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
