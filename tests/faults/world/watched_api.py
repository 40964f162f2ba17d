"""A fake API that records every byte it sends, when, and whether two attempts were open at once."""

from __future__ import annotations

import itertools
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Optional

from teamclaude.fakeapi import api as fake
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.fakeapi.wire import ApiConnection, SendProgress
from teamclaude.values import replace
from tests.faults.rules.evidence import Heard, Overlap
from tests.faults.world.owned_ids import OwnedIds

__all__ = ["FastClock", "NotHttpServer", "TappedConnection", "WatchedApi"]

# Linux' value where the build of `select` does not export it; 0: it can't be told.
_TAG = re.compile(rb"t[0-9]+\.[0-9]+\.[0-9]+")
_RDHUP: int = getattr(select, "POLLRDHUP", 0)


class FastClock:
    """Epoch seconds that run `speed` times as fast as real ones and can be set."""

    def __init__(self, speed: float, start: float) -> None:
        self.speed = speed
        self._lock = threading.Lock()  # guards marks
        self.marks = [(time.monotonic(), start)]

    def __call__(self) -> float:
        at, reading = self.marks[-1]
        return reading + (time.monotonic() - at) * self.speed

    def jump(self, seconds: float) -> None:
        with self._lock:
            self.marks.append((time.monotonic(), self() + seconds))


class TappedConnection(ApiConnection):
    """Records what it has sent since `begin`."""

    def __init__(self, sock: socket.socket, scale: float = 1.0) -> None:
        super().__init__(sock, scale)
        self.socket = sock
        self.sent: list[bytes] = []
        self.last_sent = 0.0
        self.abandoned = False  # the API closed the connection from another thread

    def begin(self) -> None:
        self.sent, self.last_sent = [], 0.0

    def shut_down(self) -> None:
        self.abandoned = True
        super().shut_down()

    def _send(self, data: bytes) -> None:
        # Record first: a failed send may have gone in part, and the peer may act before this thread does.
        self.sent.append(data)
        self.last_sent = time.monotonic()
        super()._send(data)

    @property
    def peer_has_closed(self) -> bool:
        """Whether the other end was closed; on loopback this is visible before close() returns there."""
        if not _RDHUP:
            return True
        try:
            poll = select.poll()
            poll.register(self.socket, _RDHUP)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True


class WatchedApi(fake.FakeApi):
    """A fake API with a list of attempts, `heard`, which is complete once everything is quiet."""

    def __init__(
        self, name: str, accounts: Sequence[FakeAccount], clock: Callable[[], float], first_number: int = 1
    ) -> None:
        super().__init__(accounts, clock=clock)
        self.name = name
        self._ids = OwnedIds()
        self._numbers = itertools.count(first_number)
        self._watching = threading.Lock()  # guards the four below
        self._connection: dict[int, TappedConnection] = {}  # by its own number
        self._open: dict[int, tuple[Heard, TappedConnection]] = {}  # by exchange
        self._suspected: list[Overlap] = []
        self.heard: list[Heard] = []

    @property
    def overlaps(self) -> list[Overlap]:
        """Pairs of attempts that were open at once: the first continued, or was still awaited."""
        return [
            pair
            for pair in self._suspected
            if pair.first.cancelled or pair.first.last_sent > pair.second.at or not pair.first.over
        ]

    def _serve_requests(self, connection: ApiConnection, number: int) -> None:
        assert isinstance(connection, TappedConnection)
        with self._watching:
            self._connection[number] = connection
        super()._serve_requests(connection, number)

    def _answer(self, request: Any, owner: Optional[FakeAccount], fault: Optional[Fault]) -> Any:
        """Answer as the API, also for ids; headers of a fault replace the API's of the same name."""
        answer = self._ids.answer(request, owner.name) if owner and not (fault and fault.replaces) else None
        if answer is not None:
            return answer, None
        answer, bill = super()._answer(request, owner, fault)
        if fault is not None and fault.headers and fault.code is None:
            given = {name.lower() for name, _ in fault.headers}
            kept = [row for row in answer.headers if row[0].lower() not in given]
            answer = replace(answer, headers=kept)
        return answer, bill

    def _log_arrival(self, request: Any, number: int, owner: Optional[FakeAccount]) -> fake.LoggedExchange:
        exchange = super()._log_arrival(request, number, owner)
        heard = Heard(
            self.name,
            exchange.number,
            _tag(exchange),
            time.monotonic(),
            exchange.at,
            exchange.account,
            exchange.method,
            exchange.path,
            exchange.headers,
            exchange.body,
        )
        with self._watching:
            connection = self._connection[number]
            connection.begin()
            heard.stale = connection.peer_has_closed
            self.heard.append(heard)
            # What is read after its connection was closed had been given up before it was read.
            for first, where in self._open.values() if not heard.stale else ():
                if first.tag == heard.tag != "" and not where.peer_has_closed:
                    self._suspected.append(Overlap(first, heard))
            self._open[exchange.number] = heard, connection
        return exchange

    def _log_end(
        self, exchange: fake.LoggedExchange, answer: Any, fault: Optional[Fault], progress: SendProgress
    ) -> None:
        with self._watching:
            heard, connection = self._open.pop(exchange.number)
        heard.status = answer.status if progress.head else 0
        added = fault.headers if fault is not None and fault.code is None else ()
        heard.fields = (*answer.headers, *added)
        heard.how = "fin" if connection.abandoned else progress.closed
        heard.hung_up = connection.abandoned
        heard.cancelled = progress.gone and not connection.abandoned
        heard.last_sent, heard.wire = connection.last_sent, b"".join(connection.sent)
        heard.over, heard.over_clock = time.monotonic(), self.clock()
        super()._log_end(exchange, answer, fault, progress)


def _tag(exchange: fake.LoggedExchange) -> str:
    """Return the tag of a request, from its body, else its session: heads repeat as those of real clients."""
    found = _TAG.search(exchange.body)
    return found[0].decode() if found else exchange.header("x-claude-code-session-id") or ""


class NotHttpServer:
    """A server whose protocol is neither TLS nor HTTP."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, name="not-http", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                sock.sendall(b"220 mail.example ESMTP\r\n")

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
