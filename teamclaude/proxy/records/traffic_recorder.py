"""Record the proxy's own traffic for the lab: how much was asked when, never what.

A row holds times, token counts, the model's family, the account's windows as the response gave them, and the
outcome.  Conversations and accounts are salted hashes.  There is no text, no name, no path, no key.

A request's thread only hands over a reference; a thread of the recorder makes and writes the rows.

There is one file a day, a new one when it grows long; old ones are deleted.  A file is only appended to,
whole lines at a time, with mode 0600 in a directory of mode 0700; a line that a crash or a full disk has cut
off gets its end before the next one.  The salt of the hashes lies beside the files: without it they can't be
linked to anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ...accounts.config.atomic_write import ends_whole, make_private_directory, write_private
from ...accounts.config.state_place import state_place
from ...lazy_modules import hashlib, secrets
from ...routing.quota.model_prices import family_of
from ..http.path_kinds import PathKind
from .background_queue import BackgroundQueue
from .exchange import Attempt, Exchange

__all__ = ["TraceFile", "TrafficRecorder", "hash_of_account", "trace_directory", "trace_row"]

HASH_CHARS = 12
MAX_WAITING = 10_000  # requests that wait to be written
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_FILES = 60
KEEP_DAYS = 60
SALT_NAME = ".salt"
SALT_BYTES = 16
_OURS = re.compile(r"(\d{8})-(\d{3})\.jsonl")


class TrafficRecorder:
    """Off until `switch(True)`; any thread.  `warn` gets one line when writing fails."""

    def __init__(self, directory: Path, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._file = TraceFile(directory)
        self._warn = warn
        self._clock = clock
        self._switch_lock = threading.Lock()
        self.queue: Optional[BackgroundQueue[Exchange]] = None  # while it is on
        self._salt = b""
        self._rows = 0

    def switch(self, on: bool) -> None:
        """Start or stop recording; what was handed over before the stop is written."""
        with self._switch_lock:
            queue, self.queue = self.queue, None
            if not on:
                if queue is not None:
                    queue.close()
                    self._file.close()
                return
            if queue is not None:
                self.queue = queue
                return
            try:
                self._salt = self._file.salt()
            except OSError as error:
                self._failed(error)
                return
            self.queue = BackgroundQueue("traffic-recorder", self._write_all, MAX_WAITING)

    def record(self, exchange: Exchange) -> None:
        """Queue a finished request; never blocks."""
        queue = self.queue
        if queue is not None and exchange.route.kind is PathKind.INFERENCE:
            queue.put(exchange)

    def status(self) -> dict[str, Any]:
        """Return whether it records, where, and how much there is."""
        files = self._file.files()
        return {
            "on": self.queue is not None,
            "directory": str(self._file.directory),
            "requests": self._rows,  # since the server started
            "files": len(files),
            "bytes": sum(_size(path) for path in files),
            "since": files[0].name[:8] if files else None,
        }

    def _write_all(self, waiting: deque[Exchange]) -> None:
        while waiting:
            with contextlib.suppress(Exception):  # a defect with one request must not end the recording
                self._write(waiting.popleft())

    def _write(self, exchange: Exchange) -> None:
        row = json.dumps(trace_row(exchange, self._salt), separators=(",", ":"))
        try:
            self._file.append(row.encode() + b"\n", self._clock())
            self._rows += 1
        except OSError as error:
            self.queue = None  # its thread, this one, ends with the server
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        self._warn(f"traffic is not recorded: {self._file.directory}: {reason}")


def trace_row(exchange: Exchange, salt: bytes) -> dict[str, Any]:
    """Return the row of one request; the manual page `record` says what each key means."""
    usage, request = exchange.usage, exchange.routing_request
    tokens_in = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    counts = (tokens_in, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    known = dict(zip(("in", "out", "read", "write"), counts))
    row: dict[str, Any] = {
        "t": round(exchange.at, 2),
        "c": _hash(request.conversation or exchange.id, salt),
        "m": family_of(exchange.facts.model) or "other",
        **(dict.fromkeys(known) if usage.unmeasured else known),
        "life": round(request.cache_life),
        "s": round(max(0.0, exchange.duration - exchange.waited), 2),
        "wait": round(exchange.waited, 2),
        "st": exchange.status,
        "o": exchange.outcome.value if exchange.outcome else "",
    }
    if request.parent:
        row["p"] = _hash(request.parent, salt)
    responded = next((a for a in reversed(exchange.attempts) if a.reading is not None), None)
    if responded is not None:
        row["a"] = _hash(responded.decision.account or responded.account, salt)
        row["q"] = _windows(responded)
    return row


def _windows(attempt: Attempt) -> dict[str, list[Optional[float]]]:
    assert attempt.reading is not None
    axes = attempt.reading.axes.items()
    return {axis: [window.utilization, window.resets_at] for axis, window in axes}


def hash_of_account(directory: Path, key: str) -> Optional[str]:
    """Return what stands for an account's key in the recording there; None without its salt."""
    try:
        salt = (directory / SALT_NAME).read_bytes()
    except OSError:
        return None
    return _hash(key, salt)


def _hash(text: str, salt: bytes) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=salt, digest_size=HASH_CHARS // 2).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


# --- files ---------------------------------------------------------------------------------------


def trace_directory(config: Path) -> Path:
    """Return the directory of a config file's recordings."""
    return state_place(config, "traffic")


class TraceFile:
    """The files of one directory, for one writing thread; every method may raise OSError."""

    def __init__(self, directory: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._handle = -1
        self._day = ""
        self._size = 0

    def salt(self) -> bytes:
        """Return the key of the hashes; make it at its first use."""
        make_private_directory(str(self.directory))
        path = self.directory / SALT_NAME
        known = path.read_bytes() if path.exists() else b""
        if len(known) != SALT_BYTES:
            known = secrets.token_bytes(SALT_BYTES)
            write_private(str(path), known)
        return known

    def append(self, lines: bytes, now: float) -> None:
        """Write whole lines to the file of the day of `now` (epoch seconds, UTC)."""
        day = time.strftime("%Y%m%d", time.gmtime(now))
        if self._handle < 0 or day != self._day or self._size >= self._max_bytes:
            self._open(day)
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(self._handle, view) :]
        except OSError:
            self.close()  # to be opened again, which ends the line that is cut off now
            raise
        self._size += len(lines)

    def close(self) -> None:
        """Close the open file; `append` opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def files(self) -> list[Path]:
        """Return the recorded files, oldest first."""
        with contextlib.suppress(OSError):
            return sorted(path for path in self.directory.iterdir() if _OURS.fullmatch(path.name))
        return []

    def _open(self, day: str) -> None:
        self.close()
        make_private_directory(str(self.directory))
        numbers = [int(path.name[9:12]) for path in self.files() if path.name.startswith(day)]
        number = max(numbers, default=1)
        path = self.directory / f"{day}-{number:03d}.jsonl"
        if path.exists() and path.stat().st_size >= self._max_bytes:
            path = self.directory / f"{day}-{number + 1:03d}.jsonl"
        # Not through a symbolic link that somebody else put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self._handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
        self._day, self._size = day, os.fstat(self._handle).st_size
        if not ends_whole(str(path)):
            self._size += os.write(self._handle, b"\n")
        self._prune(day)

    def _prune(self, today: str) -> None:
        """Delete files older than KEEP_DAYS, and the oldest beyond MAX_FILES."""
        files = self.files()
        import calendar  # it loads locale: 2 ms of each start

        noon = calendar.timegm(time.strptime(today + " 12", "%Y%m%d %H"))
        oldest = time.strftime("%Y%m%d", time.gmtime(noon - KEEP_DAYS * 86400.0))
        for place, path in enumerate(files):
            if path.name[:8] < oldest or place < len(files) - MAX_FILES:
                with contextlib.suppress(OSError):
                    path.unlink()
