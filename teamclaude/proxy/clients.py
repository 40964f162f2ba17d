"""Named client keys: requests in flight against their limit, and usage since the server started."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from ..accounts.config.config import ClientKey
from ..errors import NoAccountAvailableError
from ..routing.quota.usage import NO_USAGE, Usage
from ..routing.view import usage_view
from ..snapshot import ClientView
from .records.exchange import Exchange

__all__ = ["ClientUsage"]

RETRY_AFTER_SEC = 2


@dataclass(eq=False, repr=False)
class _ClientTotals:
    inflight: int = 0
    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0  # dollars
    unpriced_tokens: int = 0
    cost_estimated: bool = False


class ClientUsage:
    """Requests, tokens and cost by the name of the key.  Any thread."""

    def __init__(self) -> None:
        self._totals: dict[str, _ClientTotals] = {}
        self._lock = threading.Lock()  # guards _totals and what is in them

    @contextmanager
    def count_request(self, name: str, exchange: Exchange, keys: Iterable[ClientKey]) -> Iterator[None]:
        """Count a request of the client `name` while the context lasts.

        Raises NoAccountAvailableError on entry above the client's `maxInflight`.
        """
        self._start(name, next((key.max_inflight for key in keys if key.name == name), None))
        try:
            yield
        finally:
            self._finish(name, exchange.usage, exchange.cost, exchange.cost_estimated)

    def _start(self, name: str, limit: Optional[int]) -> None:
        with self._lock:
            totals = self._totals.setdefault(name, _ClientTotals())
            if limit is not None and totals.inflight >= limit:
                raise NoAccountAvailableError(
                    f"client '{name}' has {totals.inflight} requests in flight, its limit; wait for one.",
                    RETRY_AFTER_SEC,
                )
            totals.inflight += 1

    def _finish(self, name: str, usage: Usage, cost: Optional[float], estimated: bool) -> None:
        with self._lock:
            totals = self._totals[name]
            totals.inflight -= 1
            totals.requests += 1
            totals.usage = totals.usage.plus(usage)
            if cost is None:
                totals.unpriced_tokens += usage.total
            else:
                totals.cost += cost
                totals.cost_estimated |= estimated

    def view(self) -> tuple[ClientView, ...]:
        """Return a row per client that has been seen."""
        with self._lock:
            return tuple(_usage_of(name, totals) for name, totals in self._totals.items())


def _usage_of(name: str, totals: _ClientTotals) -> ClientView:
    used = usage_view(totals.usage, totals.cost, totals.unpriced_tokens, totals.cost_estimated)
    return ClientView(
        name=name,
        inflight=totals.inflight,
        requests=totals.requests,
        tokens=used.tokens,
        unmeasured=used.unmeasured,
        cost=used.cost,
        cost_estimated=used.cost_estimated,
        unpriced_tokens=used.unpriced_tokens,
    )
