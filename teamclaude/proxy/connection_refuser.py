"""Answer connections that there is no room for, in one thread, and close them.

Rules that hold in this file:

1. A refused connection takes neither another thread nor another descriptor: these have run out.
2. No client can block the thread: sockets are polled together, each for a few seconds, and beyond MAX_PENDING
   the oldest is answered and closed at once.
3. The response is sent once the request has begun to arrive: some clients take an earlier one for an error.
   Further input is read and dropped: a close with unread input would reset the response on its way.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Optional, Union

from ..dial.tls_sockets import is_tls, tls_wants_write, would_block
from ..errors import TeamClaudeError
from ..lazy_modules import ssl
from .records.exchange import new_request_id
from .replies import render_error

__all__ = ["ConnectionRefuser"]

MAX_PENDING = 64
SELECT_SEC = 0.05  # within which a new connection is noticed while others are pending
REQUEST_WAIT_SEC = 2.0  # afterwards the response is sent without a request
CLOSE_AFTER_SEC = 4.0  # afterwards the connection is closed
RECV_BYTES = 65536
MAX_READS = 16  # per connection and poll
# It needs no descriptor of its own, unlike epoll and kqueue.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class ConnectionRefuser:
    """Take sockets from any thread; `tls` is the server's context, if it has one."""

    def __init__(
        self, tls: Optional[ssl.SSLContext] = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tls = tls
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the three below
        self._pending: list[_RefusedConnection] = []
        self._started = False
        self._closing = False

    def start(self) -> None:
        """Start the thread early: later none may be available."""
        with self._changed:
            if not self._started:
                threading.Thread(target=self._run, name="refuse", daemon=True).start()
                self._started = True

    def refuse(
        self, sock: socket.socket, error: TeamClaudeError, on_close: Callable[[], None] = lambda: None
    ) -> None:
        """Answer this connection with `error` and close it; `on_close` is called afterwards."""
        try:
            answer = render_error(error, new_request_id(), close=True)
            refused = _RefusedConnection(sock, self._tls, answer, self._monotonic(), on_close)
        except OSError:  # the client is already disconnected
            sock.close()
            on_close()
            return
        with self._changed:
            pending = [*self._pending, refused]
            kept = MAX_PENDING if self._started and not self._closing else 0
            first = max(0, len(pending) - kept)
            too_many, self._pending = pending[:first], pending[first:]
            self._changed.notify_all()
        for each in too_many:
            each.close()

    def close(self) -> None:
        """Close the connections that are pending and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                pending = list(self._pending)
                if self._closing:
                    self._pending = []
                    break
            done = self._serve_ready(pending)
            with self._changed:
                self._pending = [each for each in self._pending if each not in done]
        for refused in pending:
            refused.close()

    def _serve_ready(self, pending: list[_RefusedConnection]) -> list[_RefusedConnection]:
        """Advance the connections that are ready; return those that are closed now."""
        with _Selector() as selector:
            for refused in pending:
                with suppress(ValueError, OSError):  # closed meanwhile to make room
                    selector.register(refused.sock, refused.waits_for)
            selector.select(SELECT_SEC)
        now = self._monotonic()
        done = [refused for refused in pending if not refused.advance(now)]
        for refused in done:
            refused.close()
        return done


class _RefusedConnection:
    """One refused connection; used by one thread, but for `close`."""

    def __init__(
        self,
        sock: socket.socket,
        tls: Optional[ssl.SSLContext],
        answer: bytes,
        now: float,
        on_close: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self.sock: Union[socket.socket, ssl.SSLSocket] = sock
        if tls is not None:
            self.sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.waits_for = _READ
        self._handshake_done = tls is None
        self._answer = answer
        self._answered = False
        self._accepted_at = now
        self._on_close: Optional[Callable[[], None]] = on_close

    def advance(self, now: float) -> bool:
        """Do what can be done without waiting; return False when nothing is left to do."""
        try:
            return now - self._accepted_at < CLOSE_AFTER_SEC and self._advance(
                now - self._accepted_at >= REQUEST_WAIT_SEC
            )
        except would_block() as error:
            self.waits_for = _WRITE if isinstance(error, tls_wants_write()) else _READ
        except (OSError, ValueError):  # the client has disconnected, or the socket was closed to make room
            return False
        return True

    def _advance(self, without_request: bool) -> bool:
        if not self._handshake_done and is_tls(self.sock):
            self.sock.do_handshake()
            self._handshake_done = True
        if not self._answered:
            if not without_request and not self.sock.recv(RECV_BYTES):
                return False
            self.sock.send(self._answer)  # a few hundred bytes always fit into an empty send buffer
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            self._answered = True
        return all(self.sock.recv(RECV_BYTES) for _ in range(MAX_READS))

    def close(self) -> None:
        """Close; answer before, if that was not done and can be done without waiting."""
        closed, self._on_close = self._on_close, None
        if closed is not None:
            if not self._answered:
                self.advance(self._accepted_at + REQUEST_WAIT_SEC)
            self.sock.close()
            closed()
