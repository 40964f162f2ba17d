"""Count finished requests for /metrics.

Requests with the same labels are counted together: each takes about 2 us here, while others are served.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Optional

from ...metrics.request_counts import OTHER, RequestCounts
from ...routing.quota.model_prices import PRICES, family_of, version_of
from ...routing.quota.usage import NO_USAGE
from ...values import NamedTuple
from ..http.path_kinds import PathKind
from ..records.exchange import Exchange
from ..records.notice import API, BENCH, CLIENT, HELD, LIMIT, RESET, TUNNEL, Notice
from .reporter import Observer

__all__ = ["RequestMetrics", "model_label"]

_MESSAGES = "messages"
_KINDS = {
    kind.value: name
    for kind, name in (
        (PathKind.INFERENCE, _MESSAGES),
        (PathKind.COUNT_TOKENS, "count_tokens"),
        (PathKind.API, "api"),
        (PathKind.CLIENT_LOGIN, "client_login"),
        (PathKind.OAUTH_TOKEN, "client_login"),
    )
}


class _Alike(NamedTuple):
    """What requests have in common that are counted together."""

    kind: str
    attempts: tuple[tuple[str, Optional[int]], ...]  # account and status of each
    model: Optional[str]
    outcome: str
    status: Optional[int]
    client: str
    client_limit: str


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
        for kind in (BENCH, HELD, LIMIT, RESET, TUNNEL, CLIENT, API):  # at 0: the first one is an increase
            self._counts.events[kind.lower()] = 0

    def record_all(self, exchanges: Sequence[Exchange]) -> None:
        """Count finished requests."""
        alike: dict[_Alike, list[Exchange]] = defaultdict(list)
        for exchange in exchanges:
            alike[_alike(exchange)].append(exchange)
        with self._lock:
            for key, group in alike.items():
                self._count(key, group)

    def notice(self, notice: Notice, now: float) -> None:
        """Count a line of the log."""
        with self._lock:
            self._counts.event(notice.kind.lower())

    def counts(self) -> RequestCounts:
        """Return a copy of what has been counted; requests of the last second may be missing."""
        with self._lock:
            return self._counts.copy()

    def _count(self, key: _Alike, exchanges: Sequence[Exchange]) -> None:
        counts, number, model = self._counts, len(exchanges), model_label(key.model)
        account = counts.account(key.attempts[-1][0]) if key.attempts else ""
        kind = _KINDS.get(key.kind, OTHER)
        counts.requests[kind, account, model, key.outcome, _CLASSES[key.status]] += number
        self._count_attempts(key.attempts, number)
        used = [(each.usage, each.cost) for each in exchanges if each.usage is not NO_USAGE]
        if used:
            counts.usage[account, model].add_all(used)
        if key.client:
            client = counts.client(key.client)
            counts.client_requests[client] += number
            counts.clients[client].add_all(used)
            if key.client_limit:
                counts.client_refused[client, key.client_limit] += number
        for exchange in exchanges:
            for wait in exchange.waits:
                counts.waits[wait.kind].add(wait.seconds)
        if kind == _MESSAGES:
            begun = [each.ttfb for each in exchanges if each.ttfb is not None]
            if begun:
                counts.ttfb[model].add_all(begun)
            counts.duration[model].add_all([each.duration for each in exchanges])

    def _count_attempts(self, attempts: Sequence[tuple[str, Optional[int]]], number: int) -> None:
        """Count each attempt on an account, and each change to another account."""
        counts, left = self._counts, ""
        for name, status in attempts:
            if not name:  # it waited, or was refused, without one
                continue
            account = counts.account(name)
            counts.responses[account, status] += number
            if left and left != account:
                counts.failovers[left] += number
            left = account


def _alike(exchange: Exchange) -> _Alike:
    attempts, outcome, caller = exchange.attempts, exchange.outcome, exchange.caller
    if len(attempts) == 1:  # as a rule
        tried: tuple[tuple[str, Optional[int]], ...] = ((attempts[0].account, attempts[0].status),)
    else:
        tried = tuple([(each.account, each.status) for each in attempts])
    return _Alike(
        exchange.route.kind.value,
        tried,
        exchange.facts.model,
        outcome.value if outcome is not None else OTHER,
        exchange.status,
        (caller.name or "") if caller is not None else "",
        exchange.client_limit,
    )


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
