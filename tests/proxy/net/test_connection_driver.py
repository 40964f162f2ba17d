"""The driver of a connection: no thread while the loop carries it, one as soon as something may block."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any, Optional, Union

import pytest

from teamclaude.errors import ClientGoneError, UpstreamTimeoutError
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net import event_loop as module
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.connection_driver import ConnectionDriver
from teamclaude.proxy.net.connection_task import ConnectionTask
from teamclaude.proxy.net.coroutine import ReadUpstream, RequestCoroutine, RunInLoop, Sleep, WakeUp
from teamclaude.proxy.net.event_loop import EventLoop, LoopState, Task
from teamclaude.proxy.net.upstream_connection import UpstreamConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]
LOOP = "event-loop"
WAIT_SEC = 30.0

needs_epoll = pytest.mark.skipif(
    not hasattr(select, "epoll"), reason="no epoll here: a connection keeps its thread"
)


class Reading(Task):
    """Reads from one socket, once; `!` ends it with an error."""

    done = False
    deadline = module.NEVER
    min_timeout = 60.0

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.fileno())
        self.sock = sock
        self.data = b""

    def register(self, loop_state: LoopState, now: float) -> None:
        self.loop_state = loop_state
        loop_state.epoll.register(self.sock.fileno(), select.EPOLLIN)

    def unregister(self) -> None:
        self.loop_state.unregister(self.sock.fileno())

    def on_ready(self, fd: int, events: int, now: float) -> None:
        self.data = self.sock.recv(99)
        if self.data == b"!":
            raise ClientGoneError("as told")
        self.done = True


class Driver(ConnectionDriver):
    """Has requests as a test scripts them, and notes what happens, and in which thread."""

    def __init__(self, client: ClientConnection, event_loop: EventLoop) -> None:
        super().__init__(event_loop, lambda: self.calls.put(self._told("thread")), self._closed)
        self.client = client
        self.event_loop = event_loop
        self.loop_task = ConnectionTask(client, lambda data: self.small(data), lambda: self.goes_on, 5.0)
        self.calls: Queue[tuple[str, str]] = Queue()
        self.requests: list[Union[bool, RequestCoroutine[bool]]] = []
        self.small: Callable[[bytes], Optional[RequestCoroutine[bool]]] = lambda data: None
        self.goes_on = True
        self.seen: list[Any] = []

    def _told(self, what: str) -> tuple[str, str]:
        return what, threading.current_thread().name

    def _closed(self) -> None:
        self.calls.put(self._told("close"))

    def next_call(self) -> tuple[str, str]:
        return self.calls.get(timeout=WAIT_SEC)

    def may_go_on(self) -> bool:
        return self.goes_on

    def next_request(self) -> Union[bool, RequestCoroutine[bool]]:
        self.seen.append("next")
        return self.requests.pop(0)

    def stream(
        self, sock: socket.socket, keep: bool = False, after: Optional[Callable[[], Any]] = None
    ) -> RequestCoroutine[bool]:
        task = Reading(sock)
        try:
            self.seen.append((yield RunInLoop(self.event_loop, task)))
            self.seen.append(task.data)
        except ClientGoneError as error:
            self.seen.append(str(error))
        self.seen.append(threading.current_thread().name)
        if after is not None:
            self.seen.append((yield after))
        return keep

    def long_wait(self, *effects: Any) -> RequestCoroutine[bool]:
        """Note the result of each effect, and the thread that goes on."""
        self.wait_in_loop = True
        for effect in effects:
            try:
                self.seen.append((yield effect))
            except UpstreamTimeoutError as error:
                self.seen.append(str(error))
            self.seen.append(threading.current_thread().name)
        return False

    def asking(
        self, connection: UpstreamConnection, timeout: float = 60.0, head: bytes = b""
    ) -> ReadUpstream:
        return ReadUpstream(connection, self.client.watch, timeout, "answer", head)


@pytest.fixture
def event_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventLoop]:
    monkeypatch.setattr(module, "IDLE_EXIT_SEC", 0.0)
    made = EventLoop()
    yield made
    made.close()
    assert LOOP not in [thread.name for thread in threading.enumerate()]


class Ends:
    """Both ends of the client's connection, and of the one that a stream reads."""

    def __init__(self, pair: Pair) -> None:
        self.user, self.here = pair()
        self.api, self.there = pair()


@pytest.fixture
def ends(tcp_pair: Pair) -> Ends:
    return Ends(tcp_pair)


@pytest.fixture
def driver(ends: Ends, event_loop: EventLoop) -> Iterator[Driver]:
    made = Driver(ClientConnection(ends.here, 5.0, 5.0, 5.0), event_loop)
    made.client.admitted = True
    yield made
    for sock in (ends.user, ends.api):
        sock.close()


@needs_epoll
def test_a_stream_has_no_thread_and_the_loop_ends_its_request_and_its_connection(
    driver: Driver, ends: Ends
) -> None:
    driver.requests = [driver.stream(ends.there)]
    assert not driver.serve()
    ends.api.sendall(b"end")
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", True, b"end", LOOP]
    assert driver.calls.empty()


@needs_epoll
def test_what_blocks_after_a_stream_is_done_in_a_thread(driver: Driver, ends: Ends) -> None:
    name = threading.current_thread().name
    driver.requests = [driver.stream(ends.there, after=lambda: threading.current_thread().name)]
    assert not driver.serve()
    ends.api.sendall(b"end")
    assert driver.next_call() == ("thread", LOOP)
    assert driver.serve()
    assert driver.seen == ["next", True, b"end", LOOP, name]
    assert driver.calls.empty(), "the thread that has served it closes it"


@needs_epoll
def test_the_error_of_a_stream_reaches_its_request(driver: Driver, ends: Ends) -> None:
    driver.requests = [driver.stream(ends.there)]
    assert not driver.serve()
    ends.api.sendall(b"!")
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", "as told", LOOP]


@needs_epoll
def test_a_stream_after_a_stream_has_no_thread_either(driver: Driver, ends: Ends, tcp_pair: Pair) -> None:
    api, there = tcp_pair()
    driver.requests = [driver.stream(ends.there, keep=True), driver.stream(there)]
    assert not driver.serve()
    ends.api.sendall(b"end")
    assert driver.next_call() == ("thread", LOOP)
    assert driver.client.idle
    assert not driver.serve()
    api.sendall(b"too")
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", True, b"end", LOOP, "next", True, b"too", LOOP]
    api.close()


@needs_epoll
def test_after_a_stream_the_loop_waits_for_a_small_request_and_ends_with_its_client(
    driver: Driver, ends: Ends
) -> None:
    driver.requests = [driver.stream(ends.there, keep=True)]
    assert not driver.serve()
    driver.use_loop_next = True
    ends.api.sendall(b"end")
    ends.user.close()
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", True, b"end", LOOP]


@needs_epoll
def test_a_request_that_is_not_for_the_loop_is_read_in_a_thread_also_in_a_drain(
    driver: Driver, ends: Ends
) -> None:
    driver.use_loop_next = True

    def too_large(data: bytes) -> None:
        driver.client.unread(data)
        driver.goes_on = False

    driver.small = too_large
    assert not driver.serve()
    ends.user.sendall(b"a head")
    assert driver.next_call() == ("thread", LOOP)
    driver.requests = [False]
    assert driver.serve()
    assert driver.seen == ["next"]


@needs_epoll
@pytest.mark.parametrize("in_a_stream", [True, False])
def test_an_unforeseen_error_is_raised_in_a_thread(driver: Driver, ends: Ends, in_a_stream: bool) -> None:
    def broken() -> RequestCoroutine[bool]:
        if in_a_stream:
            yield RunInLoop(driver.event_loop, Reading(ends.there))
        raise KeyError("a defect")
        yield

    if in_a_stream:
        driver.requests = [broken()]
        assert not driver.serve()
        ends.api.sendall(b"end")
    else:
        driver.use_loop_next = True
        driver.small = lambda data: broken()
        assert not driver.serve()
        ends.user.sendall(b"a request")
    assert driver.next_call() == ("thread", LOOP)
    with pytest.raises(KeyError, match="a defect"):
        driver.serve()


@needs_epoll
def test_an_end_that_may_block_is_left_to_a_thread(driver: Driver, ends: Ends) -> None:
    driver.requests = [driver.stream(ends.there)]
    assert not driver.serve()
    driver.has_unread_body = True
    ends.api.sendall(b"end")
    assert driver.next_call() == ("thread", LOOP)
    ends.user.close()
    assert driver.serve()
    assert driver.seen == ["next", True, b"end", LOOP]


@needs_epoll
def test_in_a_drain_a_connection_ends_with_its_stream(driver: Driver, ends: Ends) -> None:
    driver.requests = [driver.stream(ends.there, keep=True)]
    assert not driver.serve()
    driver.goes_on = False
    ends.api.sendall(b"end")
    assert driver.next_call() == ("close", LOOP)


@pytest.fixture
def upstream(ends: Ends) -> UpstreamConnection:
    return UpstreamConnection(ends.there, Origin("http", "127.0.0.1", 1))


@needs_epoll
def test_a_request_that_waits_for_its_answer_has_no_thread_once_it_was_sent(
    driver: Driver, ends: Ends, upstream: UpstreamConnection
) -> None:
    driver.requests = [
        driver.long_wait(driver.asking(upstream, head=b"asked;"), driver.asking(upstream, timeout=0.0))
    ]
    assert not driver.serve()
    assert ends.api.recv(99) == b"asked;"
    ends.api.sendall(b"answer")
    assert driver.next_call() == ("close", LOOP)
    late = "the upstream sent no answer for 0 s"
    assert driver.seen == ["next", b"answer", LOOP, late, LOOP]


@needs_epoll
def test_what_has_arrived_before_it_is_waited_for_is_taken_at_once(
    driver: Driver, ends: Ends, upstream: UpstreamConnection
) -> None:
    ends.api.sendall(b"early")
    ends.api.shutdown(socket.SHUT_WR)
    driver.requests = [driver.long_wait(driver.asking(upstream), driver.asking(upstream))]
    assert not driver.serve()
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", b"early", LOOP, b"", LOOP]


@needs_epoll
def test_a_request_that_sleeps_has_no_thread(driver: Driver) -> None:
    wake_up = WakeUp()
    driver.requests = [driver.long_wait(Sleep(3600.0, wake_up), Sleep(0.0, WakeUp()))]
    assert not driver.serve()
    wake_up()
    assert driver.next_call() == ("close", LOOP)
    assert driver.seen == ["next", None, LOOP, None, LOOP]


@needs_epoll
def test_a_request_whose_client_sends_no_more_keeps_its_thread(
    driver: Driver, ends: Ends, upstream: UpstreamConnection
) -> None:
    name = threading.current_thread().name
    first, second = WakeUp(), WakeUp()
    driver.requests = [driver.long_wait(Sleep(3600.0, first), Sleep(3600.0, second), driver.asking(upstream))]
    assert not driver.serve()
    ends.user.shutdown(socket.SHUT_WR)
    assert driver.next_call() == ("thread", LOOP)
    second()
    ends.api.sendall(b"answer")
    assert driver.serve()
    assert driver.seen == ["next", None, name, None, name, b"answer", name]
    assert driver.calls.empty()


@needs_epoll
@pytest.mark.parametrize("lacking", ["set_alarm", "watch"])
def test_what_the_loop_has_no_descriptor_for_is_waited_for_in_a_thread(
    driver: Driver, ends: Ends, upstream: UpstreamConnection, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    def full(*args: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(LoopState, lacking, full)
    driver.requests = [driver.long_wait(driver.asking(upstream, timeout=1.0))]
    assert not driver.serve()
    assert driver.next_call() == ("thread", LOOP)
    ends.api.sendall(b"answer")
    assert driver.serve()
    assert driver.seen == ["next", b"answer", threading.current_thread().name]


def test_without_the_loop_all_is_done_in_one_thread(
    driver: Driver, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EPOLL", None)
    name = threading.current_thread().name
    driver.requests = [driver.stream(ends.there, keep=True), False]
    assert driver.serve()
    assert driver.seen == ["next", False, b"", name, "next"]
    assert driver.calls.empty()
