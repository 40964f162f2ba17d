"""Counts of finished requests since the start of the server, by bounded labels.

Only what has to be counted while requests end is here: it is imported with the server.  How the counts are
called and written is decided at a scrape (families.py, exposition.py).

Rules that hold in this file:

1. A count never falls; a restart begins anew at 0.
2. The number of series is bounded: names beyond MAX_ACCOUNTS and MAX_CLIENTS count as `other`, and models
   come as one of few names.  No project, session or text is a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Optional

from ..history.histogram import Histogram
from ..routing.quota.usage import NO_USAGE, Usage, sum_of

__all__ = ["OTHER", "RequestCounts", "RequestKey", "UsageCounts"]

OTHER = "other"
MAX_ACCOUNTS = 100
MAX_CLIENTS = 50
MAX_KINDS = 32  # of events

# What requests are counted by: kind, account, model, outcome, class of the status (`2xx`, `none`).
RequestKey = tuple[str, str, str, str, str]


class UsageCounts:
    """Tokens, and what they cost."""

    def __init__(self) -> None:
        self.usage = NO_USAGE
        self.cost = 0.0  # dollars, of the tokens with a known price
        self.unpriced = 0  # tokens without one

    def add_all(self, used: Sequence[tuple[Usage, Optional[float]]]) -> None:
        """Add what requests used, each with its cost."""
        self.usage = self.usage.plus(sum_of([usage for usage, _ in used]))
        for usage, cost in used:
            if cost is not None:
                self.cost += cost
            else:
                self.unpriced += usage.total

    def copy(self) -> UsageCounts:
        """Return what has been counted so far."""
        found = UsageCounts()
        found.usage, found.cost, found.unpriced = self.usage, self.cost, self.unpriced
        return found


class RequestCounts:
    """Everything that is counted.  Not locked: its owner is (proxy/reporting/request_metrics.py)."""

    def __init__(self) -> None:
        self.requests: dict[RequestKey, int] = defaultdict(int)
        self.responses: dict[tuple[str, Optional[int]], int] = defaultdict(int)  # account, status of the API
        self.failovers: dict[str, int] = defaultdict(int)  # by the account that was left
        self.usage: dict[tuple[str, str], UsageCounts] = defaultdict(UsageCounts)  # account, model
        self.clients: dict[str, UsageCounts] = defaultdict(UsageCounts)
        self.client_requests: dict[str, int] = defaultdict(int)
        self.client_refused: dict[tuple[str, str], int] = defaultdict(int)  # client, its limit
        self.ttfb: dict[str, Histogram] = defaultdict(Histogram)  # by model
        self.duration: dict[str, Histogram] = defaultdict(Histogram)  # by model
        self.waits: dict[str, Histogram] = defaultdict(Histogram)  # by what was waited for
        self.events: dict[str, int] = defaultdict(int)
        self._accounts: set[str] = set()

    def account(self, name: str) -> str:
        """Return the label of an account; empty for none."""
        if name in self._accounts or not name:
            return name
        if len(self._accounts) >= MAX_ACCOUNTS:
            return OTHER
        self._accounts.add(name)
        return name

    def client(self, name: str) -> str:
        """Return the label of a client key."""
        return name if name in self.clients or len(self.clients) < MAX_CLIENTS else OTHER

    def event(self, kind: str) -> None:
        """Count an event."""
        self.events[kind if kind in self.events or len(self.events) < MAX_KINDS else OTHER] += 1

    def copy(self) -> RequestCounts:
        """Return what has been counted so far."""
        found = RequestCounts()
        for name in ("requests", "responses", "failovers", "client_requests", "client_refused", "events"):
            getattr(found, name).update(getattr(self, name))
        for name in ("usage", "clients"):
            getattr(found, name).update({key: each.copy() for key, each in getattr(self, name).items()})
        for name in ("ttfb", "duration", "waits"):
            copies = {key: each.plus(Histogram()) for key, each in getattr(self, name).items()}
            getattr(found, name).update(copies)
        return found
