"""A client's small requests aboard the ferry: each as a thread of its own would have served it."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from teamclaude.errors import ClientGoneError, UpstreamLostError
from teamclaude.proxy.http.framing import request_framing
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net import event_loop as module
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.coroutine import ReadUpstream, RequestCoroutine, resume_coroutine, run_coroutine
from teamclaude.proxy.net.event_loop import EventLoop
from teamclaude.proxy.net.keepalive_task import ConnectionTask
from teamclaude.proxy.net.transport import UpstreamPool
from teamclaude.proxy.net.upstream_connection import UpstreamConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]
ORIGIN = Origin("http", "127.0.0.1", 1)
REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"

pytestmark = pytest.mark.skipif(
    not hasattr(select, "epoll"), reason="no epoll here: requests keep their threads"
)


class Passenger:
    """A client, its upstream, and the thread that hands their connection over."""

    def __init__(self, pair: Pair, ferry: EventLoop, timeout: float = 5.0) -> None:
        self.ferry = ferry
        self.user, here = pair()
        there, self.api = pair()
        self.user.settimeout(5)
        self.api.settimeout(5)
        self.client = ClientConnection(here, 5.0, 5.0, 5.0)
        self.connection = UpstreamConnection(there, ORIGIN)
        self.pool = UpstreamPool()
        self.pool.release(self.connection)
        self.timeout = timeout
        self.seen: list[Any] = []
        self.threads: set[str] = set()
        self.may_stay = True
        self.last_step: Optional[Callable[[], Any]] = None
        self.error: Optional[BaseException] = None
        self.ride = ConnectionTask(self.client, self._begin, lambda: self.may_stay, timeout)
        self._thread = threading.Thread(target=self._own, daemon=True)
        self._thread.start()

    def _own(self) -> None:
        try:
            assert self.ferry.run(self.ride)
        except BaseException as error:
            self.error = error

    def _begin(self, data: bytes) -> Optional[RequestCoroutine[bool]]:
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
            connection.send(b"asked;", b"", self.client.watch)
            answer = yield ReadUpstream(connection, self.client.watch, self.timeout, "answer")
            self.seen.append(answer)
            if self.last_step is not None:
                self.seen.append((yield self.last_step))
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

    def lands(self) -> ConnectionTask:
        self._thread.join(5)
        assert not self._thread.is_alive()
        return self.ride


Board = Callable[..., Passenger]


@pytest.fixture
def board(tcp_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr(module, "IDLE_EXIT_SEC", 0.0)
    ferry = EventLoop()
    made: list[Passenger] = []

    def make(**how: Any) -> Passenger:
        made.append(Passenger(tcp_pair, ferry, **how))
        return made[-1]

    yield make
    for passenger in made:
        passenger.user.close()
        passenger.lands()
        passenger.pool.close()
    ferry.close()
    assert not any(thread.name == "event-loop" for thread in threading.enumerate())


def test_one_thread_serves_them_all(board: Board) -> None:
    passengers = [board() for _ in range(5)]
    for turn in (b"1", b"2", b"3"):
        for passenger in passengers:
            passenger.asks()
        for passenger in passengers:
            passenger.api_hears()
            passenger.api.sendall(turn)
        for passenger in passengers:
            passenger.is_told(b"told " + turn + b";")
    assert {name for passenger in passengers for name in passenger.threads} == {"event-loop"}
    assert [passenger.seen for passenger in passengers] == [[b"1", b"2", b"3"]] * 5


def test_a_request_that_has_not_come_whole_is_left_to_the_thread(board: Board) -> None:
    one = board()
    one.user.sendall(REQUEST[:-1])
    ride = one.lands()
    assert (ride.coroutine, ride.closing) == (None, False)
    one.user.sendall(REQUEST[-1:])
    head = one.client.next_head()
    assert head is not None
    assert bytes(one.client.read_body(request_framing(head), 99)) == b"{}"


@pytest.mark.parametrize(
    "data", [b"\r\n" + REQUEST, REQUEST.replace(b"2\r\n", b"2\r\nContent-Length: 3\r\n")]
)
def test_what_must_be_looked_at_closer_is_left_to_the_thread(board: Board, data: bytes) -> None:
    one = board()
    one.user.sendall(data)
    assert one.lands().coroutine is None
    assert one.client.has_buffered


def test_what_may_take_its_time_is_left_to_the_thread(board: Board) -> None:
    one = board()
    one.last_step = lambda: threading.current_thread().name
    one.asks()
    one.api_hears()
    one.api.sendall(b"yes")
    ride = one.lands()
    assert ride.coroutine is not None
    assert one.seen == [b"yes"]
    assert one.connection.epoll is None, "it is the thread's now"
    assert resume_coroutine(ride.coroutine, ride.effect) is True
    assert one.seen == [b"yes", "MainThread"]
    assert one.pool.take_idle(ORIGIN) is one.connection


def test_the_next_request_may_come_early(board: Board) -> None:
    one = board()
    one.asks()
    one.api_hears()
    one.asks()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.api_hears()
    one.api.sendall(b"2")
    one.is_told(b"told 2;")


def test_two_requests_in_one_piece(board: Board) -> None:
    one = board()
    one.user.sendall(REQUEST + REQUEST)
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    ride = one.lands()
    assert (ride.coroutine, ride.closing, one.client.has_buffered) == (None, False, True)


@pytest.mark.parametrize("at_once", [False, True])
def test_who_leaves_while_the_upstream_is_silent_is_noticed_by_its_thread(
    board: Board, at_once: bool
) -> None:
    one = board()
    one.asks()
    if not at_once:
        one.api_hears()
    one.user.close()
    ride = one.lands()
    assert ride.coroutine is not None
    assert one.seen == []
    assert one.connection.epoll is None
    assert resume_coroutine(ride.coroutine, ride.effect) is False
    assert [type(each) for each in one.seen] == [ClientGoneError]


@pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")
@pytest.mark.parametrize("at_once", [False, True])
def test_who_only_sends_no_more_is_answered_by_its_thread(board: Board, at_once: bool) -> None:
    one = board()
    one.asks()
    if not at_once:
        one.api_hears()
    one.user.shutdown(socket.SHUT_WR)
    ride = one.lands()
    if at_once:
        one.api_hears()
    one.api.sendall(b"1")
    assert ride.coroutine is not None
    assert resume_coroutine(ride.coroutine, ride.effect) is True
    one.is_told(b"told 1;")
    assert one.client.next_head() is None, "it carries no other request"


def test_who_sends_no_more_is_answered_aboard_where_the_answer_has_come(board: Board) -> None:
    one = board()
    one.user.sendall(REQUEST)
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.user.shutdown(socket.SHUT_WR)
    assert one.lands().closing


def test_who_leaves_between_requests_is_done(board: Board) -> None:
    one = board()
    one.user.close()
    ride = one.lands()
    assert (ride.closing, ride.error, one.seen) == (True, None, [])


def test_an_upstream_that_closes_is_told_to_the_request(board: Board) -> None:
    one = board()
    one.asks()
    one.api_hears()
    one.api.close()
    one.is_told(b"told ;")
    assert one.seen == [b""]


def test_an_upstream_that_says_nothing_in_time(board: Board) -> None:
    one = board(timeout=0.05)
    one.asks()
    assert one.lands().closing
    assert [str(each) for each in one.seen] == ["the upstream sent no answer for 0.05 s"]


def test_an_idle_connection_that_the_upstream_closed_is_not_taken(board: Board) -> None:
    one = board()
    one.asks()
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.api.close()
    witness = board()  # what happened before is seen to when this one is told
    witness.asks()
    witness.api_hears()
    witness.api.sendall(b"2")
    witness.is_told(b"told 2;")
    assert one.connection.has_unexpected_data
    assert one.pool.take_idle(ORIGIN, one.connection.epoll) is None


def test_it_lands_when_no_more_may_be_taken_on(board: Board) -> None:
    one = board()
    one.may_stay = False
    one.asks()
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    ride = one.lands()
    assert (ride.closing, ride.coroutine, one.client.idle) == (False, None, True)


def test_a_connection_that_carries_no_other_request_lands(board: Board) -> None:
    one = board()
    one.asks("close")
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    assert one.lands().closing


def test_a_defect_is_told_to_who_handed_it_over(board: Board) -> None:
    broken, other = board(), board()
    broken.asks("break")
    broken.lands()
    assert isinstance(broken.error, KeyError)
    other.asks()
    other.api_hears()
    other.api.sendall(b"1")
    other.is_told(b"told 1;")


def test_a_step_that_fails_is_told_to_the_steps() -> None:
    def steps() -> RequestCoroutine[str]:
        try:
            yield lambda: 1 // 0
        except ZeroDivisionError:
            return f"told, then {(yield lambda: 'went on')}"
        return "not told"

    assert run_coroutine(steps()) == "told, then went on"
