"""Provide what is on disk to those who ask the proxy over HTTP."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..snapshot import Snapshot
from .model.conversations import sessions_of
from .sources.reader import SourceReader
from .sources.sources import NO_SOURCES, sources_to_json

__all__ = ["SourcesProvider"]


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
