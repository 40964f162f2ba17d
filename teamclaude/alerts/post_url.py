"""Post an event to a URL: by our own connections (proxies, trust), with retries and a time limit.

Rules that hold in this file:

1. Redirects are not followed: the event would reach another host than the configured one.
2. Of the answer only the status is read, within the limit, however slowly it comes.
3. What went wrong is told with the host alone: the rest of a URL is often a credential.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import Optional
from urllib.parse import SplitResult, unquote, urlsplit

from .. import __version__
from ..dial.connector import Connector, error_text
from ..errors import ConfigError, ConnectFailedError, ProxyRefusedError

__all__ = ["ATTEMPT_SEC", "LIMIT_SEC", "post_url"]

LIMIT_SEC = 60.0
ATTEMPT_SEC = 10.0
PAUSES_SEC = (1.0, 4.0, 15.0)


class _AttemptError(Exception):
    """One attempt failed; `final`: another one would, too."""

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


def post_url(
    url: str,
    payload: bytes,
    connector: Connector,
    pause: Callable[[float], bool],
    limit_sec: float = LIMIT_SEC,
    attempt_sec: float = ATTEMPT_SEC,
) -> str:
    """Post it and return what went wrong in one line; empty: the server has answered 2xx.

    `pause(seconds)` waits before another attempt and returns True if there is to be none.
    """
    parts = urlsplit(url)
    deadline = time.monotonic() + limit_sec
    problem, pauses = "", [*PAUSES_SEC]
    while True:
        try:
            _attempt(parts, payload, connector, min(attempt_sec, max(0.1, deadline - time.monotonic())))
            return ""
        except _AttemptError as error:
            problem = f"{parts.hostname}: {error}"
            if error.final or not pauses or time.monotonic() + pauses[0] >= deadline or pause(pauses.pop(0)):
                return problem


def _attempt(parts: SplitResult, payload: bytes, connector: Connector, seconds: float) -> None:
    """Post once; raises _AttemptError."""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        sock = connector.open(parts.scheme, host, port)
    except (ConfigError, ProxyRefusedError) as error:
        raise _AttemptError(str(error), final=True) from None
    except ConnectFailedError as error:
        raise _AttemptError(str(error)) from None
    is_late = threading.Event()
    limit = threading.Timer(seconds, _cut, (sock, is_late))
    limit.daemon = True
    limit.start()
    try:
        status, location = _ask(sock, parts, host, port, payload, seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_late.is_set() or isinstance(error, socket.timeout):
            raise _AttemptError(f"no answer within {seconds:.2g} s") from None
        words = "it is not HTTP" if not isinstance(error, OSError) else error_text(error)
        raise _AttemptError(f"no answer: {words}") from None
    finally:
        limit.cancel()
        with contextlib.suppress(OSError):
            sock.close()
    if 300 <= status < 400:
        where = _host_of(location or "")
        elsewhere = f" to {where}" if where and where != host else ""
        raise _AttemptError(
            f"it redirects{elsewhere} ({status}), which is not followed; set that URL", final=True
        )
    if not 200 <= status < 300:
        raise _AttemptError(f"it answered {status}", final=status < 500 and status not in (408, 429))


def _host_of(location: str) -> str:
    """Return the host of a Location header, empty if it has none that can be shown."""
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return ""
    return host if host.isascii() and host.isprintable() else ""


def _cut(sock: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _ask(
    sock: socket.socket, parts: SplitResult, host: str, port: int, payload: bytes, seconds: float
) -> tuple[int, Optional[str]]:
    """Send the request; return the status and the Location of the answer."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    connection.default_port = 443 if parts.scheme == "https" else 80
    sock.settimeout(seconds)
    connection.sock = sock
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"teamclaude/{__version__}",
        "Connection": "close",
    }
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, payload, headers)
    with connection.getresponse() as response:
        return response.status, response.getheader("Location")
