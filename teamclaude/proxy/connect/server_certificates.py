"""The certificates of a running server: checked each day, and when someone has touched the files."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from ...errors import ConfigError
from .certificates import Certificates, ensure_certificates, server_context

__all__ = ["ServerCertificates"]

CHECK_SEC = 86400.0
RETRY_SEC = 3600.0  # after a failure


class ServerCertificates:
    """`context` is the TLS context to open connections with; it is replaced as a whole by `check`.

    `clock` returns epoch seconds.  `warn` gets one line about a failure; the old context stays in force then.
    The constructor raises ConfigError: a server that opens connections needs valid ones at its start.
    """

    def __init__(
        self,
        directory: Path,
        hosts: Iterable[str],
        clock: Callable[[], float],
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._warn = warn
        self._hosts = tuple(hosts)
        self._error = ""
        self._checked_at = clock()
        self._next_check_sec = CHECK_SEC
        self.certificates = ensure_certificates(directory, self._hosts, self._checked_at, warn=self._failed)
        self.context: ssl.SSLContext = server_context(self.certificates)
        self._stamp = self._read_stamp()

    def check(self, hosts: Optional[Iterable[str]] = None) -> None:
        """Do what is due: for the config watch, every few seconds; `hosts` where they have changed.

        Costs two system calls unless a day has passed or the files have changed.  Never raises.
        """
        wanted = self._hosts if hosts is None else tuple(hosts)
        since = self._clock() - self._checked_at
        if wanted == self._hosts and 0 <= since < self._next_check_sec and self._read_stamp() == self._stamp:
            return
        self._hosts, self._checked_at = wanted, self._clock()
        last, self._error = self._error, ""
        try:
            self._renew(last)
        except ConfigError as error:
            self._failed(str(error), last)
        self._next_check_sec = RETRY_SEC if self._error else CHECK_SEC
        self._stamp = self._read_stamp()

    def _failed(self, line: str, last: str = "") -> None:
        self._error, self._next_check_sec = line, RETRY_SEC
        if line != last:
            self._warn(line)

    def _renew(self, last: str) -> None:
        found: Certificates = ensure_certificates(
            self._directory, self._hosts, self._checked_at, warn=lambda line: self._failed(line, last)
        )
        if found != self.certificates:  # else the sessions that clients hold would end with the old context
            self.context = server_context(found)
            self.certificates = found

    def _read_stamp(self) -> list[tuple[int, int, int]]:
        """Return what changes with ca.pem and with the directory: a file was added, replaced or removed."""
        found = []
        for path in (self._directory, self._directory / "ca.pem"):
            with suppress(OSError):
                status = os.stat(path)
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return found
