"""The transport: which connection carries a request, and when it is repeated; never two at a time."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from teamclaude.dial.reachability import Reachability
from teamclaude.errors import ClientGoneError, ConnectFailedError, UpstreamLostError, UpstreamTimeoutError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.http.framing import Buffer
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.coroutine import run_coroutine
from teamclaude.proxy.net.socket_wait import ClientWatch
from teamclaude.proxy.net.transport import MAX_KEPT_BODY_BYTES, Transport, UpstreamPool
from teamclaude.proxy.net.upstream_connection import UpstreamConnection, UpstreamResponse

BODY = b'{"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
ORIGIN = Origin("http", "127.0.0.1", 1)
Pair = Callable[[], tuple[socket.socket, socket.socket]]
HEAD = (
    b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-ant-oat01-FAKE-a\r\n"
    b"anthropic-beta: oauth-2025-04-20\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)


class Pauses(ClientWatch):
    """A watch that records its sleeps and does not sleep."""

    def __init__(self, client: Optional[socket.socket] = None) -> None:
        super().__init__(client)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Wired:
    """A transport to a fake API."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.origin = Origin("http", "127.0.0.1", api.port)
        self.pool = UpstreamPool(connect_timeout=1.0)
        self.watch = Pauses()
        self.transport = Transport(self.pool, 2.0)

    def ask(self) -> UpstreamResponse:
        return run_coroutine(self.transport.exchange(self.watch, self.origin, "POST", HEAD, BODY))

    def whole(self) -> int:
        """Send a request, read all of the response, keep the connection; return the status."""
        answer = self.ask()
        self.transport.read_kept_body(self.watch, answer)
        return answer.head.status

    def connections(self, count: int) -> list[int]:
        """Return the connections that carried the requests so far."""
        assert self.api.wait_until(lambda api: len(api.log) == count), self.api.log
        return [exchange.connection for exchange in self.api.log]


@pytest.fixture
def wired() -> Iterator[Wired]:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]) as api:
        made = Wired(api)
        yield made
        made.pool.close()


def test_requests_in_turn_share_one_connection(wired: Wired) -> None:
    assert [wired.whole() for _ in range(3)] == [200, 200, 200]
    assert wired.connections(3) == [1, 1, 1]


def test_two_at_once_take_two_connections(wired: Wired) -> None:
    first, second = wired.ask(), wired.ask()
    assert first.connection is not second.connection
    assert {wired.transport.read_kept_body(wired.watch, answer)[:1] for answer in (first, second)} == {b"{"}


def test_a_reused_connection_that_was_closed_costs_nothing(wired: Wired) -> None:
    wired.api.script.once(Fault.closes_after("fin"))
    assert [wired.whole(), wired.whole()] == [200, 200]
    assert wired.watch.slept == []
    assert wired.connections(2) == [1, 2]


@pytest.mark.parametrize(
    "fault", [Fault.no_head("rst"), Fault.no_head("fin"), Fault.cut_head(20), Fault.garbage_head()]
)
def test_a_reused_connection_that_breaks_is_replaced_at_once(wired: Wired, fault: Fault) -> None:
    wired.whole()
    wired.api.script.once(fault)
    assert wired.whole() == 200
    assert wired.watch.slept == []
    assert wired.connections(3) == [1, 1, 2]


@pytest.mark.parametrize("fault", [Fault.no_head("rst"), Fault.cut_head(20, "fin"), Fault.closed_on_accept()])
def test_a_fresh_connection_that_breaks_is_tried_once_more_after_a_pause(wired: Wired, fault: Fault) -> None:
    wired.api.script.once(fault)
    assert wired.whole() == 200
    assert wired.watch.slept == [0.5]


def test_two_fresh_connections_that_break_are_an_outage(wired: Wired) -> None:
    wired.whole()
    wired.api.script.times(3, Fault.no_head("rst"))
    with pytest.raises(UpstreamLostError):
        wired.ask()
    assert wired.watch.slept == [0.5]
    assert wired.connections(4) == [1, 1, 2, 3], "a reused one and two fresh ones, no more"


def test_no_connection_at_all_is_tried_twice(wired: Wired) -> None:
    wired.api.stop_listening()
    with pytest.raises(ConnectFailedError):
        wired.ask()
    assert wired.watch.slept == [0.5]


def test_a_connection_on_the_second_try_serves(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    wired.api.stop_listening()
    monkeypatch.setattr(wired.watch, "sleep", lambda seconds: wired.api.listen())
    assert wired.whole() == 200


@pytest.mark.parametrize("warm", [False, True])
def test_a_request_that_met_silence_is_not_repeated(wired: Wired, warm: bool) -> None:
    if warm:
        assert wired.whole() == 200
    wired.transport = Transport(wired.pool, 0.05)
    wired.api.script.always(Fault.never_answered())
    with pytest.raises(UpstreamTimeoutError):
        wired.ask()
    assert wired.api.wait_until(lambda api: api.inflight == 0)
    assert len(wired.api.log) == 1 + warm


def test_a_refusal_that_trickles_is_read_for_two_seconds_at_most(wired: Wired) -> None:
    now = [0.0]
    wired.transport = Transport(wired.pool, 5.0, monotonic=lambda: now[0])
    wired.api.script.once(Fault.status(400, body=b"x" * 400).with_changes(write_size=1, write_gap=0.001))
    answer = wired.ask()
    read = answer.read

    def slowly(watch: ClientWatch, idle: float) -> list[Buffer]:
        now[0] += 0.5
        return read(watch, idle)

    answer.read = slowly  # type: ignore[method-assign]
    body = wired.transport.read_kept_body(wired.watch, answer)
    assert 0 < len(body) < 400
    assert not answer.complete
    assert answer.connection.sock.fileno() == -1, "nothing can follow on its connection"


def test_a_client_that_leaves_ends_it_without_another_try(
    wired: Wired, tcp_pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    here, there = tcp_pair()
    watch = Pauses(here)
    wired.api.script.once(Fault.never_answered())
    there.close()
    began = time.monotonic()
    with pytest.raises(ClientGoneError):
        run_coroutine(Transport(wired.pool, 5.0).exchange(watch, wired.origin, "POST", HEAD, BODY))
    assert time.monotonic() - began < 1.0
    assert watch.slept == []
    assert wired.api.wait_until(lambda api: api.connections == 0)


def test_an_answer_that_was_not_read_to_its_end_is_not_kept(wired: Wired) -> None:
    answer = wired.ask()
    wired.transport.release(answer)
    assert wired.pool.take_idle(wired.origin) is None
    assert wired.api.wait_until(lambda api: api.connections == 0)


def test_a_kept_body_is_whole(wired: Wired) -> None:
    wired.api.script.once(Fault.status(529, body=b"x" * 200_000))
    answer = wired.ask()
    assert (wired.transport.read_kept_body(wired.watch, answer), answer.complete) == (b"x" * 200_000, True)
    assert wired.pool.take_idle(wired.origin) is answer.connection


def test_a_kept_body_beyond_the_limit_is_cut(wired: Wired) -> None:
    wired.api.script.once(Fault.status(529, body=b"x" * (2 * MAX_KEPT_BODY_BYTES)))
    answer = wired.ask()
    body = wired.transport.read_kept_body(wired.watch, answer)
    assert MAX_KEPT_BODY_BYTES < len(body) < 2 * MAX_KEPT_BODY_BYTES
    assert not answer.complete
    assert wired.pool.take_idle(wired.origin) is None


def test_a_kept_body_that_breaks_off_is_known_to_be_broken(wired: Wired) -> None:
    wired.api.script.once(Fault.status(529, "Overloaded").with_changes(cut=Fault.cut_body(10).cut))
    answer = wired.ask()
    assert (len(wired.transport.read_kept_body(wired.watch, answer)), answer.complete) == (10, False)


def test_a_client_that_leaves_while_a_body_is_kept_leaves_no_connection(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired.api.script.once(Fault.status(529, "Overloaded").with_changes(cut=Fault.cut_body(10, "hang").cut))
    answer = wired.ask()

    def left(*_: Any) -> bool:
        raise ClientGoneError("left")

    monkeypatch.setattr(wired.watch, "wait", left)
    with pytest.raises(ClientGoneError):
        wired.transport.read_kept_body(wired.watch, answer)
    assert wired.api.wait_until(lambda api: api.connections == 0)


# --- the pool -----------------------------------------------------------------------------------


class Wire:
    """A connection and the peer's end of it."""

    def __init__(self, pair: Pair) -> None:
        near, self.far = pair()
        self.connection = UpstreamConnection(near, ORIGIN)

    def reset(self) -> None:
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.far.close()


class Ticks:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_connection_serves_one_request_at_a_time(tcp_pair: Pair) -> None:
    pool, one, two = UpstreamPool(), Wire(tcp_pair), Wire(tcp_pair)
    pool.release(one.connection)
    pool.release(two.connection)
    assert pool.take_idle(ORIGIN) is two.connection, "the one used last is the likeliest to live"
    assert two.connection.reused
    assert pool.take_idle(ORIGIN) is one.connection
    assert pool.take_idle(ORIGIN) is None


def test_connections_belong_to_their_origin(tcp_pair: Pair) -> None:
    pool, wire = UpstreamPool(), Wire(tcp_pair)
    pool.release(wire.connection)
    assert pool.take_idle(ORIGIN._replace(port=2)) is None
    assert pool.take_idle(ORIGIN._replace(scheme="https")) is None
    assert pool.take_idle(ORIGIN) is wire.connection


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("last", ["fin", "rst", "bytes"])
def test_a_connection_that_is_not_quiet_is_dropped(tcp_pair: Pair, last: str, watched: bool) -> None:
    pool, good, bad = UpstreamPool(), Wire(tcp_pair), Wire(tcp_pair)
    if watched:
        good.connection.epoll = bad.connection.epoll = Epoll()
    pool.release(good.connection)
    pool.release(bad.connection)
    {"fin": bad.far.close, "rst": bad.reset, "bytes": lambda: bad.far.sendall(b"HTTP/1.1 408\r\n\r\n")}[
        last
    ]()
    assert pool.take_idle(ORIGIN) is good.connection
    assert bad.connection.sock.fileno() == -1, "closed"


class Epoll:
    """An event loop's epoll that records what is unregistered."""

    def __init__(self) -> None:
        self.unregistered: list[int] = []

    def unregister(self, fd: int) -> None:
        self.unregistered.append(fd)


def test_a_thread_takes_from_the_loop_only_what_it_would_dial(tcp_pair: Pair) -> None:
    pool, epoll, watched, other = UpstreamPool(), Epoll(), Wire(tcp_pair), Wire(tcp_pair)
    watched.connection.epoll = epoll
    pool.release(other.connection)
    pool.release(watched.connection)
    assert pool.take_idle(ORIGIN) is other.connection
    assert not epoll.unregistered
    assert pool.take_idle(ORIGIN) is watched.connection
    assert epoll.unregistered == [watched.connection.sock.fileno()]
    assert watched.connection.epoll is None


def test_the_loop_prefers_what_it_watches(tcp_pair: Pair) -> None:
    pool, epoll, watched, other = UpstreamPool(), Epoll(), Wire(tcp_pair), Wire(tcp_pair)
    watched.connection.epoll = epoll
    pool.release(watched.connection)
    pool.release(other.connection)
    assert pool.take_idle(ORIGIN, epoll) is watched.connection
    assert pool.take_idle(ORIGIN, epoll) is other.connection
    assert not epoll.unregistered


def test_idle_connections_are_used_up_to_55_seconds(tcp_pair: Pair) -> None:
    ticks = Ticks()
    pool = UpstreamPool(monotonic=ticks)
    for idle, kept in ((55.0, True), (55.1, False)):
        wire = Wire(tcp_pair)
        pool.release(wire.connection)
        ticks.now += idle
        assert (pool.take_idle(ORIGIN) is wire.connection) == kept
    assert wire.far.recv(1) == b"", "the old one is closed"


def test_old_connections_are_closed_when_another_comes_back(tcp_pair: Pair) -> None:
    ticks = Ticks()
    pool = UpstreamPool(monotonic=ticks)
    old, young = Wire(tcp_pair), Wire(tcp_pair)
    pool.release(old.connection)
    ticks.now += 56.0
    pool.release(young.connection)
    assert old.far.recv(1) == b""
    assert pool.take_idle(ORIGIN) is young.connection
    assert pool.take_idle(ORIGIN) is None


def test_dead_and_old_connections_are_closed_by_the_timer(tcp_pair: Pair) -> None:
    clock = [0.0]
    pool = UpstreamPool(monotonic=lambda: clock[0])
    old, dead, good = Wire(tcp_pair), Wire(tcp_pair), Wire(tcp_pair)
    pool.release(old.connection)
    clock[0] = 50.0
    for wire in (dead, good):
        pool.release(wire.connection)
    dead.far.close()
    clock[0] = 56.0
    pool.close_stale()
    assert [wire.connection.sock.fileno() < 0 for wire in (old, dead, good)] == [True, True, False]
    assert pool.take_idle(ORIGIN) is good.connection


def test_a_closed_pool_holds_nothing_open(tcp_pair: Pair) -> None:
    pool, wire, late = UpstreamPool(), Wire(tcp_pair), Wire(tcp_pair)
    pool.release(wire.connection)
    pool.close()
    assert wire.far.recv(1) == b""
    pool.release(late.connection)
    assert late.far.recv(1) == b"", "also what comes back later"


# --- whether the API can be reached ---------------------------------------------------------------


def test_requests_without_a_connection_begin_an_outage_that_a_head_ends(wired: Wired) -> None:
    seen = Reachability()
    wired.transport = Transport(wired.pool, 2.0, reachability=seen)
    wired.api.stop_listening()
    for _ in range(2):
        with pytest.raises(ConnectFailedError):
            wired.ask()
    assert seen.outages[wired.origin].failed == 2, "each request counts once, not each attempt"
    assert "refused" in seen.outages[wired.origin].reason
    wired.api.listen()
    assert wired.whole() == 200
    assert seen.outages == {}


def test_a_connection_on_the_second_try_is_no_outage(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Reachability()
    wired.transport = Transport(wired.pool, 2.0, reachability=seen)
    wired.api.stop_listening()
    monkeypatch.setattr(wired.watch, "sleep", lambda seconds: wired.api.listen())
    assert wired.whole() == 200
    assert (seen.outages, seen.restored) == ({}, {})


def test_a_connection_that_breaks_is_no_outage(wired: Wired) -> None:
    seen = Reachability()
    wired.transport = Transport(wired.pool, 2.0, reachability=seen)
    wired.api.script.times(2, Fault.no_head("rst"))
    with pytest.raises(UpstreamLostError):
        wired.ask()
    assert seen.outages == {}, "the API may have got the request and refused that one alone"
