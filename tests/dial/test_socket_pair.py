"""A local socket whose bytes go through a connection."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from teamclaude.dial.socket_pair import through_pair


@pytest.fixture
def carrier() -> Any:
    near, far = socket.socketpair()
    far.settimeout(30)
    with near, far:
        yield near, far


@pytest.mark.parametrize("close", [True, False])
def test_bytes_go_through_and_the_end_is_handed_on(carrier: Any, close: bool) -> None:
    sock, far = carrier
    near, relay = through_pair(sock, b"early, ", close=close)
    with near:
        near.settimeout(30)
        far.sendall(b"late")
        data = b""
        while len(data) < 11:
            data += near.recv(100)
        assert data == b"early, late"
        near.sendall(b"back")
        assert far.recv(100) == b"back"
    relay.join(30)
    assert not relay.is_alive()
    assert (sock.fileno() == -1) is close


def test_the_end_of_the_connection_is_seen_at_the_pair(carrier: Any) -> None:
    sock, far = carrier
    near, relay = through_pair(sock)
    with near:
        near.settimeout(30)
        far.sendall(b"last")
        far.close()
        assert near.recv(100) == b"last"
        assert near.recv(100) == b""
    relay.join(30)
    assert not relay.is_alive()


@pytest.mark.parametrize("close", [True, False])
def test_without_a_thread_it_is_an_error(carrier: Any, close: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="no thread can be started"):
        through_pair(carrier[0], close=close)
    assert (carrier[0].fileno() == -1) is close
