"""Waiting on the upstream while watching the client, with POLLRDHUP and without, with poll and without."""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from teamclaude.errors import ClientGoneError
from teamclaude.proxy.net import socket_wait as watching
from teamclaude.proxy.net.socket_wait import (
    READABLE,
    WRITABLE,
    ClientWatch,
    has_disconnected,
    is_peer_socket_open,
    is_readable,
    run_in_thread,
)

Pair = Callable[[], tuple[socket.socket, socket.socket]]
SOON = 1.0  # seconds within which a disconnect must be noticed


@pytest.fixture(params=["rdhup", "beats", "select"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Linux; a system without POLLRDHUP; one without poll."""
    if request.param == "rdhup" and not watching._RDHUP:
        pytest.skip("no POLLRDHUP here")
    if request.param != "rdhup":
        monkeypatch.setattr(watching, "_RDHUP", 0)
        monkeypatch.setattr(watching, "POLL_SEC", 0.02)
    if request.param == "select":
        monkeypatch.delattr(select, "poll")
    return str(request.param)


class Three:
    """A client, the upstream, and the watch between them."""

    def __init__(self, pair: Pair) -> None:
        self.client, client_here = pair()
        self.upstream_here, self.upstream = pair()
        self.watch = ClientWatch(client_here)

    def leave(self, how: str) -> None:
        if how == "rst":
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


@pytest.fixture
def three(kind: str, tcp_pair: Pair) -> Three:
    return Three(tcp_pair)


def later(act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.03, act)
    timer.start()
    return timer


def test_bytes_of_the_upstream_end_the_wait(three: Three) -> None:
    timer = later(lambda: three.upstream.sendall(b"x"))
    assert three.watch.wait(three.upstream_here, 5.0)
    timer.join()
    assert is_readable(three.upstream_here)


def test_an_end_of_the_upstream_ends_the_wait(three: Three) -> None:
    later(three.upstream.close).join()
    assert three.watch.wait(three.upstream_here, 5.0)


def test_the_wait_for_a_silent_upstream_ends_in_time(three: Three) -> None:
    began = time.monotonic()
    assert not three.watch.wait(three.upstream_here, 0.05)
    assert 0.04 < time.monotonic() - began < 3.0


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_disconnect_ends_every_wait(three: Three, how: str) -> None:
    three.upstream_here.setblocking(False)
    while True:
        try:
            three.upstream_here.send(b"x" * 100_000)
        except BlockingIOError:
            break
    timer = later(lambda: three.leave(how))
    began = time.monotonic()
    for wait in (
        lambda: three.watch.wait(three.upstream_here, 5.0),
        lambda: three.watch.sleep(5.0),
        lambda: three.watch.wait_to_write(three.upstream_here, 5.0, True),
        three.watch.check,
    ):
        with pytest.raises(ClientGoneError):
            wait()
    assert time.monotonic() - began < SOON
    timer.join()


def fill(sock: socket.socket) -> None:
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            sock.send(b"x" * 100_000)


WAITS: dict[str, Callable[[Three], object]] = {
    "read": lambda three: three.watch.wait(three.upstream_here, 5.0),
    "pause": lambda three: three.watch.sleep(5.0),
    "write": lambda three: three.watch.wait_to_write(three.upstream_here, 5.0, True),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")
def test_a_half_closed_client_does_not_end_the_wait(three: Three) -> None:
    three.client.shutdown(socket.SHUT_WR)
    time.sleep(0.01)
    began = time.monotonic()
    three.watch.check()
    three.watch.sleep(0.1)
    assert not three.watch.wait(three.upstream_here, 0.1)
    assert 0.15 < time.monotonic() - began < 1.0, "each for its time, not again and again"
    timer = later(lambda: three.upstream.sendall(b"x"))
    assert three.watch.wait(three.upstream_here, 5.0)
    timer.join()


@pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_half_closed_client_that_leaves_is_noticed(three: Three, wait: str, how: str) -> None:
    fill(three.upstream_here)
    three.client.shutdown(socket.SHUT_WR)
    time.sleep(0.01)
    timer = later(lambda: three.leave(how))
    began = time.monotonic()
    with pytest.raises(ClientGoneError):
        WAITS[wait](three)
    assert time.monotonic() - began < SOON
    timer.join()


@pytest.mark.parametrize("wait", WAITS)
def test_without_a_look_up_the_end_of_sending_is_a_disconnect(
    three: Three, wait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "peer_uid", lambda local, peer: None)
    fill(three.upstream_here)
    three.client.shutdown(socket.SHUT_WR)
    time.sleep(0.01)
    with pytest.raises(ClientGoneError):
        WAITS[wait](three)
    with pytest.raises(ClientGoneError):
        three.watch.check()


def test_a_half_closed_client_is_checked_in_growing_intervals(
    three: Three, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def held(sock: socket.socket) -> bool:
        looks.append(time.monotonic())
        return True

    monkeypatch.setattr(watching, "is_peer_socket_open", held)
    monkeypatch.setattr(watching, "POLL_SEC", 0.05)
    three.client.shutdown(socket.SHUT_WR)
    time.sleep(0.01)
    assert not three.watch.wait(three.upstream_here, 0.3)
    assert 3 <= len(looks) <= 12


def test_the_peer_of_a_socket_that_is_not_tcp_is_unknown() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert not is_peer_socket_open(here) or here.family != socket.AF_UNIX
    assert not is_peer_socket_open(there), "nor is one that is closed"


def test_the_client_s_next_request_is_no_disconnect(three: Three) -> None:
    three.client.sendall(b"GET /health HTTP/1.1\r\n")
    time.sleep(0.01)
    three.watch.check()
    three.watch.sleep(0.03)
    assert not three.watch.wait(three.upstream_here, 0.03)


def test_a_disconnect_behind_a_request_is_seen_with_rdhup(three: Three, kind: str) -> None:
    three.client.sendall(b"GET /health HTTP/1.1\r\n")
    three.client.close()
    time.sleep(0.01)
    if kind == "rdhup":
        with pytest.raises(ClientGoneError):
            three.watch.check()
    else:
        three.watch.check()  # the bytes stand before the end: the next write will tell


def test_bytes_that_arrived_before_a_disconnect_are_read(three: Three) -> None:
    three.upstream.sendall(b"x")
    three.client.close()
    time.sleep(0.01)
    assert three.watch.wait(three.upstream_here, 1.0)


def test_waiting_to_write_also_sees_a_response(three: Three) -> None:
    assert three.watch.wait_to_write(three.upstream_here, 1.0, False) & WRITABLE
    three.upstream_here.setblocking(False)
    while True:
        try:
            three.upstream_here.send(b"x" * 100_000)
        except BlockingIOError:
            break
    assert three.watch.wait_to_write(three.upstream_here, 0.03, False) == 0
    three.upstream.sendall(b"HTTP/1.1 413\r\n")
    ready = three.watch.wait_to_write(three.upstream_here, 1.0, True)
    assert ready & READABLE
    assert not ready & WRITABLE


def test_a_wait_can_be_repeated(three: Three) -> None:
    for _ in range(3):
        assert not three.watch.wait(three.upstream_here, 0.005)
    three.upstream.sendall(b"x")
    assert all(three.watch.wait(three.upstream_here, 1.0) for _ in range(3))


def test_without_a_client_it_only_waits(kind: str, tcp_pair: Pair) -> None:
    here, there = tcp_pair()
    watch = ClientWatch(None)
    watch.check()
    watch.sleep(0.01)
    assert not watch.wait(here, 0.02)
    there.sendall(b"x")
    assert watch.wait(here, 1.0)


def test_disconnected_and_readable(kind: str, tcp_pair: Pair) -> None:
    here, there = tcp_pair()
    assert not has_disconnected(here)
    assert not is_readable(here)
    there.close()
    time.sleep(0.01)
    assert has_disconnected(here)
    assert is_readable(here)


def test_a_watch_follows_the_upstream_it_is_asked_about(three: Three, tcp_pair: Pair) -> None:
    other_here, other = tcp_pair()
    three.upstream.sendall(b"x")
    assert three.watch.wait(three.upstream_here, 5.0)
    assert not three.watch.wait(other_here, 0.03), "the first one's bytes are not the other's"
    other.sendall(b"y")
    assert three.watch.wait(other_here, 5.0)
    began = time.monotonic()
    three.watch.sleep(0.03)
    assert time.monotonic() - began >= 0.02, "nor do they end a pause"


# --- blocking work ----------------------------------------------------------------------------------


def nothing() -> None:
    pass


def test_the_result_comes_back() -> None:
    assert run_in_thread(lambda: 7, nothing) == 7


def test_an_error_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 // 0, nothing)


def test_the_work_goes_on_after_the_client_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "POLL_SEC", 0.005)
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(5)
        ended.set()

    def left() -> None:
        raise ClientGoneError("left")

    with pytest.raises(ClientGoneError):
        run_in_thread(work, left)
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(30)


def test_clients_that_leave_do_not_make_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SEC", 0.005)
    monkeypatch.setattr(watching, "_abandoned", threading.BoundedSemaphore(1))
    may_end, left_alone = threading.Event(), threading.Event()

    def leave() -> None:
        left_alone.set()
        raise ClientGoneError("left")

    def one_client() -> None:
        with pytest.raises(ClientGoneError):
            run_in_thread(lambda: may_end.wait(5), leave)

    one_client()
    left_alone.clear()
    second = threading.Thread(target=one_client)
    second.start()
    assert left_alone.wait(30)
    second.join(0.05)
    assert second.is_alive(), "it keeps its place until the work has ended"
    may_end.set()
    second.join(30)
    assert not second.is_alive()
    assert watching._abandoned.acquire(timeout=30), "ended work gives its place back"


def test_where_no_thread_can_be_started_the_work_is_done_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert run_in_thread(threading.current_thread, nothing) is threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 // 0, nothing)
