"""The request log: one readable file per client request, without credentials.

A request thread only collects references and clipped copies in a RequestRecord and hands it over; one
background thread decodes, redacts and writes.  With a full queue or a full disk records are lost, with one
warning; a request never waits for the log and never fails because of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Callable, Optional

from ...accounts.config.atomic_write import foreign_writer_warning, make_private_directory
from ...accounts.config.config import Config
from ...errors import ConfigError
from .request_record import RequestRecord, render

__all__ = ["RequestLog", "open_request_log"]

_OURS = re.compile(r"[0-9]{8}_[0-9]{6}\.[0-9]{3}_[0-9A-Za-z_-]{1,64}\.log")
_UNSAFE = re.compile(r"[^0-9A-Za-z_-]")
_MAX_WAITING = 1000
_MAX_WAITING_BYTES = 32 * 1024 * 1024
_PRUNE_EVERY_S = 600.0
_CLOSE_WITHIN_S = 5.0


class RequestLog:
    """Write files `YYYYMMDD_HHMMSS.mmm_<id>.log` (local time, 0600) in `directory` (made with 0700).

    `max_body_bytes`: longer bodies are clipped; `retention_hours`: older files are deleted, with 0 never;
    `max_total_bytes`: beyond it the oldest files are deleted, with 0 none; between two rounds there may be an
    eighth more.  `warn` gets one line a person can act on; `clock` returns epoch seconds.
    """

    def __init__(
        self,
        directory: str,
        max_body_bytes: int = 262_144,
        retention_hours: float = 24.0,
        warn: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.time,
        max_waiting: int = _MAX_WAITING,
        max_total_bytes: int = 0,
    ) -> None:
        self.directory = os.path.abspath(os.path.expanduser(directory))
        self._max_body_bytes = max_body_bytes
        self._retention_hours = retention_hours
        self._warn = warn
        self._clock = clock
        self._max_waiting = max_waiting
        self._max_total_bytes = max_total_bytes
        self._written_bytes = 0  # since the last round of deletions; only the thread uses it
        # The condition's lock guards the five below.
        self._condition = threading.Condition()
        self._waiting: deque[tuple[int, RequestRecord]] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._stopped = False
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._prepare()
        self._thread.start()

    @property
    def active(self) -> bool:
        """False once writing has failed: new records would be thrown away."""
        return not self._stopped

    def begin(
        self, request_id: str, method: str, target: str, headers: list[tuple[str, str]]
    ) -> RequestRecord:
        """Return a new record to fill; hand it back with `finish`."""
        return RequestRecord(request_id, method, target, headers, self._max_body_bytes, self._clock)

    def finish(self, record: RequestRecord) -> None:
        """Queue a finished record, which must not change any more; never blocks on the disk."""
        with self._condition:
            if self._stopped or self._closing:
                return
            size = record.size()
            full = len(self._waiting) >= self._max_waiting or self._waiting_bytes + size > _MAX_WAITING_BYTES
            if not full:
                self._waiting.append((size, record))
                self._waiting_bytes += size
                self._condition.notify()
        if full:
            self._warn_once("the request log can't keep up with the traffic; requests are missing from it")

    def close(self) -> None:
        """Write the queued records and end the thread; give up after 5 s on a hanging disk."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(_CLOSE_WITHIN_S)

    def prune(self) -> int:
        """Delete the log's files that are older than the retention, then the oldest beyond the size.

        Return how many.  Other files are neither counted nor deleted.
        """
        now, hours, most = self._clock(), self._retention_hours, self._max_total_bytes
        if hours <= 0 and most <= 0:
            return 0
        oldest = now - hours * 3600 if hours > 0 else float("-inf")
        kept, deleted = 0, 0
        for modified, size, path in sorted(self._files(), reverse=True):  # the newest first
            kept += size
            if modified < oldest or 0 < most < kept:
                # A file that vanished or can't be deleted is left to the next round.
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    deleted += 1
        return deleted

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """Yield modification time, size and path of each file of the log."""
        with contextlib.suppress(OSError), os.scandir(self.directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # it vanished
                    if _OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        yield found.st_mtime, found.st_size, entry.path

    def _prepare(self) -> None:
        try:
            make_private_directory(self.directory)
            mode = os.stat(self.directory).st_mode
        except OSError as error:
            self._stop(error)
            return
        # The user's own directory keeps its mode; the files in it are private anyway.
        danger = foreign_writer_warning(self.directory)
        if danger:
            self._warn(f"request log: {danger}")
        elif mode & 0o055 and os.name == "posix":
            self._warn(f"other users can list the request log; `chmod 700 {self.directory}` keeps them out")

    def _run(self) -> None:
        pruned_at = float("-inf")
        while True:
            if not 0 <= self._clock() - pruned_at < _PRUNE_EVERY_S or self._has_written_much():
                pruned_at, self._written_bytes = self._clock(), 0
                self.prune()
            with self._condition:
                if not self._waiting and not self._closing and not self._stopped:
                    self._condition.wait(_PRUNE_EVERY_S)
                if self._stopped or (self._closing and not self._waiting):
                    return
                if not self._waiting:
                    continue
                size, record = self._waiting.popleft()
                self._waiting_bytes -= size
            self._write(record)

    def _has_written_much(self) -> bool:
        return 0 < self._max_total_bytes < 8 * self._written_bytes

    def _write(self, record: RequestRecord) -> None:
        try:
            content = render(record)
            self._create(self._name(record), content)
            self._written_bytes += len(content)
        except FileExistsError:
            self._warn_once("the request log skips a request whose file exists already")
        except OSError as error:
            self._stop(error)
        except Exception as error:  # a defect in rendering one record must not end the log
            self._warn_once(f"the request log skips a request it can't write ({type(error).__name__})")

    def _create(self, name: str, content: bytes) -> None:
        path = os.path.join(self.directory, name)
        # O_EXCL also refuses a symbolic link that somebody put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(path, flags, 0o600)
        except FileNotFoundError:  # the directory was removed meanwhile
            make_private_directory(self.directory)
            handle = os.open(path, flags, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)  # half a record would look like a whole one
            raise

    def _name(self, record: RequestRecord) -> str:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(record.started))
        identifier = _UNSAFE.sub("_", record.request_id)[:64] or "_"
        return f"{stamp}.{int(record.started * 1000) % 1000:03d}_{identifier}.log"

    def _stop(self, error: OSError) -> None:
        with self._condition:
            self._stopped = True
            self._waiting.clear()
            self._waiting_bytes = 0
        reason = error.strerror or type(error).__name__
        self._warn(f"the request log is off until the next start: {self.directory}: {reason}")

    def _warn_once(self, line: str) -> None:
        with self._condition:
            first = line not in self._warned
            self._warned.add(line)
        if first:
            self._warn(line)


def open_request_log(
    config: Config, log_dir: Optional[str], warn: Callable[[str], None], clock: Callable[[], float]
) -> Optional[RequestLog]:
    """Return the log that the config, or the directory of the command line, asks for; raise ConfigError."""
    directory = log_dir or (config.log_dir if config.log_requests else None)
    if config.log_requests and not directory:
        raise ConfigError("logRequests needs logDir, the directory to write to")
    if not directory:
        return None
    path = os.path.expanduser(directory)
    return RequestLog(
        path,
        config.log_max_body_bytes,
        config.log_retention_hours,
        warn,
        clock,
        max_total_bytes=config.log_max_mb * 1_000_000,
    )
