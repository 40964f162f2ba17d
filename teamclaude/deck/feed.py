"""Where the Deck's models come from: the proxy in this process, or one that is asked over HTTP.

A feed says when something is new, so that nothing is computed while nothing happens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Optional, Protocol

from ..errors import TeamClaudeError
from ..proxy.server import ProxyServer
from .model.build import deck_model
from .model.conversations import sessions_of
from .model.model import DeckModel
from .sources.reader import SourceReader
from .sources.sources import NO_SOURCES, sources_from_json, sources_to_json

__all__ = ["Feed", "LocalFeed", "RemoteFeed", "SourcesProvider"]


class Feed(Protocol):
    """A source of models; `mark` is cheap and changes whenever `model` would be another one."""

    @property
    def version(self) -> Hashable: ...

    def model(self) -> DeckModel: ...

    def take_notice(self) -> Optional[str]:
        """Something to tell, once; None is nothing new, empty that what was told is over."""
        ...


class LocalFeed:
    """The proxy of this process and this machine's disk."""

    def __init__(self, service: ProxyServer, reader: SourceReader) -> None:
        self._service, self._reader = service, reader

    @property
    def version(self) -> Hashable:
        return self._service.revision, id(self._reader.sources)

    def model(self) -> DeckModel:
        snapshot = self._service.deck()
        self._reader.set_wanted(sessions_of(snapshot))
        return deck_model(snapshot, self._reader.sources)

    def take_notice(self) -> Optional[str]:
        return None


class SourcesProvider:
    """`fleet` of GET /teamclaude/deck: what the disk tells of the sessions in a snapshot.

    The disk is read from the first question on, which waits a little for what is found.
    """

    FIRST_WAIT_SEC, POLL_SEC = 0.5, 0.02

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._started = False
        self._lock = threading.Lock()  # guards _started

    def start(self) -> bool:
        """Read the disk in the background; True the first time, afterwards it changes nothing."""
        with self._lock:
            first, self._started = not self._started, True
        if first:
            self._reader.start()
        return first

    def __call__(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        self._reader.set_wanted(sessions_of(snapshot))
        if self.start():
            deadline = time.monotonic() + self.FIRST_WAIT_SEC
            while self._reader.sources is NO_SOURCES and time.monotonic() < deadline:
                time.sleep(self.POLL_SEC)
        return sources_to_json(self._reader.sources)


class RemoteFeed:
    """A proxy that is asked every `interval` seconds, in a thread of its own.

    `fetch` gets GET /teamclaude/deck as JSON, or raises TeamClaudeError.
    """

    def __init__(self, fetch: Callable[[], Any], interval: float) -> None:
        self._fetch, self._interval = fetch, interval
        self._snapshot: Any = {}
        self._reachable = False
        self._fetches = 0
        self._pending_notice: Optional[str] = None  # to be told
        self._last_trouble = ""
        self._lock = threading.Lock()  # guards everything above
        self._closed = threading.Event()
        self.first_fetch_done = threading.Event()
        """It has been asked once, in vain or not."""

    def start(self) -> None:
        threading.Thread(target=self._run, name="deck-feed", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    @property
    def version(self) -> Hashable:
        return self._fetches

    def model(self) -> DeckModel:
        with self._lock:
            snapshot, reachable = self._snapshot, self._reachable
        fleet = snapshot.get("fleet") if isinstance(snapshot, dict) else None
        return deck_model(snapshot if isinstance(snapshot, dict) else {}, sources_from_json(fleet), reachable)

    def take_notice(self) -> Optional[str]:
        with self._lock:
            trouble, self._pending_notice = self._pending_notice, None
            return trouble

    def _run(self) -> None:
        while not self._closed.is_set():
            self.fetch_once()
            self._closed.wait(self._interval)

    def fetch_once(self) -> None:
        """Once."""
        try:
            snapshot, trouble = self._fetch(), ""
        except TeamClaudeError as error:
            snapshot, trouble = None, str(error)
        with self._lock:
            self._reachable = not trouble
            if snapshot is not None:
                self._snapshot = snapshot
            if trouble != self._last_trouble:
                self._pending_notice = self._last_trouble = trouble
            self._fetches += 1
        self.first_fetch_done.set()
