"""Connections that there is no room for are answered, all by one thread, and then closed.

Rules that hold in this file:

1. It needs neither a thread nor a descriptor more for one of them: it is there for when these have run out.
2. Nobody makes it wait: sockets are not waited for one by one, each has a few seconds, and beyond MOST the
   oldest is answered and closed at once.
3. The answer is sent when the request has begun to come: some clients take one that comes before for a fault.
   Then what still comes is read away: a close with unread input would reset the answer on its way.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Optional, Union

from ..errors import TeamClaudeError
from .http.header_rewrite import render_response
from .records.exchange import new_request_id

__all__ = ["ConnectionRefuser"]

MAX_PENDING = 64
SELECT_SEC = 0.05  # how soon a new one is looked at while there are others
REQUEST_WAIT_SEC = 2.0  # the answer is sent without a request then
CLOSE_AFTER_SEC = 4.0  # and the connection closed then
RECV_BYTES = 65536
MAX_READS = 16  # of one in one turn
# Of its own no descriptor, unlike epoll's and kqueue's.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class ConnectionRefuser:
    """Any thread hands sockets over; `tls` is the server's context, where it has one."""

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
        """Have the thread: before there may be none to be had."""
        with self._changed:
            if not self._started:
                threading.Thread(target=self._run, name="refuse", daemon=True).start()
                self._started = True

    def refuse(
        self, sock: socket.socket, error: TeamClaudeError, on_close: Callable[[], None] = lambda: None
    ) -> None:
        """Answer this connection with `error` and close it; `closed` is called then."""
        try:
            guest = _RefusedConnection(sock, self._tls, _render_error(error), self._monotonic(), on_close)
        except OSError:  # the client is gone already
            sock.close()
            on_close()
            return
        with self._changed:
            guests = [*self._pending, guest]
            kept = MAX_PENDING if self._started and not self._closing else 0
            first = max(0, len(guests) - kept)
            too_many, self._pending = guests[:first], guests[first:]
            self._changed.notify_all()
        for each in too_many:
            each.close()

    def close(self) -> None:
        """Whoever is still there is closed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                guests = list(self._pending)
                if self._closing:
                    self._pending = []
                    break
            done = self._serve_ready(guests)
            with self._changed:
                self._pending = [each for each in self._pending if each not in done]
        for guest in guests:
            guest.close()

    def _serve_ready(self, guests: list[_RefusedConnection]) -> list[_RefusedConnection]:
        """Go on with whom something can be done; returns those that are closed now."""
        with _Selector() as selector:
            for guest in guests:
                with suppress(ValueError, OSError):  # closed to make room
                    selector.register(guest.sock, guest.waits_for)
            selector.select(SELECT_SEC)
        now = self._monotonic()
        done = [guest for guest in guests if not guest.advance(now)]
        for guest in done:
            guest.close()
        return done


class _RefusedConnection:
    """One connection on its way out; used by one thread, but for `close`."""

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
        """Do what can be done without waiting; False when there is nothing left to do."""
        try:
            return now - self._accepted_at < CLOSE_AFTER_SEC and self._advance(
                now - self._accepted_at >= REQUEST_WAIT_SEC
            )
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            self.waits_for = _READ
        except ssl.SSLWantWriteError:
            self.waits_for = _WRITE
        except (OSError, ValueError):  # the client has left, or the socket was closed to make room
            return False
        return True

    def _advance(self, at_once: bool) -> bool:
        if not self._handshake_done and isinstance(self.sock, ssl.SSLSocket):
            self.sock.do_handshake()
            self._handshake_done = True
        if not self._answered:
            if not at_once and not self.sock.recv(RECV_BYTES):
                return False
            self.sock.send(self._answer)  # a few hundred bytes: the first ones always fit
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            self._answered = True
        return all(self.sock.recv(RECV_BYTES) for _ in range(MAX_READS))

    def close(self) -> None:
        """Answer, if that was not done and can be without waiting, and close."""
        closed, self._on_close = self._on_close, None
        if closed is not None:
            if not self._answered:
                self.advance(self._accepted_at + REQUEST_WAIT_SEC)
            self.sock.close()
            closed()


def _render_error(error: TeamClaudeError) -> bytes:
    body = json.dumps({"type": "error", "error": {"type": error.kind, "message": str(error)}}).encode()
    fields = [("Content-Type", "application/json"), *error.headers(), ("Content-Length", str(len(body)))]
    fields += [("request-id", new_request_id()), ("Connection", "close")]
    return render_response(error.status, "Service Unavailable", fields) + body
