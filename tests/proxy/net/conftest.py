"""Connections as a client makes them: plain, and with both versions of TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.proxy.net import event_loop as module
from teamclaude.proxy.net.event_loop import EventLoop
from teamclaude.proxy.net.tls_io import prepare_context
from tests.proxy.net.loop_connection import Connect, LoopConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(params=["plain", *VERSIONS])
def client_pair(request: pytest.FixtureRequest, tcp_pair: Pair) -> Pair:
    """Make the two ends of a client's connection: the client's, the accepted one."""
    if request.param == "plain":
        return tcp_pair
    make: Pair = request.getfixturevalue("tls_pair_of")(request.param)
    return make


@pytest.fixture
def tls_pair(tls_pair_of: Callable[[str], Pair]) -> Pair:
    """Make the two ends of a connection with TLS 1.3."""
    return tls_pair_of("TLS 1.3")


@pytest.fixture
def tls_pair_of(tcp_pair: Pair, pem: Any) -> Iterator[Callable[[str], Pair]]:
    """Return a maker of connections with this version of TLS; the client wants a regular end."""
    made: list[socket.socket] = []
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem.cert, pem.key)
    prepare_context(server)
    client = ssl.create_default_context(cafile=pem.cert)
    client.options &= ~0x80  # OP_IGNORE_UNEXPECTED_EOF: the default of some versions

    def make() -> tuple[socket.socket, socket.socket]:
        near, far = tcp_pair()
        for sock in (near, far):  # as the listener and clients do
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(server.wrap_socket(far, server_side=True)))
        thread.start()
        connected = client.wrap_socket(near, server_hostname="localhost", suppress_ragged_eofs=False)
        thread.join(30)
        made.extend((connected, *accepted))
        return connected, accepted[0]

    def of(version: str) -> Pair:
        client.maximum_version = VERSIONS[version]
        return make

    yield of
    for sock in made:
        sock.close()


def half_close(sock: socket.socket) -> None:
    """End what is sent on the connection below TLS: `SSLSocket.shutdown` would end the reading, too."""
    socket.socket.shutdown(sock, socket.SHUT_WR)


@pytest.fixture
def connect(client_pair: Pair, connect_by: Callable[[Pair], Connect]) -> Connect:
    return connect_by(client_pair)


@pytest.fixture
def connect_by(tcp_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Pair], Connect]]:
    """Return what makes connections of clients of this kind; all of them run in one event loop."""
    monkeypatch.setattr(module, "IDLE_EXIT_SEC", 0.0)
    event_loop = EventLoop()
    made: list[LoopConnection] = []

    def of(kind: Pair) -> Connect:
        def make(**how: Any) -> LoopConnection:
            made.append(LoopConnection(kind, tcp_pair, event_loop, **how))
            return made[-1]

        return make

    yield of
    for connection in made:
        connection.user.close()
        connection.ends()
        connection.pool.close()
    event_loop.close()
    assert not any(thread.name == "event-loop" for thread in threading.enumerate())
