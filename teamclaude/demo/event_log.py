"""The events of a demo: lines to print as they happen, and totals for the table."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ..fakeapi.fake_account import QuotaWindow
from ..proxy.records.notices import LIMIT, RESET, Notice, clock_line, limit_text, reset_text
from ..routing.state.decision import Reason
from ..snapshot import Activity
from ..values import NamedTuple, dataclass, field

__all__ = ["DemoTotals", "EventLog", "WindowState"]


class WindowState(NamedTuple):
    """One quota window of one account as the fake API knows it."""

    account: str
    axis: str
    utilization: float
    reset_at: float | None
    full: bool

    @classmethod
    def of(cls, account: str, window: QuotaWindow) -> WindowState:
        """Return the state of `window`."""
        return cls(account, window.axis, window.utilization, window.reset_at, window.full)


@dataclass
class DemoTotals:
    """Counts over the proxy's activity records."""

    requests: int = 0
    failovers: int = 0
    limits: int = 0
    resets: int = 0
    cost: float = 0.0
    unpriced_tokens: int = 0
    cost_estimated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    served_by: Counter[str] = field(default_factory=Counter)


class EventLog:
    """Lines and totals; any thread may add, one thread takes the lines.  `render_request` makes a line."""

    def __init__(self, render_request: Callable[[Activity], str]) -> None:
        self._render_request = render_request
        self._lines: deque[str] = deque()
        self._bound_to: dict[tuple[str, str], str] = {}
        self._windows: dict[tuple[str, str], WindowState] = {}
        self.totals = DemoTotals()
        # Guards _bound_to and totals.
        self._lock = threading.Lock()

    def add_line(self, text: str, now: float | None = None) -> None:
        """Add a line, with the time of day in front when `now` is given."""
        self._lines.append(text if now is None else f"{_clock(now)} {text}")

    def add_notice(self, notice: Notice, now: float) -> None:
        """Add a notice about an account or a held request, worded as in the server's log."""
        self._lines.append(clock_line(notice, now))

    def take_lines(self) -> list[str]:
        """Return the lines added since the last call."""
        out = []
        while self._lines:
            out.append(self._lines.popleft())
        return out

    # --- requests ------------------------------------------------------------------------

    def add_request(self, activity: Activity) -> None:
        """Count a finished request; add a line when it was bound, moved, failed over or refused."""
        with self._lock:
            self._count(activity)
            event = self._describe(activity)
        if event:
            self.add_line(f"{self._render_request(activity)}  · {event}")

    def _count(self, activity: Activity) -> None:
        totals = self.totals
        totals.requests += 1
        totals.failovers += len(set(activity.accounts)) > 1
        if activity.outcome == "served" and activity.accounts:
            # Of other outcomes `reason` says what went wrong, not why the account was chosen.
            totals.reasons[activity.reason or "unknown"] += 1
            totals.served_by[activity.accounts[-1]] += 1
        if activity.cost is not None:
            totals.cost += activity.cost
            totals.cost_estimated |= activity.cost_estimated
        else:
            totals.unpriced_tokens += activity.tokens

    def _describe(self, activity: Activity) -> str:
        reason, accounts = activity.reason, activity.accounts
        if not accounts:
            return f"refused: {reason}"
        conversation = (activity.session, activity.agent)
        before = self._bound_to.get(conversation)
        if activity.outcome == "served":
            self._bound_to[conversation] = accounts[-1]
        route = list(dict.fromkeys(accounts))
        if len(route) > 1:
            why = f"refused by {', '.join(route[:-1])}" if reason == Reason.FAILOVER else reason
            return f"failover {' → '.join(route)}: {why}"
        if activity.outcome != "served":
            return f"{activity.outcome}: {reason}"
        if before is None:
            parent = self._bound_to.get((conversation[0], ""))
            if not conversation[1]:
                return f"bound to {accounts[-1]}: {reason}"
            # A sub-agent that begins on its session's account is the normal case: no line.
            return f"sub-agent bound to {accounts[-1]}: {reason}" if parent != accounts[-1] else ""
        if before != accounts[-1]:
            return f"moved {before} → {accounts[-1]}: {reason}"
        return ""

    # --- windows -------------------------------------------------------------------------

    def observe_windows(self, windows: Sequence[WindowState], now: float) -> None:
        """Add a line for each window that became full or was reset since the last call."""
        for window in windows:
            key = (window.account, window.axis)
            before = self._windows.get(key)
            self._windows[key] = window
            if before is None:
                continue
            if window.full and not before.full:
                self.totals.limits += 1
                text = limit_text(window.axis, window.utilization, window.reset_at, now)
                self.add_notice(Notice(LIMIT, window.account, text), now)
            elif before.reset_at is not None and window.reset_at != before.reset_at:
                self.totals.resets += 1
                self.add_notice(Notice(RESET, window.account, reset_text(window.axis)), now)

    def add_progress(self, now: float) -> None:
        """Add a line with the number of requests and every account's 5h window."""
        rows = [w for w in self._windows.values() if w.axis == "5h"]
        bars = " · ".join(f"{w.account} 5h {100 * w.utilization:.0f}%" for w in rows)
        with self._lock:
            requests = self.totals.requests
        self.add_line(f"---- {requests} requests so far · {bars}", now)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
