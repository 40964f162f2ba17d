"""Count finished requests for /metrics, in the reporter's thread.

A request takes about 2 us here, while others are served: what can be done at a scrape is done there.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Optional

from ...metrics.request_counts import OTHER, RequestCounts
from ...routing.quota.model_prices import PRICES, family_of, version_of
from ...routing.quota.usage import NO_USAGE
from ..http.path_kinds import PathKind
from ..records.exchange import Exchange, Outcome
from ..records.notice import BENCH, CLIENT, HELD, LIMIT, RESET, TUNNEL, Notice
from .reporter import Observer

__all__ = ["RequestMetrics", "model_label"]

_KINDS = {
    PathKind.COUNT_TOKENS: "count_tokens",
    PathKind.API: "api",
    PathKind.CLIENT_LOGIN: "client_login",
    PathKind.OAUTH_TOKEN: "client_login",
}


class _StatusClasses(dict[Optional[int], str]):
    """`2xx` by status: as many as there are statuses."""

    def __missing__(self, status: Optional[int]) -> str:
        found = self[status] = "none" if status is None else f"{status // 100}xx"
        return found


_CLASSES = _StatusClasses()


class RequestMetrics(Observer):
    """The counts since the start of the server; `counts` may be called by any thread."""

    def __init__(self) -> None:
        self._counts = RequestCounts()
        self._lock = threading.Lock()  # guards _counts
        for kind in (BENCH, HELD, LIMIT, RESET, TUNNEL, CLIENT):  # at 0: the first one is an increase
            self._counts.events[kind.lower()] = 0

    def record(self, exchange: Exchange) -> None:
        """Count a finished request."""
        with self._lock:
            self._record(exchange)

    def notice(self, notice: Notice, now: float) -> None:
        """Count a line of the log."""
        with self._lock:
            self._counts.event(notice.kind.lower())

    def counts(self) -> RequestCounts:
        """Return a copy of what has been counted; requests of the last second may be missing."""
        with self._lock:
            return self._counts.copy()

    def _record(self, exchange: Exchange) -> None:
        counts, attempts, kind, outcome = (
            self._counts,
            exchange.attempts,
            exchange.route.kind,
            exchange.outcome,
        )
        model, usage = model_label(exchange.facts.model), exchange.usage
        account = counts.account(attempts[-1].account) if attempts else ""
        # The usual ones by identity: the hash and the value of an enum's member take 0.3 us each.
        is_message = kind is PathKind.INFERENCE
        ended = "served" if outcome is Outcome.SERVED else outcome.value if outcome is not None else OTHER
        key = (
            "messages" if is_message else _KINDS.get(kind, OTHER),
            account,
            model,
            ended,
            _CLASSES[exchange.status],
        )
        counts.requests[key] += 1
        if attempts:
            if len(attempts) == 1 and account:
                counts.responses[account, attempts[0].status] += 1
            else:
                self._record_attempts(exchange)
        for wait in exchange.waits:
            counts.waits[wait.kind].add(wait.seconds)
        if exchange.caller is not None and exchange.caller.name:
            client = counts.client(exchange.caller.name)
            counts.client_requests[client] += 1
            counts.clients[client].add(usage, exchange.cost)
            if exchange.client_limit:
                counts.client_refused[client, exchange.client_limit] += 1
        if usage is not NO_USAGE:
            counts.usage[account, model].add(usage, exchange.cost)
        if is_message:
            if exchange.ttfb is not None:
                counts.ttfb[model].add(exchange.ttfb)
            counts.duration[model].add(exchange.duration)

    def _record_attempts(self, exchange: Exchange) -> None:
        """Count each attempt on an account, and each change to another account."""
        counts, left = self._counts, ""
        for attempt in exchange.attempts:
            if not attempt.account:  # it waited, or was refused, without one
                continue
            account = counts.account(attempt.account)
            counts.responses[account, attempt.status] += 1
            if left and left != account:
                counts.failovers[left] += 1
            left = account


@lru_cache(maxsize=256)
def model_label(model: Optional[str]) -> str:
    """Return family and version as the price list has them: `opus-4`; clients name any number of models.

    Of a version that is not listed it is the family, of an unknown family `other`, of no model nothing.
    """
    if not model:
        return ""
    family = family_of(model)
    if family is None:
        return OTHER
    version = version_of(model)
    listed = max((known for known in PRICES[family] if version[: len(known)] == known), default=())
    return "-".join([family, *map(str, listed)])
