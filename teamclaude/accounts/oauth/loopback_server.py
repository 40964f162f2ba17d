"""The loopback HTTP server that the browser is redirected to after a login (RFC 8252, 7.3).

Rules:
1. It listens on 127.0.0.1 only, on a port the system picks.
2. The first request with the login's state is the login; a later one gets 410.
3. A request without that state (any web page can send one) changes nothing.
4. The page has no secret, no script and no external resource; no request is logged.
"""

from __future__ import annotations

import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Optional
from urllib.parse import urlsplit

from ...errors import TeamClaudeError
from .login_flow import Callback, LoginFlow, from_query

__all__ = ["LoopbackServer"]

PATH = "/callback"
RESULT_TIMEOUT_S = 90.0  # exchanging the code takes at most the timeouts of two requests
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
    ("Referrer-Policy", "no-referrer"),  # the URL of the page holds the code
    ("X-Content-Type-Options", "nosniff"),
)


class LoopbackServer:
    """Bind the port at construction, answer from `serve` on, close at the end of the `with` block."""

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
        """The port that the system picked."""
        return int(self._server.server_address[1])

    @property
    def redirect_uri(self) -> str:
        """The redirect URI, with `localhost` as registered for the client, not the address."""
        return f"http://localhost:{self.port}{PATH}"

    def serve(self, flow: LoginFlow) -> None:
        """Answer requests in a thread; pass the login's callback to `flow`."""
        self._server.flow = flow
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def report_result(self, worked: bool) -> None:
        """Report the login's outcome: the waiting browser gets its page."""
        self._server.set_result(worked)

    def close(self) -> None:
        """Wait up to CLOSE_TIMEOUT_S until a waiting browser has its page, then stop listening."""
        self._server.set_result(False)
        self._server.wait_for_last_page()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# Not http.server.HTTPServer, which looks up this machine's name in DNS.
class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    flow: LoginFlow

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        # Guards the three fields below; a request waits on it for the outcome, `close` for that request.
        self._changed = threading.Condition()
        self._used = False
        self._succeeded: Optional[bool] = None
        self._page_sent = False

    def claim_login(self) -> bool:
        """Return whether this request is the login: true once."""
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
        """Ignore a browser that closed its connection early."""


class _RequestHandler(BaseHTTPRequestHandler):
    """Handle one request; BaseHTTPRequestHandler then closes the connection (HTTP/1.0)."""

    timeout = 10  # s; browsers open connections in advance and never use them
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
        """Answer 405: a browser logs in with GET; a link checker's HEAD must not use up the login."""
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
        """Log nothing: the request line holds the code."""
