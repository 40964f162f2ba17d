"""A client's small requests in the event loop: each is served as its own thread would serve it."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable

import pytest

from teamclaude.errors import ClientGoneError
from teamclaude.proxy.http.framing import request_framing
from teamclaude.proxy.net.coroutine import ReadUpstream, RequestCoroutine, run_coroutine
from tests.proxy.net.conftest import half_close
from tests.proxy.net.loop_connection import ORIGIN, REQUEST, Connect, Pair, needs_epoll

pytestmark = needs_epoll


def test_one_thread_serves_all_connections(connect: Connect) -> None:
    connections = [connect() for _ in range(5)]
    for turn in (b"1", b"2", b"3"):
        for connection in connections:
            connection.asks()
        for connection in connections:
            connection.api_hears()
            connection.api.sendall(turn)
        for connection in connections:
            connection.is_told(b"told " + turn + b";")
    assert {name for connection in connections for name in connection.threads} == {"event-loop"}
    assert [connection.seen for connection in connections] == [[b"1", b"2", b"3"]] * 5


def test_an_incomplete_request_is_left_to_the_thread(connect: Connect) -> None:
    one = connect()
    one.user.sendall(REQUEST[:-1])
    task = one.ends()
    assert (task.coroutine, task.closing) == (None, False)
    one.user.sendall(REQUEST[-1:])
    head = one.client.next_head()
    assert head is not None
    assert bytes(one.client.read_body(request_framing(head), 99)) == b"{}"


@pytest.mark.parametrize(
    "data", [b"\r\n" + REQUEST, REQUEST.replace(b"2\r\n", b"2\r\nContent-Length: 3\r\n")]
)
def test_an_unusual_request_is_left_to_the_thread(connect: Connect, data: bytes) -> None:
    one = connect()
    one.user.sendall(data)
    assert one.ends().coroutine is None
    assert one.client.has_buffered


def test_a_blocking_effect_is_left_to_the_thread(connect: Connect) -> None:
    one = connect()
    one.last_effect = lambda: threading.current_thread().name
    one.asks()
    one.api_hears()
    one.api.sendall(b"yes")
    task = one.ends()
    assert task.coroutine is not None
    assert one.seen == [b"yes"]
    assert one.connection.epoll is None, "it is the thread's now"
    assert run_coroutine(task.coroutine, task.effect) is True
    assert one.seen == [b"yes", "MainThread"]
    assert one.pool.take_idle(ORIGIN) is one.connection


def test_the_next_request_may_come_early(connect: Connect) -> None:
    one = connect()
    one.asks()
    one.api_hears()
    one.asks()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.api_hears()
    one.api.sendall(b"2")
    one.is_told(b"told 2;")


def test_two_requests_in_one_piece(connect: Connect) -> None:
    one = connect()
    one.user.sendall(REQUEST + REQUEST)
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    task = one.ends()
    assert (task.coroutine, task.closing, one.client.has_buffered) == (None, False, True)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_client_that_leaves_during_a_silence_is_noticed_by_its_thread(
    connect: Connect, at_once: bool
) -> None:
    one = connect()
    one.asks()
    if not at_once:
        one.api_hears()
    one.user.close()
    task = one.ends()
    assert task.coroutine is not None
    assert one.seen == []
    assert one.connection.epoll is None
    assert run_coroutine(task.coroutine, task.effect) is False
    assert [type(each) for each in one.seen] == [ClientGoneError]


@pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")
@pytest.mark.parametrize("at_once", [False, True])
def test_a_half_closed_client_is_answered_by_its_thread(connect: Connect, at_once: bool) -> None:
    one = connect()
    one.asks()
    if not at_once:
        one.api_hears()
    half_close(one.user)
    task = one.ends()
    if at_once:
        one.api_hears()
    one.api.sendall(b"1")
    assert task.coroutine is not None
    assert run_coroutine(task.coroutine, task.effect) is True
    one.is_told(b"told 1;")
    assert one.client.next_head() is None, "it carries no other request"


def test_a_half_closed_client_is_answered_in_the_loop_if_the_response_has_arrived(connect: Connect) -> None:
    one = connect()
    one.user.sendall(REQUEST)
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    half_close(one.user)
    assert one.ends().closing


def test_an_end_that_tls_has_read_with_the_request_is_not_forgotten(
    tls_pair: Pair, connect_by: Callable[[Pair], Connect]
) -> None:
    """The client says its end (close_notify) and keeps the connection below TLS open: nothing else comes."""
    one = connect_by(tls_pair)()
    one.user.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # both in one segment
    one.user.sendall(REQUEST)
    one.user.settimeout(0.0)
    with pytest.raises(ssl.SSLWantReadError):
        one.user.unwrap()  # type: ignore[attr-defined]
    one.user.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    one.api_hears()
    one.api.sendall(b"1")
    assert one.ends().closing
    assert one.seen == [b"1"]


def test_a_client_that_leaves_between_requests_ends_the_connection(connect: Connect) -> None:
    one = connect()
    one.user.close()
    task = one.ends()
    assert (task.closing, task.error, one.seen) == (True, None, [])


def test_the_request_learns_that_its_upstream_closed(connect: Connect) -> None:
    one = connect()
    one.asks()
    one.api_hears()
    one.api.close()
    one.is_told(b"told ;")
    assert one.seen == [b""]


def test_a_silent_upstream_is_lost_after_its_time(connect: Connect) -> None:
    one = connect(timeout=0.05)
    one.asks()
    assert one.ends().closing
    assert [str(each) for each in one.seen] == ["the upstream sent no answer for 0.05 s"]


def handle_all_events(connect: Connect) -> None:
    """Return once the loop has handled everything that came before."""
    witness = connect()
    witness.asks()
    witness.api_hears()
    witness.api.sendall(b"2")
    witness.is_told(b"told 2;")


def test_an_idle_connection_that_the_upstream_closed_is_not_taken(connect: Connect) -> None:
    one = connect()
    one.asks()
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.api.close()
    handle_all_events(connect)
    assert one.connection.has_unexpected_data
    assert one.pool.take_idle(ORIGIN, one.connection.epoll) is None


def test_a_thread_takes_an_idle_connection_from_the_loop(connect: Connect) -> None:
    one = connect()
    one.asks()
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    handle_all_events(connect)
    loop_state = one.task.loop_state
    assert one.connection.epoll is loop_state.epoll
    assert one.pool.take_idle(ORIGIN) is one.connection
    assert one.connection.epoll is None
    loop_state.epoll.register(one.connection.sock.fileno(), 0)  # EEXIST if it were still registered
    loop_state.epoll.unregister(one.connection.sock.fileno())
    one.pool.release(one.connection)
    one.asks()
    one.api_hears()
    one.api.sendall(b"2")
    one.is_told(b"told 2;")
    assert one.connection.epoll is loop_state.epoll, "back in the loop"


def test_a_thread_takes_a_connection_of_a_loop_that_has_ended(connect: Connect) -> None:
    one = connect()
    one.asks("close")
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    one.ends()
    one.event_loop.close()
    assert one.connection.epoll is not None
    assert one.connection.epoll.closed
    assert one.pool.take_idle(ORIGIN) is one.connection
    assert one.connection.epoll is None


def test_the_task_is_done_when_no_more_request_may_start(connect: Connect) -> None:
    one = connect()
    one.may_continue = False
    one.asks()
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    task = one.ends()
    assert (task.closing, task.coroutine, one.client.idle) == (False, None, True)


def test_the_task_is_done_when_the_connection_carries_no_other_request(connect: Connect) -> None:
    one = connect()
    one.asks("close")
    one.api_hears()
    one.api.sendall(b"1")
    one.is_told(b"told 1;")
    assert one.ends().closing


def test_a_defect_is_raised_in_the_thread_that_handed_the_task_over(connect: Connect) -> None:
    broken, other = connect(), connect()
    broken.asks("break")
    broken.ends()
    assert isinstance(broken.error, KeyError)
    other.asks()
    other.api_hears()
    other.api.sendall(b"1")
    other.is_told(b"told 1;")


def test_an_effect_that_fails_raises_in_the_coroutine() -> None:
    def steps() -> RequestCoroutine[str]:
        try:
            yield lambda: 1 // 0
        except ZeroDivisionError:
            return f"told, then {(yield lambda: 'went on')}"
        return "not told"

    assert run_coroutine(steps()) == "told, then went on"


def test_what_the_upstream_does_not_take_at_once_is_sent_by_the_connections_thread(connect: Connect) -> None:
    made = connect()
    made.body = b"x" * (16 << 20)
    made.asks()
    task = made.ends()
    assert isinstance(task.effect, ReadUpstream)
    assert task.effect.rest
    assert task.coroutine is not None
    coroutine, effect = task.coroutine, task.effect
    thread = threading.Thread(target=lambda: made.seen.append(run_coroutine(coroutine, effect)))
    thread.start()
    made.api_hears()
    left = len(made.body)
    while left:
        left -= len(made.api.recv(min(left, 1 << 20)))
    made.api.sendall(b"yes")
    made.is_told(b"told yes;")
    thread.join(30)
    assert made.seen == [b"yes", True]
