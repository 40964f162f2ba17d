"""The limits of connections: which are accepted, and which are evicted."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Optional

import pytest

from teamclaude.errors import OverloadedError
from teamclaude.proxy.net.connections import (
    NEW_SEC,
    AcceptedConnection,
    ConnectionLimits,
    Connections,
    connection_limits,
)

Pair = Callable[[], tuple[socket.socket, socket.socket]]


class Crowd:
    """Real connections, whose far ends show whether they are open, and a clock that stands still."""

    def __init__(self, pair: Pair) -> None:
        self.now = 100.0
        self.connections = Connections(lambda: self.now)
        self.far: dict[socket.socket, socket.socket] = {}
        self._pair = pair

    def comes(
        self, room: ConnectionLimits, same_user: Optional[bool] = False, age: float = 9.0, idle: bool = True
    ) -> Optional[socket.socket]:
        """Accept a connection that is then `age` seconds old; None when it is refused."""
        far, near = self._pair()
        accepted = self.connections.accept(near, room)
        if accepted is None:
            return None
        self.far[near] = far
        accepted.same_user = lambda: same_user
        if not idle:
            accepted.client = SimpleNamespace(idle=False)
        self.now += age
        return near

    def lives(self, *socks: Optional[socket.socket]) -> list[bool]:
        return [sock is not None and not self._ended(sock) for sock in socks]

    def _ended(self, near: socket.socket) -> bool:
        """Return whether its thread finds the end of input."""
        near.setblocking(False)
        try:
            return near.recv(9, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def crowd(tcp_pair: Pair) -> Crowd:
    return Crowd(tcp_pair)


ROOM = ConnectionLimits(total=6, unadmitted=3)


def test_beyond_their_limit_the_oldest_unadmitted_connection_is_evicted(crowd: Crowd) -> None:
    first, second, third, fourth = (crowd.comes(ROOM) for _ in range(4))
    assert crowd.lives(first, second, third, fourth) == [False, True, True, True]
    fifth = crowd.comes(ROOM)
    assert crowd.lives(second, fifth) == [False, True]


def test_an_idle_unadmitted_connection_is_evicted_before_one_with_a_request(crowd: Crowd) -> None:
    busy = crowd.comes(ROOM, idle=False)
    idle, another, _ = (crowd.comes(ROOM) for _ in range(3))
    assert crowd.lives(busy, idle, another) == [True, False, True]


def test_an_admitted_connection_is_not_evicted(crowd: Crowd) -> None:
    admitted = crowd.comes(ROOM)
    assert admitted is not None
    crowd.connections.mark_admitted(admitted)
    others = [crowd.comes(ROOM) for _ in range(4)]
    assert crowd.lives(admitted, *others) == [True, False, True, True, True]


def test_connections_of_our_own_user_do_not_count_as_unadmitted(crowd: Crowd) -> None:
    owners = [crowd.comes(ROOM, same_user=True) for _ in range(3)]
    unadmitted = [crowd.comes(ROOM) for _ in range(3)]
    assert crowd.lives(*owners, *unadmitted) == [True] * 6
    later = crowd.comes(ROOM)
    assert crowd.lives(*owners, *unadmitted, later) == [True] * 3 + [False] + [True] * 3


def test_at_the_total_limit_the_oldest_silent_connection_of_our_user_is_evicted(
    crowd: Crowd,
) -> None:
    socks = [crowd.comes(ROOM, same_user=True, age=0.0) for _ in range(7)]
    assert crowd.lives(*socks) == [False, *[True] * 6]


def test_connections_of_our_user_with_a_request_are_not_evicted(crowd: Crowd) -> None:
    socks = [crowd.comes(ROOM, same_user=True, idle=n % 2 == 0) for n in range(6)]
    for sock in socks[::2]:
        assert sock is not None
        crowd.far[sock].sendall(b"GET")
    assert crowd.comes(ROOM) is None
    assert crowd.lives(*socks) == [True] * 6


def test_an_unadmitted_connection_with_a_request_is_evicted_after_a_silent_one(crowd: Crowd) -> None:
    asking, silent = crowd.comes(ROOM), crowd.comes(ROOM)
    assert asking is not None
    crowd.far[asking].sendall(b"GET")
    for _ in range(2):
        crowd.comes(ROOM)
    assert crowd.lives(asking, silent) == [True, False]


@pytest.mark.parametrize("same_user", [None, False])
def test_a_connection_of_another_or_an_unknown_user_is_unadmitted(
    crowd: Crowd, same_user: Optional[bool]
) -> None:
    first, *_ = (crowd.comes(ROOM, same_user) for _ in range(4))
    assert crowd.lives(first) == [False]


def test_an_unadmitted_connection_is_evicted_if_no_descriptor_is_free_to_ask_for_its_user(
    crowd: Crowd,
) -> None:
    def full() -> bool:
        raise OverloadedError("full", 1)

    first = crowd.comes(ROOM)
    assert first is not None
    crowd.connections.get(first).same_user = full
    for _ in range(3):
        crowd.comes(ROOM)
    assert crowd.lives(first) == [False]


def test_unadmitted_connections_have_a_second_to_send_their_request(crowd: Crowd) -> None:
    burst = [crowd.comes(ROOM, age=0.01) for _ in range(6)]
    assert crowd.lives(*burst) == [True] * 6


def test_at_the_total_limit_even_a_fresh_unadmitted_connection_is_evicted(crowd: Crowd) -> None:
    burst = [crowd.comes(ROOM, age=0.0) for _ in range(7)]
    assert crowd.lives(*burst) == [False, *[True] * 6]


@pytest.mark.parametrize("same_user", [False, None])
def test_at_the_total_limit_an_idle_connection_of_somebody_else_makes_room(
    crowd: Crowd, same_user: Optional[bool]
) -> None:
    def admitted(who: Optional[bool], is_idle: bool = True) -> socket.socket:
        taken = crowd.comes(ROOM, who, idle=is_idle)
        assert taken is not None
        crowd.connections.mark_admitted(taken)
        return taken

    ours, busy = admitted(True), admitted(same_user, is_idle=False)
    idle = [admitted(same_user) for _ in range(4)]
    for number in range(1, 5):
        admitted(True)
        assert crowd.lives(ours, busy, *idle) == [True, True, *[False] * number, *[True] * (4 - number)]
    assert crowd.comes(ROOM, True) is None


@pytest.mark.parametrize(("same_user", "idle"), [(True, True), (True, False), (False, False), (None, False)])
def test_at_the_total_limit_of_admitted_connections_a_new_one_is_refused(
    crowd: Crowd, same_user: Optional[bool], idle: bool
) -> None:
    for _ in range(6):
        taken = crowd.comes(ROOM, same_user, idle=idle)
        assert taken is not None
        crowd.connections.mark_admitted(taken)
    assert crowd.comes(ROOM) is None
    assert len(crowd.connections) == 6
    assert taken is not None
    crowd.connections.remove(taken)
    assert crowd.comes(ROOM) is not None


def test_an_evicted_connection_frees_its_place_once(crowd: Crowd) -> None:
    socks = [crowd.comes(ROOM) for _ in range(9)]
    assert len(crowd.connections) == 9  # until their threads have closed them
    for sock in socks[:6]:
        assert sock is not None
        crowd.connections.remove(sock)
    assert len(crowd.connections) == 3
    assert sum(crowd.lives(*socks)) == 3


def test_one_unadmitted_connection_is_evicted_for_a_descriptor(crowd: Crowd) -> None:
    crowd.connections.free_descriptor()
    owner = crowd.comes(ROOM, same_user=True)
    first, second = crowd.comes(ROOM), crowd.comes(ROOM)
    crowd.connections.free_descriptor()
    crowd.connections.free_descriptor()
    assert crowd.lives(owner, first, second) == [True, False, False]
    crowd.connections.free_descriptor()
    assert crowd.lives(owner) == [False]


@pytest.mark.parametrize(
    ("most", "descriptors", "expected"),
    [
        (2048, None, ConnectionLimits(2048, 128)),
        (2048, 65536, ConnectionLimits(2048, 128)),
        (2048, 1024, ConnectionLimits(464, 128)),
        (2048, 256, ConnectionLimits(80, 40)),
        (2048, 64, ConnectionLimits(8, 4)),
        (2048, 10, ConnectionLimits(8, 4)),
        (100, 65536, ConnectionLimits(100, 50)),
        (9, None, ConnectionLimits(9, 5)),
    ],
)
def test_the_limit_follows_the_limit_of_descriptors(
    most: int, descriptors: Optional[int], expected: ConnectionLimits
) -> None:
    assert connection_limits(most, descriptors) == expected


def test_a_connection_without_a_handler_is_idle(tcp_pair: Pair) -> None:
    assert AcceptedConnection(tcp_pair()[1], 0.0).idle


def test_closing_all_connections_can_be_waited_for(crowd: Crowd) -> None:
    first, busy = crowd.comes(ROOM), crowd.comes(ROOM, idle=False)
    assert first is not None
    assert busy is not None
    crowd.connections.close_idle()
    assert crowd.lives(first, busy) == [False, True]
    crowd.connections.close_all()
    assert crowd.lives(busy) == [False]
    assert not crowd.connections.wait_empty(0.0)
    crowd.connections.remove(first)
    crowd.connections.remove(busy)
    assert crowd.connections.wait_empty(0.0)


def test_a_drain_waits_for_requests_that_have_arrived_or_are_on_the_way(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, asking, asked = (crowd.comes(ROOM) for _ in range(3))
    assert asked is not None
    crowd.connections.mark_admitted(asked)
    new = crowd.comes(ROOM, age=0.0)
    assert asking is not None
    crowd.far[asking].sendall(b"GET")
    ended: list[list[socket.socket]] = []

    def wait(seconds: float) -> bool:
        crowd.now += NEW_SEC
        return False

    monkeypatch.setattr(crowd.connections, "end", lambda chosen: ended.append([each.sock for each in chosen]))
    monkeypatch.setattr(crowd.connections, "wait_empty", wait)
    crowd.connections.drain(0.5 * NEW_SEC)
    assert ended == [[silent, asked], [silent, asked, new]]


@pytest.mark.skipif(sys.platform == "win32", reason="there both directions are shut down")
def test_a_connection_that_is_ended_can_still_be_answered(crowd: Crowd) -> None:
    ended = crowd.comes(ROOM)
    assert ended is not None
    crowd.connections.close_idle()
    assert ended.recv(1) == b""
    ended.sendall(b"x")  # by a thread that had received its request just before
    assert crowd.far[ended].recv(9) == b"x"
