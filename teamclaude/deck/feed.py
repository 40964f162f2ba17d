"""Feed the Deck with models: from the proxy in this process, or from one that is polled over HTTP.

A feed tells by its version when something is new, so that nothing is computed while nothing happens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Optional, Protocol

from ..errors import TeamClaudeError
from ..proxy.reporting.recent_trends import trends_from_json
from ..proxy.server import ProxyServer
from ..request_views import AccountTrend
from ..routing.quota.model_prices import PriceTable
from ..routing.switch_price import SwitchPrice, switch_price
from ..snapshot import Snapshot
from ..values import NamedTuple
from .model.build import deck_model
from .model.conversations import sessions_of
from .model.model import DeckModel
from .sources.reader import SourceReader
from .sources.sources import NO_SOURCES, Sources, sources_from_json

__all__ = ["Feed", "Fetched", "LocalFeed", "RemoteFeed"]


class Feed(Protocol):
    """A source of models for the Deck's loop; called from its thread."""

    @property
    def version(self) -> Hashable:
        """Changes whenever `model` would return another model; cheap."""

    def model(self) -> DeckModel:
        """Return the model of this moment."""

    def switch_price(self, account: str, session: Optional[str]) -> Optional[SwitchPrice]:
        """Return what a switch in the shown state costs; None when it can't be told."""

    def take_notice(self) -> Optional[str]:
        """Return an error to show, once; None: nothing new, empty: the last error is over."""


class LocalFeed:
    """The proxy of this process and this machine's disk."""

    def __init__(self, service: ProxyServer, reader: SourceReader) -> None:
        self._service, self._reader = service, reader
        self._snapshot = Snapshot()  # the one that is shown

    @property
    def version(self) -> Hashable:
        """Changes with the proxy's revision and with what was read on disk."""
        return self._service.revision, id(self._reader.sources)

    def model(self) -> DeckModel:
        """Return the model of the proxy's state, and have the reader read what it shows."""
        self._snapshot = snapshot = self._service.snapshot()
        self._reader.set_wanted(sessions_of(snapshot))
        return deck_model(snapshot, self._reader.sources, trends=self._service.runtime.trends(snapshot.at))

    def switch_price(self, account: str, session: Optional[str]) -> Optional[SwitchPrice]:
        """Return the price by the snapshot that is shown, and by the prices of the config."""
        pricing = self._service.runtime.context.config.pricing
        return switch_price(self._snapshot, account, session, PriceTable(pricing))

    def take_notice(self) -> Optional[str]:
        """Return None: this process is always reachable."""
        return None


class Fetched(NamedTuple):
    """What a server told last, and why there is nothing newer."""

    snapshot: Snapshot
    sources: Sources
    trends: Mapping[str, AccountTrend]
    error: str  # of the last attempt; empty: it succeeded
    failing_since: Optional[float]  # epoch seconds; None: it succeeded


class RemoteFeed:
    """Poll a proxy every `interval` seconds in a thread.

    `fetch` returns GET /teamclaude/deck as JSON, or raises TeamClaudeError.
    """

    def __init__(
        self, fetch: Callable[[], Any], interval: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch, self._interval, self._clock = fetch, interval, clock
        self._snapshot = Snapshot()
        self._trends: Mapping[str, AccountTrend] = {}
        self._sources = NO_SOURCES
        self._reachable = False
        self._fetches = 0
        self._pending_notice: Optional[str] = None
        self._last_error = ""
        self._failing_since: Optional[float] = None
        self._lock = threading.Lock()  # guards everything above
        self._closed = threading.Event()
        self.first_fetch_done = threading.Event()
        """Set after the first attempt, also a failed one."""

    def start(self) -> None:
        """Start polling."""
        threading.Thread(target=self._run, name="deck-feed", daemon=True).start()

    def close(self) -> None:
        """Stop polling after the current attempt."""
        self._closed.set()

    @property
    def version(self) -> Hashable:
        """The number of attempts so far."""
        return self._fetches

    def model(self) -> DeckModel:
        """Return the model of the last snapshot, marked unreachable when the last attempt failed."""
        with self._lock:
            snapshot, sources, reachable = self._snapshot, self._sources, self._reachable
            trends = self._trends
        return deck_model(snapshot, sources, reachable, trends)

    def latest(self) -> Fetched:
        """Return what is known; before the first attempt an empty snapshot."""
        with self._lock:
            return Fetched(self._snapshot, self._sources, self._trends, self._last_error, self._failing_since)

    def switch_price(self, account: str, session: Optional[str]) -> Optional[SwitchPrice]:
        """Return None: this Deck is read-only."""
        return None

    def take_notice(self) -> Optional[str]:
        """Return the error of the last attempt, once; empty after it succeeded again."""
        with self._lock:
            notice, self._pending_notice = self._pending_notice, None
            return notice

    def _run(self) -> None:
        while not self._closed.is_set():
            self.fetch_once()
            self._closed.wait(self._interval)

    def fetch_once(self) -> None:
        """Fetch a snapshot; after an error keep the last one."""
        found, message = None, ""
        try:
            answer = self._fetch()
            snapshot = Snapshot.from_json(answer)
            fleet, trends = sources_from_json(answer.get("fleet")), trends_from_json(answer.get("trends"))
            found = snapshot, fleet, trends
        except TeamClaudeError as error:
            message = str(error)
        with self._lock:
            self._reachable = not message
            if found is not None:
                self._snapshot, self._sources, self._trends = found
            if not message:
                self._failing_since = None
            elif self._failing_since is None:
                self._failing_since = self._clock()
            if message != self._last_error:
                self._pending_notice = self._last_error = message
            self._fetches += 1
        self.first_fetch_done.set()
