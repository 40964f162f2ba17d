"""The place on this machine that the browser comes back to after a login.

Rules:
1. It listens on 127.0.0.1 alone, on a port the system picks.
2. The first visit with the login's state is the login; each later one is told that it is too late.
3. A visit without that state (another web page may make one) changes nothing.
4. The page has no secret, no script and nothing from elsewhere; nothing of a visit is logged.
"""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Optional
from urllib.parse import urlsplit

from ..errors import TeamClaudeError
from .attempt import LoginAttempt
from .callback import Callback, from_query

__all__ = ["Loopback"]

PATH = "/callback"
VERDICT_S = 90.0  # spending the code takes at most the time limits of two requests
LEAVE_S = 2.0
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>TeamClaude</title>
<body style="font: 1.1em sans-serif; margin: 4em auto; max-width: 36em"><h1>{0}</h1><p>{1}</p>
"""
LOGGED_IN = "You are logged in", "Close this page and go back to the terminal."
FAILED = "The login failed", "The terminal says why. Close this page."
TOO_LATE = "Already used", "This login link was used before. Close this page."
STRANGER = "Not a login of this program", "Open the newest address that the terminal shows."
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Referrer-Policy", "no-referrer"),  # the address of the page holds the code
    ("X-Content-Type-Options", "nosniff"),
)


class Loopback:
    """Has its port from the start, answers from `serve` on, is closed at the end of its `with` block."""

    def __init__(self) -> None:
        try:
            self._server = _Server(("127.0.0.1", 0), _Visit)
        except OSError as error:
            raise TeamClaudeError(
                f"can't listen on 127.0.0.1 for the browser ({error.strerror}); use --no-browser"
            ) from error
        self._thread: Optional[threading.Thread] = None

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def redirect_uri(self) -> str:
        """`localhost`, not the address: that is what is registered for the client."""
        return f"http://localhost:{self.port}{PATH}"

    def serve(self, attempt: LoginAttempt) -> None:
        """Answer visits, and give the first that fits to `attempt`."""
        self._server.attempt = attempt
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def finish(self, worked: bool) -> None:
        """What came of the login: the visitor's page, which has waited, says so."""
        self._server.conclude(worked)

    def close(self) -> None:
        """Let a visitor have its page, and listen no more."""
        self._server.conclude(False)
        self._server.bid_farewell()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Loopback:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


# Not http.server.HTTPServer, which asks the name service for the name of this machine.
class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    attempt: LoginAttempt

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        # Guards the three fields below; the visitor waits on it for its page, close for the visitor.
        self._changed = threading.Condition()
        self._used = False
        self._worked: Optional[bool] = None
        self._answered = False

    def claim(self) -> bool:
        """Whether this visit is the login: true once."""
        with self._changed:
            first, self._used = not self._used, True
            return first

    def verdict(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._worked is not None, VERDICT_S)
            return bool(self._worked)

    def conclude(self, worked: bool) -> None:
        with self._changed:
            if self._worked is None:
                self._worked = worked
            self._changed.notify_all()

    def answered(self) -> None:
        with self._changed:
            self._answered = True
            self._changed.notify_all()

    def bid_farewell(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._answered or not self._used, LEAVE_S)
            self._used = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left early is nobody's failure."""


class _Visit(BaseHTTPRequestHandler):
    """One request; BaseHTTPRequestHandler closes the connection after it."""

    timeout = 10  # browsers open connections ahead and never use them
    server: _Server

    def do_GET(self) -> None:
        path, query = urlsplit(self.path)[2:4]
        if path != PATH:
            self._show(404, STRANGER)
            return
        callback, server = from_query(query), self.server
        if not server.attempt.proof.knows(callback.state) or not (callback.code or callback.error):
            server.attempt.bring(Callback())
            self._show(400, STRANGER)
        elif not server.claim():
            self._show(410, TOO_LATE)
        else:
            server.attempt.bring(callback)
            try:
                self._show(*((200, LOGGED_IN) if server.verdict() else (400, FAILED)))
            finally:
                server.answered()

    def _refuse(self) -> None:
        """Only a person's browser logs in, with a GET: a HEAD of a link checker must not use up the login."""
        self._show(405, STRANGER, ("Allow", "GET"))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _show(self, status: int, words: tuple[str, str], *more: tuple[str, str]) -> None:
        page = PAGE.format(*words).encode()
        self.send_response(status)
        for name, value in (*HEADERS, ("Content-Length", str(len(page))), *more):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def version_string(self) -> str:
        return "TeamClaude"

    def log_message(self, format: str, *args: Any) -> None:
        """Its request line holds the code."""
