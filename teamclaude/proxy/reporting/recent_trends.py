"""The last hour of each account, minute by minute, for the Deck's sparklines: burn, and use of the 5h window.

It is kept in memory and begins anew with each start.  MINUTES numbers of two kinds for each account are all
that is held and sent.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional

from ...errors import SnapshotError
from ...request_views import AccountTrend
from ...typed_json import from_json, to_json
from .reporter import Observer

if TYPE_CHECKING:
    from ...routing.view import AccountState
    from ..records.exchange import Exchange

__all__ = ["MINUTES", "RecentTrends", "trends_from_json", "trends_to_json"]

MINUTES = 60
_MINUTE_SEC = 60.0


class _Minutes:
    """Values by the number of their minute."""

    def __init__(self) -> None:
        self.burn: dict[int, int] = {}
        self.used: dict[int, float] = {}

    def forget_before(self, minute: int) -> None:
        for known in (self.burn, self.used):
            for old in [each for each in known if each < minute]:
                del known[old]


class RecentTrends(Observer):
    """Keep the last hour; `states` returns the accounts as they are now (routing.view.states_of)."""

    def __init__(self, states: Callable[[], Iterable[AccountState]]) -> None:
        self._states = states
        self._accounts: dict[str, _Minutes] = {}
        self._minute = 0  # of the last sample
        self._first: Optional[int] = None  # the minute in which the records begin
        self._lock = threading.Lock()  # guards everything above against readers

    def record_all(self, exchanges: Sequence[Exchange]) -> None:
        """Count each request for the account that it was sent to last, in the minute of its end."""
        sums: dict[tuple[str, int], int] = defaultdict(int)
        for exchange in exchanges:
            burn = exchange.usage.burn
            if burn:
                for attempt in reversed(exchange.attempts):
                    if attempt.account:
                        minute = int((exchange.at + exchange.duration) // _MINUTE_SEC)
                        sums[attempt.account, minute] += burn
                        break
        with self._lock:
            for (account, minute), burn in sums.items():
                self._first = minute if self._first is None else min(self._first, minute)
                burned = self._accounts.setdefault(account, _Minutes()).burn
                burned[minute] = burned.get(minute, 0) + burn

    def tick(self, now: float) -> None:
        """Take a sample of each 5h window, once a minute; forget what is older than an hour."""
        minute = int(now // _MINUTE_SEC)
        if minute == self._minute:
            return
        states = list(self._states())
        with self._lock:
            self._minute = minute
            self._first = minute if self._first is None else self._first
            configured = {state.name for state in states}
            for state in states:
                window = state.windows.get("5h")
                used = window.utilization if window is not None else 0.0
                if used is not None:
                    self._accounts.setdefault(state.name, _Minutes()).used[minute] = used
            for name, minutes in list(self._accounts.items()):
                minutes.forget_before(minute - MINUTES + 1)
                if name not in configured and not minutes.burn:
                    del self._accounts[name]

    def view(self, now: float) -> Mapping[str, AccountTrend]:
        """Return the trends by account name."""
        minute = int(now // _MINUTE_SEC)
        with self._lock:
            begin = max(minute - MINUTES + 1, minute if self._first is None else self._first)
            last_hour = range(begin, minute + 1)
            return {name: _trend(minutes, last_hour) for name, minutes in self._accounts.items()}


def _trend(minutes: _Minutes, last_hour: range) -> AccountTrend:
    used: list[float] = []
    last: Optional[float] = None
    for minute in last_hour:
        last = minutes.used.get(minute, last)  # a window changes by steps
        if last is not None:
            used.append(last)
    burn = tuple(minutes.burn.get(minute, 0) for minute in last_hour)
    return AccountTrend((last_hour.stop - 1) * _MINUTE_SEC, burn, tuple(used))


def trends_to_json(trends: Mapping[str, AccountTrend]) -> dict[str, Any]:
    """Return `trends` of GET /teamclaude/deck."""
    return {name: to_json(trend) for name, trend in trends.items()}


def trends_from_json(value: Any) -> dict[str, AccountTrend]:
    """Return the trends in an answer of any version; what can't be read is left out: they only decorate."""
    found = {}
    for name, trend in value.items() if isinstance(value, dict) else ():
        with suppress(SnapshotError):
            read = from_json(AccountTrend, trend)
            found[name] = read._replace(burn=read.burn[-MINUTES:], used_5h=read.used_5h[-MINUTES:])
    return found
