"""The requests in flight and the latest finished ones, for the activity list and `explain`.

It also passes each request on to the request log and to the traffic recorder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Optional

from ...routing.quota.usage import NO_USAGE
from ...snapshot import Activity, InflightView
from .exchange import Exchange
from .request_log import RequestLog
from .request_record import RequestRecord
from .traffic_recorder import TrafficRecorder

__all__ = ["LAST", "MAX_REMEMBERED", "Journal", "activity_of"]

MAX_REMEMBERED = 200
# Of them requests in a tunnel that used no account: a client polls and reports all the time.
MAX_RELAYED = 50
LAST = "last"


class Journal:
    """The memory of requests.  Any thread.

    Each of `on_end` is called with every finished request in the thread that served it: it must not block.
    Exchanges are kept as they are and turned into records when somebody reads them.
    """

    def __init__(
        self,
        log: Optional[RequestLog] = None,
        on_end: Sequence[Callable[[Exchange], None]] = (),
    ) -> None:
        self._log = log
        self._on_end = on_end
        self._running: dict[str, Exchange] = {}
        self._ended: OrderedDict[str, Exchange] = OrderedDict()
        self._relayed: deque[str] = deque()  # the ended ones that used no account, in a tunnel
        self._lock = threading.Lock()  # guards the three above
        self._records: dict[str, Activity] = {}  # of the requests that had ended at the last reading
        self.names: Callable[[], dict[str, str]] = dict  # account names by key
        self.recorder: Optional[TrafficRecorder] = None
        self.revision = 0  # starts and ends so far: the same number is the same content

    def request_started(self, exchange: Exchange) -> Optional[RequestRecord]:
        """Register a request; return the record to fill if requests are logged."""
        with self._lock:
            self._running[exchange.id] = exchange
            self.revision += 1
        if self._log is None or not self._log.active:
            return None
        head = exchange.head
        return self._log.begin(exchange.id, head.method, head.target, head.headers)

    def request_ended(self, exchange: Exchange, record: Optional[RequestRecord]) -> None:
        """Move a request that has its outcome to the finished ones, and pass it on."""
        if exchange.body or exchange.body_room is not None:
            exchange.drop_body()  # `explain` does not show it
        with self._lock:
            self._running.pop(exchange.id, None)
            self.revision += 1
            self._ended[exchange.id] = exchange
            if exchange.route.in_tunnel:
                self._relayed.append(exchange.id)
                if len(self._relayed) > MAX_RELAYED:
                    self._ended.pop(self._relayed.popleft(), None)
            if len(self._ended) > MAX_REMEMBERED:
                self._ended.popitem(last=False)
        if record is not None and self._log is not None:
            record.end(
                exchange.outcome.value if exchange.outcome else "", exchange.explain_json(self.names())
            )
            self._log.finish(record)
        for call in self._on_end:
            call(exchange)
        if self.recorder is not None and self.recorder.queue is not None:
            self.recorder.record(exchange)

    def recent(self) -> tuple[Activity, ...]:
        """Return the finished requests, newest first."""
        with self._lock:
            ended = list(self._ended.values())
        known = self._records  # replaced as a whole
        found = {e.id: known.get(e.id) or activity_of(e) for e in reversed(ended)}
        self._records = found
        return tuple(found.values())

    @property
    def running(self) -> int:
        """How many requests run or wait."""
        return len(self._running)

    def inflight(self) -> tuple[InflightView, ...]:
        """Return the requests in flight, newest first; `waiting` says what one of them waits for."""
        with self._lock:
            running = list(self._running.values())
        return self._views(running)

    def running_of(self, session: str) -> tuple[InflightView, ...]:
        """Return the requests of one session that are in flight, newest first."""
        with self._lock:
            running = list(self._running.values())
        return self._views([each for each in running if each.routing_request.session == session])

    def _views(self, running: Sequence[Exchange]) -> tuple[InflightView, ...]:
        names = self.names()
        return tuple(
            InflightView(activity_of(exchange), exchange.waiting_view(names))
            for exchange in reversed(running)
        )

    def waiting_exchanges(self) -> list[Exchange]:
        """Return the requests that wait, in the order they came."""
        with self._lock:
            return [exchange for exchange in self._running.values() if exchange.waits and exchange.waiting]

    def explain(self, request: str, client: Optional[str] = None) -> Optional[dict[str, Any]]:
        """Return the decision record of a remembered request, by the proxy's id or the word `last`.

        `client`: only if it came with the key of this name.
        """
        if request == LAST:
            return self.explain_last(client=client)
        with self._lock:
            exchange = self._ended.get(request) or self._running.get(request)
        if exchange is None or not _is_of(exchange, client):
            return None
        return exchange.explain_json(self.names())

    def explain_last(
        self, session: Optional[str] = None, client: Optional[str] = None
    ) -> Optional[dict[str, Any]]:
        """Return the decision record of the last remembered request: of a session, of a client, or of all."""
        with self._lock:
            exchange = self._last(session, client)
        return None if exchange is None else exchange.explain_json(self.names())

    def _last(self, session: Optional[str], client: Optional[str]) -> Optional[Exchange]:
        """Return the later of the last decided and the last waiting request; else the last in flight."""

        def latest(exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
            of_session = (e for e in exchanges if session is None or e.routing_request.session == session)
            return (e for e in of_session if _is_of(e, client))

        decided = next(
            (e for e in latest(reversed(self._ended.values())) if e.attempts or e.client_limit), None
        )
        waits = next((e for e in latest(reversed(self._running.values())) if e.waiting is not None), None)
        if decided is not None and waits is not None:
            return waits if waits.started >= decided.started else decided
        return decided or waits or next(latest(reversed(self._running.values())), None)

    def close(self) -> None:
        """Write out what the recorder and the log still hold."""
        if self.recorder is not None:
            self.recorder.switch(False)
        if self._log is not None:
            self._log.close()


def _is_of(exchange: Exchange, client: Optional[str]) -> bool:
    """Return whether it came with the client's key; None: any did."""
    return client is None or (exchange.caller is not None and exchange.caller.name == client)


def activity_of(exchange: Exchange) -> Activity:
    """Return the record of a request as far as it has come."""
    facts, request = exchange.facts, exchange.routing_request
    usage, waits, outcome, attempts = exchange.usage, exchange.waits, exchange.outcome, exchange.attempts
    used = _UNKNOWN if usage == NO_USAGE or usage.unmeasured else (*usage[:3], usage.cache_write_tokens)
    # By position, in the order of Activity: twenty keywords would cost as much as all the rest.
    return Activity(
        exchange.id,
        exchange.at,
        exchange.head.method,
        exchange.path,
        facts.model or "",
        facts.effort or "",
        request.session or "",
        request.agent or "",
        (exchange.caller.name or "") if exchange.caller else "",
        tuple([attempt.account for attempt in attempts if attempt.account]),
        exchange.status,
        exchange.ttfb,
        exchange.duration,
        *used,
        exchange.cost,
        exchange.cost_estimated,
        "" if outcome is None else outcome.value,
        exchange.note or (attempts[-1].decision.reason if attempts else ""),
        usage.unmeasured > 0,
        round(sum(wait.seconds for wait in waits), 3) if waits else None,
        waits[-1].reason if waits else "",
        exchange.memo.client_ip,
    )


_UNKNOWN: tuple[Optional[int], Optional[int], Optional[int], Optional[int]] = (None, None, None, None)
