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

from ...errors import TeamClaudeError
from .callback import Callback, from_query
from .login_flow import LoginFlow

__all__ = ["LoopbackServer"]

PATH = "/callback"
RESULT_TIMEOUT_S = 90.0  # spending the code takes at most the time limits of two requests
CLOSE_TIMEOUT_S = 2.0
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>TeamClaude</title>
<body style="font: 1.1em sans-serif; margin: 4em auto; max-width: 36em"><h1>{0}</h1><p>{1}</p>
"""
LOGGED_IN = "You are logged in", "Close this page and go back to the terminal."
FAILED = "The login failed", "The terminal says why. Close this page."
TOO_LATE = "Already used", "This login link was used before. Close this page."
WRONG_LOGIN = "Not a login of this program", "Open the newest address that the terminal shows."
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Referrer-Policy", "no-referrer"),  # the address of the page holds the code
    ("X-Content-Type-Options", "nosniff"),
)


class LoopbackServer:
    """Has its port from the start, answers from `serve` on, is closed at the end of its `with` block."""

    def __init__(self) -> None:
        try:
            self._server = _Server(("127.0.0.1", 0), _RequestHandler)
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

    def serve(self, flow: LoginFlow) -> None:
        """Answer visits, and give the first that fits to `attempt`."""
        self._server.flow = flow
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def report_result(self, worked: bool) -> None:
        """What came of the login: the visitor's page, which has waited, says so."""
        self._server.set_result(worked)

    def close(self) -> None:
        """Let a visitor have its page, and listen no more."""
        self._server.set_result(False)
        self._server.wait_for_last_page()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> LoopbackServer:
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
    flow: LoginFlow

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        # Guards the three fields below; the visitor waits on it for its page, close for the visitor.
        self._changed = threading.Condition()
        self._used = False
        self._succeeded: Optional[bool] = None
        self._page_sent = False

    def claim_login(self) -> bool:
        """Whether this visit is the login: true once."""
        with self._changed:
            first, self._used = not self._used, True
            return first

    def wait_for_result(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._succeeded is not None, RESULT_TIMEOUT_S)
            return bool(self._succeeded)

    def set_result(self, worked: bool) -> None:
        with self._changed:
            if self._succeeded is None:
                self._succeeded = worked
            self._changed.notify_all()

    def page_sent(self) -> None:
        with self._changed:
            self._page_sent = True
            self._changed.notify_all()

    def wait_for_last_page(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._page_sent or not self._used, CLOSE_TIMEOUT_S)
            self._used = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left early is nobody's failure."""


class _RequestHandler(BaseHTTPRequestHandler):
    """One request; BaseHTTPRequestHandler closes the connection after it."""

    timeout = 10  # browsers open connections ahead and never use them
    server: _Server

    def do_GET(self) -> None:
        path, query = urlsplit(self.path)[2:4]
        if path != PATH:
            self._send_page(404, WRONG_LOGIN)
            return
        callback, server = from_query(query), self.server
        if not server.flow.secrets.matches_state(callback.state) or not (callback.code or callback.error):
            server.flow.on_callback(Callback())
            self._send_page(400, WRONG_LOGIN)
        elif not server.claim_login():
            self._send_page(410, TOO_LATE)
        else:
            server.flow.on_callback(callback)
            try:
                self._send_page(*((200, LOGGED_IN) if server.wait_for_result() else (400, FAILED)))
            finally:
                server.page_sent()

    def _reject_method(self) -> None:
        """Only a person's browser logs in, with a GET: a HEAD of a link checker must not use up the login."""
        self._send_page(405, WRONG_LOGIN, ("Allow", "GET"))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _reject_method

    def _send_page(self, status: int, words: tuple[str, str], *more: tuple[str, str]) -> None:
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
