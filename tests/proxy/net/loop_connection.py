"""A client and its upstream whose connection is in the event loop."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.errors import ClientGoneError, UpstreamLostError
from teamclaude.proxy.http.framing import request_framing
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.connection_task import ConnectionTask
from teamclaude.proxy.net.coroutine import ReadUpstream, RequestCoroutine
from teamclaude.proxy.net.event_loop import EventLoop
from teamclaude.proxy.net.transport import UpstreamPool
from teamclaude.proxy.net.upstream_connection import UpstreamConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]
ORIGIN = Origin("http", "127.0.0.1", 1)
REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"

needs_epoll = pytest.mark.skipif(
    not hasattr(select, "epoll"), reason="no epoll here: requests keep their threads"
)


class LoopConnection:
    """A client, its upstream, and the thread that hands their connection over."""

    def __init__(self, client_pair: Pair, pair: Pair, event_loop: EventLoop, timeout: float = 5.0) -> None:
        self.event_loop = event_loop
        self.user, here = client_pair()
        there, self.api = pair()
        self.user.settimeout(30)
        self.api.settimeout(30)
        self.client = ClientConnection(here, 5.0, 5.0, 5.0)
        self.connection = UpstreamConnection(there, ORIGIN)
        self.pool = UpstreamPool()
        self.pool.release(self.connection)
        self.timeout = timeout
        self.body = b""  # of the requests to the upstream
        self.seen: list[Any] = []
        self.threads: set[str] = set()
        self.may_continue = True
        self.last_effect: Optional[Callable[[], Any]] = None
        self.error: Optional[BaseException] = None
        self.task = ConnectionTask(self.client, self._start_request, lambda: self.may_continue, timeout)
        self._thread = threading.Thread(target=self._own, daemon=True)
        self._thread.start()

    def _own(self) -> None:
        try:
            assert self.event_loop.run(self.task)
        except BaseException as error:
            self.error = error

    def _start_request(self, data: bytes) -> Optional[RequestCoroutine[bool]]:
        self.threads.add(threading.current_thread().name)
        head = self.client.take_whole_request(data)
        return None if head is None else self._serve(head)

    def _serve(self, head: RequestHead) -> RequestCoroutine[bool]:
        what = head.get("x-do")
        if what == "break":
            raise KeyError("a defect")
        self.client.read_body(request_framing(head), 99)
        connection = self.pool.take_idle(ORIGIN, self.client.watch.epoll)
        assert connection is not None
        try:
            answer = yield ReadUpstream(
                connection, self.client.watch, self.timeout, "answer", b"asked;", self.body
            )
            self.seen.append(answer)
            if self.last_effect is not None:
                self.seen.append((yield self.last_effect))
            self.client.send(b"told " + answer + b";")
            self.pool.release(connection)
            return what != "close"
        except (ClientGoneError, UpstreamLostError) as error:
            self.seen.append(error)
            connection.close()
            return False

    def asks(self, do: str = "") -> None:
        self.user.sendall(REQUEST.replace(b"Host: h", f"Host: h\r\nX-Do: {do}".encode()))

    def is_told(self, expected: bytes) -> None:
        got = b""
        while len(got) < len(expected):
            data = self.user.recv(len(expected) - len(got))
            assert data, f"the connection ended after {got!r}"
            got += data
        assert got == expected

    def api_hears(self) -> None:
        assert self.api.recv(6) == b"asked;"

    def ends(self) -> ConnectionTask:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.task


Connect = Callable[..., LoopConnection]
