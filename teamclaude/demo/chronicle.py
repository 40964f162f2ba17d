"""What happened in a demo, told as it happens and counted for the end."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .quota import Window

__all__ = ["Chronicle", "Totals", "WindowState", "plain_line"]

Record = Mapping[str, Any]


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
    reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    served_by: Counter[str] = field(default_factory=Counter)


class Chronicle:
    """`note` takes activity records from any thread and never waits; `flush` writes what was said.

    `line` renders one activity record.
    """

    def __init__(self, line: Callable[[dict[str, Any]], str]) -> None:
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

    def take(self) -> list[str]:
        """The lines that were said since the last call."""
        out = []
        while self._lines:
            out.append(self._lines.popleft())
        return out

    # --- requests ------------------------------------------------------------------------

    def note(self, record: dict[str, Any]) -> None:
        """A finished request: counted, and told when it was bound, moved, failed over or refused."""
        accounts = [str(name) for name in record.get("accounts") or ()]
        with self._lock:
            self._count(record, accounts)
            event = self._event(record, accounts)
        if event:
            self.say(f"{self._line(record)}  · {event}")

    def _count(self, record: Record, accounts: Sequence[str]) -> None:
        totals = self.totals
        totals.requests += 1
        totals.failovers += len(set(accounts)) > 1
        totals.outcomes[str(record.get("outcome") or "")] += 1
        if record.get("outcome") == "served" and accounts:
            # Of the others `reason` says what went wrong, not why the account was taken.
            totals.reasons[str(record.get("reason") or "unknown")] += 1
            totals.served_by[accounts[-1]] += 1
        if record.get("cost") is not None:
            totals.cost += float(record["cost"])
        else:
            totals.unpriced_tokens += sum(int(record.get(key) or 0) for key in _TOKEN_KEYS)

    def _event(self, record: Record, accounts: Sequence[str]) -> str:
        reason = str(record.get("reason") or "")
        if not accounts:
            return f"refused: {reason}"
        conversation = (str(record.get("session") or ""), str(record.get("agent") or ""))
        before = self._homes.get(conversation)
        if record.get("outcome") == "served":
            self._homes[conversation] = accounts[-1]
        route = list(dict.fromkeys(accounts))
        if len(route) > 1:
            return f"failover {' → '.join(route)}: {reason}"
        if record.get("outcome") != "served":
            return f"{record.get('outcome')}: {reason}"
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
                self.say(f"LIMIT {window.account}: {_full(window, now)}", now)
            elif before.reset_at is not None and window.reset_at != before.reset_at:
                self.totals.resets += 1
                self.say(f"RESET {window.account}: a new {window.axis} window, nothing used", now)

    def progress(self, now: float) -> None:
        """One line with the number of requests and every account's 5h window."""
        rows = [w for w in self._windows.values() if w.axis == "5h"]
        bars = " · ".join(f"{w.account} 5h {100 * w.utilization:.0f}%" for w in rows)
        with self._lock:
            requests = self.totals.requests
        self.say(f"---- {requests} requests so far · {bars}", now)


_TOKEN_KEYS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


def plain_line(record: Record) -> str:
    """One request on one line, for callers that bring no renderer of their own."""
    parts = [
        _clock(float(record.get("at") or 0) / 1000),
        str(record.get("path") or ""),
        str(record.get("session") or "")[:8],
        "→",
        " → ".join(dict.fromkeys(record.get("accounts") or ())) or "nobody",
        str(record.get("status") or "—"),
    ]
    return " ".join(part for part in parts if part)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _full(window: WindowState, now: float) -> str:
    text = f"the {window.axis} window is full ({100 * window.utilization:.0f}%)"
    if window.reset_at is None:
        return text
    minutes = max(0.0, window.reset_at - now) / 60
    return f"{text}, back at {_clock(window.reset_at)} (in {minutes:.0f} min)"
