"""Registrations of the event loop: who registers a descriptor unregisters it, whatever has happened since."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

import pytest

from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.loop_state import LoopState
from teamclaude.proxy.net.upstream_connection import UpstreamConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here: nothing is registered")
IN = getattr(select, "EPOLLIN", 0)


def connection_of(pair: Pair) -> UpstreamConnection:
    return UpstreamConnection(pair()[0], Origin("http", "127.0.0.1", 1))


def test_a_connection_is_registered_once_however_often_it_is_held(tcp_pair: Pair) -> None:
    berths, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    berths.watch(connection, IN)
    berths.watch(connection, IN)
    assert connection.epoll is berths.epoll


def test_a_released_connection_can_be_registered_by_anybody(tcp_pair: Pair) -> None:
    berths, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    berths.watch(connection, IN)
    berths.unwatch(connection)
    assert connection.epoll is None
    assert not berths.idle_watched
    berths.epoll.register(connection.sock.fileno(), IN)  # EEXIST if it were still registered


def test_a_connection_that_was_closed_meanwhile_is_released_without_a_word(tcp_pair: Pair) -> None:
    berths, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    berths.watch(connection, IN)
    connection.close()
    berths.unwatch(connection)
    assert connection.epoll is None


def test_a_connection_of_an_earlier_loop_is_released_and_nobody_else_s_registration_with_it(
    tcp_pair: Pair,
) -> None:
    earlier, berths, connection = (
        LoopState(select.epoll()),
        LoopState(select.epoll()),
        connection_of(tcp_pair),
    )
    earlier.watch(connection, IN)
    berths.epoll.register(connection.sock.fileno(), IN)
    berths.unwatch(connection)
    assert connection.epoll is None
    berths.epoll.modify(connection.sock.fileno(), 0)  # ENOENT if it had been taken away
