"""Bytes both ways between two sockets, and how it ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Optional

import pytest

from teamclaude.dial import tunnel as tunnel_module
from teamclaude.dial.tunnel import Tunnel


class Ends:
    """A tunnel between `client` and `upstream`, which are the far ends; it runs in a thread."""

    def __init__(self, **how: Any) -> None:
        self.client, near = socket.socketpair()
        self.upstream, far = socket.socketpair()
        for sock in (self.client, self.upstream):
            sock.settimeout(30)
        self._near, self._far = near, far
        self.tunnel = Tunnel(near, far, **how)
        self.result: Optional[str] = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, idle: float = 5.0) -> Ends:
        self._idle = idle
        self._thread.start()
        return self

    def _run(self) -> None:
        self.result = self.tunnel.run(self._idle)
        self._near.close()
        self._far.close()

    def end(self) -> Optional[str]:
        self._thread.join(30)
        return self.result

    def close(self) -> None:
        self.client.close()
        self.upstream.close()
        if self._thread.ident is not None:
            self._thread.join(30)
        self._near.close()
        self._far.close()


@pytest.fixture
def ends() -> Iterator[Any]:
    made: list[Ends] = []

    def make(**how: Any) -> Ends:
        made.append(Ends(**how))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read(sock: socket.socket, count: int) -> bytes:
    out = b""
    while len(out) < count and (data := sock.recv(count - len(out))):
        out += data
    return out


def test_what_was_received_before_goes_first_and_all_is_counted(ends: Any) -> None:
    both = ends(to_client=b"down ", to_upstream=b"up ").start()
    both.client.sendall(b"more")
    both.upstream.sendall(b"more!")
    assert read(both.upstream, 7) == b"up more"
    assert read(both.client, 10) == b"down more!"
    both.client.close()
    assert both.end() == "the client closed it"
    assert (both.tunnel.bytes_up, both.tunnel.bytes_down) == (7, 10)


@pytest.mark.parametrize("half_close", [False, True])
def test_what_an_end_sent_before_it_closed_is_delivered(ends: Any, half_close: bool) -> None:
    both = ends(half_close=half_close)
    data = b"x" * 3_000_000
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read(both.client, len(data) + 1)), daemon=True)
    reader.start()
    both.start()
    both.upstream.sendall(data)
    both.upstream.close()
    reader.join(30)
    assert got == [data]
    both.client.close()
    assert both.end() == "the upstream closed it"


def test_without_half_close_the_end_of_one_is_the_end_of_both(ends: Any) -> None:
    both = ends().start()
    both.client.shutdown(socket.SHUT_WR)
    assert both.end() == "the client closed it"
    assert both.client.recv(1) == b""
    assert both.upstream.recv(1) == b""


@pytest.mark.parametrize("first", ["client", "upstream"])
def test_with_half_close_the_other_direction_goes_on(ends: Any, first: str) -> None:
    both = ends(half_close=True).start()
    one, other = both.client, both.upstream
    if first == "upstream":
        one, other = other, one
    one.sendall(b"last")
    one.shutdown(socket.SHUT_WR)
    assert read(other, 5) == b"last"
    for piece in (b"and ", b"an ", b"answer"):
        other.sendall(piece)
    other.shutdown(socket.SHUT_WR)
    assert read(one, 100) == b"and an answer"
    assert both.end() == f"the {first} closed it"


def test_silence_ends_it_sooner_once_one_end_has_closed(ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ends().start(idle=0.05)
    assert both.end() == "nothing was sent for 0.05 s"
    monkeypatch.setattr(tunnel_module, "HALF_CLOSED_SEC", 0.05)
    half = ends(half_close=True).start(idle=60.0)
    half.client.shutdown(socket.SHUT_WR)
    assert half.end() == "the client closed it"


def test_an_end_that_does_not_read_stops_the_other(ends: Any) -> None:
    both = ends().start()
    both.client.settimeout(0.5)
    sent = 0
    with suppress(socket.timeout):
        while sent < 100_000_000:
            sent += both.client.send(b"x" * 65536)
    assert sent < 100_000_000
    both.client.settimeout(30)
    taken = read(both.upstream, sent)
    assert len(taken) == sent, "nothing was lost"


def test_a_shutdown_of_ours_ends_both_directions(ends: Any) -> None:
    both = ends(half_close=True).start(idle=60.0)
    both._near.shutdown(socket.SHUT_RDWR)
    assert both.end() == "the client closed it"
    assert both.upstream.recv(1) == b""


def test_a_reset_ends_it(ends: Any) -> None:
    both = ends().start()
    both.upstream.sendall(b"unread")
    both.client.close()
    assert both.end() is not None


def test_it_is_idle_once_nothing_has_moved_for_a_while() -> None:
    now = [0.0]
    left, right = socket.socketpair()
    with left, right:
        tunnel = Tunnel(left, right, monotonic=lambda: now[0])
        assert not tunnel.idle
        now[0] = tunnel_module.QUIET_SEC
        assert tunnel.idle
