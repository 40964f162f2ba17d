"""Feed the Deck with models: from the proxy in this process, or from one that is polled over HTTP.

A feed tells by its version when something is new, so that nothing is computed while nothing happens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Optional, Protocol

from ..errors import TeamClaudeError
from ..proxy.server import ProxyServer
from ..snapshot import Snapshot
from .model.build import deck_model
from .model.conversations import sessions_of
from .model.model import DeckModel
from .sources.reader import SourceReader
from .sources.sources import NO_SOURCES, sources_from_json, sources_to_json

__all__ = ["Feed", "LocalFeed", "RemoteFeed", "SourcesProvider"]


class Feed(Protocol):
    """A source of models for the Deck's loop; called from its thread."""

    @property
    def version(self) -> Hashable:
        """Changes whenever `model` would return another model; cheap."""

    def model(self) -> DeckModel:
        """Return the model of this moment."""

    def take_notice(self) -> Optional[str]:
        """Return an error to show, once; None: nothing new, empty: the last error is over."""


class LocalFeed:
    """The proxy of this process and this machine's disk."""

    def __init__(self, service: ProxyServer, reader: SourceReader) -> None:
        self._service, self._reader = service, reader

    @property
    def version(self) -> Hashable:
        """Changes with the proxy's revision and with what was read on disk."""
        return self._service.revision, id(self._reader.sources)

    def model(self) -> DeckModel:
        """Return the model of the proxy's state, and have the reader read what it shows."""
        snapshot = self._service.snapshot()
        self._reader.set_wanted(sessions_of(snapshot))
        return deck_model(snapshot, self._reader.sources)

    def take_notice(self) -> Optional[str]:
        """Return None: this process is always reachable."""
        return None


class SourcesProvider:
    """Provide `fleet` of GET /teamclaude/deck: what is on disk about the sessions in a snapshot.

    Reading starts with the first call, which waits up to FIRST_WAIT_SEC for a result.
    """

    FIRST_WAIT_SEC, POLL_SEC = 0.5, 0.02

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._started = False
        self._lock = threading.Lock()  # guards _started

    def start(self) -> bool:
        """Start reading in the background; return whether this was the first call."""
        with self._lock:
            first, self._started = not self._started, True
        if first:
            self._reader.start()
        return first

    def __call__(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the sources as JSON, and have the reader read the snapshot's sessions."""
        self._reader.set_wanted(sessions_of(snapshot))
        if self.start():
            deadline = time.monotonic() + self.FIRST_WAIT_SEC
            while self._reader.sources is NO_SOURCES and time.monotonic() < deadline:
                time.sleep(self.POLL_SEC)
        return sources_to_json(self._reader.sources)


class RemoteFeed:
    """Poll a proxy every `interval` seconds in a thread.

    `fetch` returns GET /teamclaude/deck as JSON, or raises TeamClaudeError.
    """

    def __init__(self, fetch: Callable[[], Any], interval: float) -> None:
        self._fetch, self._interval = fetch, interval
        self._snapshot = Snapshot()
        self._sources = NO_SOURCES
        self._reachable = False
        self._fetches = 0
        self._pending_notice: Optional[str] = None
        self._last_error = ""
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
        return deck_model(snapshot, sources, reachable)

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
            found = Snapshot.from_json(answer), sources_from_json(answer.get("fleet"))
        except TeamClaudeError as error:
            message = str(error)
        with self._lock:
            self._reachable = not message
            if found is not None:
                self._snapshot, self._sources = found
            if message != self._last_error:
                self._pending_notice = self._last_error = message
            self._fetches += 1
        self.first_fetch_done.set()
