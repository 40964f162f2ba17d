"""Recording one's own traffic for the lab: how much was asked when, never what.

A row holds times, token counts, the model's family, the account's windows as the answer told them, and
the outcome.  Conversations and accounts are salted hashes.  There is no text, no name, no path, no key.

A request's thread only hands over a reference; rows are made and written by a thread of the recorder's own.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ...routing.quota.model_prices import family_of
from ..http.path_kinds import PathKind
from .exchange import Attempt, Exchange
from .exchange_queue import ExchangeQueue
from .trace_file import TraceFile

__all__ = ["TrafficRecorder", "trace_row"]

HASH_CHARS = 12


class TrafficRecorder:
    """Off until `switch(True)`; any thread.  `warn` gets one line when writing fails."""

    def __init__(self, directory: Path, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._file = TraceFile(directory)
        self._warn = warn
        self._clock = clock
        self._switch_lock = threading.Lock()
        self._queue: Optional[ExchangeQueue] = None
        self._salt = b""
        self._rows = 0

    def switch(self, on: bool) -> None:
        """Begin or end recording; what was handed over before the end is written."""
        with self._switch_lock:
            herald, self._queue = self._queue, None
            if not on:
                if herald is not None:
                    herald.close()
                    self._file.close()
                return
            if herald is not None:
                self._queue = herald
                return
            try:
                self._salt = self._file.salt()
            except OSError as error:
                self._failed(error)
                return
            self._queue = ExchangeQueue(self._write)

    def record(self, exchange: Exchange) -> None:
        """A request has ended; never waits."""
        herald = self._queue
        if herald is not None and exchange.route.kind is PathKind.INFERENCE:
            herald.put(exchange)

    def status(self) -> dict[str, Any]:
        """Whether it records, and what there is."""
        files = self._file.files()
        return {
            "on": self._queue is not None,
            "directory": str(self._file.directory),
            "requests": self._rows,  # since the server started
            "files": len(files),
            "bytes": sum(_size(path) for path in files),
            "since": files[0].name[:8] if files else None,
        }

    def _write(self, exchange: Exchange) -> None:
        row = json.dumps(trace_row(exchange, self._salt), separators=(",", ":"))
        try:
            self._file.append(row.encode() + b"\n", self._clock())
            self._rows += 1
        except OSError as error:
            self._queue = None  # its thread, this one, ends when the server does
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        words = error.strerror or type(error).__name__
        self._warn(f"traffic is not recorded: {self._file.directory}: {words}")


def trace_row(exchange: Exchange, salt: bytes) -> dict[str, Any]:
    """One request as it is recorded; manual page `record` tells what each key means."""
    usage, ask = exchange.usage, exchange.routing_request
    into = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    counts = (into, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    known = dict(zip(("in", "out", "read", "write"), counts))
    row: dict[str, Any] = {
        "t": round(exchange.at, 2),
        "c": _hash(ask.conversation or exchange.id, salt),
        "m": family_of(exchange.facts.model) or "other",
        **(dict.fromkeys(known) if usage.unmeasured else known),
        "life": round(ask.cache_life),
        "s": round(max(0.0, exchange.duration - exchange.waited), 2),
        "wait": round(exchange.waited, 2),
        "st": exchange.status,
        "o": exchange.outcome.value if exchange.outcome else "",
    }
    if ask.parent:
        row["p"] = _hash(ask.parent, salt)
    answered = next((a for a in reversed(exchange.attempts) if a.reading is not None), None)
    if answered is not None:
        row["a"] = _hash(answered.decision.account or answered.account, salt)
        row["q"] = _windows(answered)
    return row


def _windows(attempt: Attempt) -> dict[str, list[Optional[float]]]:
    assert attempt.reading is not None
    axes = attempt.reading.axes.items()
    return {axis: [window.utilization, window.resets_at] for axis, window in axes}


def _hash(text: str, salt: bytes) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=salt, digest_size=HASH_CHARS // 2).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
