"""What is remembered of requests: the activity list, the decision records, the request log."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Optional

from ...snapshot import Activity, InflightView
from .activity import activity_of
from .exchange import Exchange
from .request_log import RequestLog
from .request_record import RequestRecord
from .traffic_recorder import TrafficRecorder

__all__ = ["Journal"]

MAX_REMEMBERED = 200
LAST = "last"


class Journal:
    """Any thread.

    `on_end` gets each request that has ended, from the thread that served it: it must not wait.
    Exchanges are kept as they are and turned into records when somebody looks.
    """

    def __init__(
        self,
        log: Optional[RequestLog] = None,
        on_end: Optional[Callable[[Exchange], None]] = None,
    ) -> None:
        self._log = log
        self._on_end = on_end
        self._running: dict[str, Exchange] = {}
        self._ended: OrderedDict[str, Exchange] = OrderedDict()
        self._lock = threading.Lock()  # guards _running and _ended
        self._records: dict[str, Activity] = {}  # of those that had ended at the last look
        self.names: Callable[[], dict[str, str]] = dict  # account names by key
        self.recorder: Optional[TrafficRecorder] = None
        self.revision = 0  # beginnings and ends so far: the same number is the same content

    def request_started(self, exchange: Exchange) -> Optional[RequestRecord]:
        """A request came in; the record to fill when requests are logged."""
        with self._lock:
            self._running[exchange.id] = exchange
            self.revision += 1
        if self._log is None or not self._log.active:
            return None
        head = exchange.head
        return self._log.begin(exchange.id, head.method, head.target, head.headers)

    def request_ended(self, exchange: Exchange, record: Optional[RequestRecord]) -> None:
        """A request has its outcome."""
        exchange.drop_body()  # `explain` has no use for it
        with self._lock:
            self._running.pop(exchange.id, None)
            self.revision += 1
            self._ended[exchange.id] = exchange
            if len(self._ended) > MAX_REMEMBERED:
                self._ended.popitem(last=False)
        if record is not None and self._log is not None:
            record.end(
                exchange.outcome.value if exchange.outcome else "", exchange.explain_json(self.names())
            )
            self._log.finish(record)
        if self._on_end is not None:
            self._on_end(exchange)
        if self.recorder is not None:
            self.recorder.record(exchange)

    def recent(self) -> tuple[Activity, ...]:
        """Finished requests, newest first."""
        with self._lock:
            ended = list(self._ended.values())
        known = self._records  # replaced as a whole
        found = {e.id: known.get(e.id) or activity_of(e) for e in reversed(ended)}
        self._records = found
        return tuple(found.values())

    def inflight(self) -> tuple[InflightView, ...]:
        """Requests under way, newest first; `waiting` says what one of them waits for."""
        with self._lock:
            running = list(self._running.values())
        names = self.names()
        return tuple(
            InflightView(activity_of(exchange), exchange.waiting_view(names))
            for exchange in reversed(running)
        )

    def waiting_exchanges(self) -> list[Exchange]:
        """Requests that wait, in the order they came."""
        with self._lock:
            return [exchange for exchange in self._running.values() if exchange.waits and exchange.waiting]

    def explain(self, request: str) -> Optional[dict[str, Any]]:
        """The decision record of a remembered request, by our id or the word `last`."""
        with self._lock:
            if request == LAST:
                exchange = self._last()
            else:
                exchange = self._ended.get(request) or self._running.get(request)
        return None if exchange is None else exchange.explain_json(self.names())

    def _last(self) -> Optional[Exchange]:
        """Of the last one decided and the last one that waits, the one that came later; else what runs."""
        decided = next((e for e in reversed(self._ended.values()) if e.attempts), None)
        waits = next((e for e in reversed(self._running.values()) if e.waiting is not None), None)
        if decided is not None and waits is not None:
            return waits if waits.started >= decided.started else decided
        return decided or waits or next(reversed(self._running.values()), None)

    def close(self) -> None:
        """Write out what is waiting."""
        if self.recorder is not None:
            self.recorder.switch(False)
        if self._log is not None:
            self._log.close()
