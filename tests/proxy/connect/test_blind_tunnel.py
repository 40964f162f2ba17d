"""Tunnels to other hosts: byte for byte, never to this machine for others, counted by host."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.proxy.net.peer_user import PeerUserCheck
from tests.proxy.conftest import KEY
from tests.proxy.connect.conftest import TunnelClient, basic

Build = Callable[..., Any]
Clients = Callable[[Any], TunnelClient]


class Server:
    """Takes one connection: `sock`, once it is there."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sock: socket.socket | None = None

    @property
    def sock(self) -> socket.socket:
        if self._sock is None:
            self._sock, _ = self._listener.accept()
            self._sock.settimeout(30)
        return self._sock

    def read(self, count: int) -> bytes:
        out = b""
        while len(out) < count and (data := self.sock.recv(count - len(out))):
            out += data
        return out

    def close(self) -> None:
        self._listener.close()
        if self._sock is not None:
            self._sock.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every client another user's process."""
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: False)


def test_bytes_pass_both_ways_as_they_are(forward: Build, tunnels: Clients, server: Server) -> None:
    s = forward("a")
    client = tunnels(s)
    answer = client.connect(server.target, behind=b"early \x16\x03\x01 bytes")
    assert (answer.status, answer.headers) == (200, {})
    assert server.read(15) == b"early \x16\x03\x01 bytes"
    server.sock.sendall(b"\x00\xffHTTP/1.1 400 no\r\n\r\n")
    assert client._take(21) == b"\x00\xffHTTP/1.1 400 no\r\n\r\n"
    client.send(b"GET /health HTTP/1.1\r\n\r\n")
    assert server.read(24) == b"GET /health HTTP/1.1\r\n\r\n"
    assert s.api.log == ()
    assert s.records == []


def test_megabytes_pass_both_ways_at_once(forward: Build, tunnels: Clients, server: Server) -> None:
    s = forward("a")
    client = tunnels(s)
    client.connect(server.target)
    up, down = b"up" * 1_500_000, b"down" * 1_000_000
    senders = [
        threading.Thread(target=sock.sendall, args=(data,), daemon=True)
        for sock, data in ((client.sock, up), (server.sock, down))
    ]
    for sender in senders:
        sender.start()
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(server.read(len(up))), daemon=True)
    reader.start()
    assert client._take(len(down)) == down
    reader.join(30)
    assert got == [up]
    view = s.service.snapshot().tunnels[0]
    assert (view.bytes_up, view.bytes_down) == (len(up), len(down))


def test_a_client_that_sends_no_more_still_gets_its_answer(
    forward: Build, tunnels: Clients, server: Server
) -> None:
    client = tunnels(forward("a"))
    client.connect(server.target)
    client.send(b"question")
    client.sock.shutdown(socket.SHUT_WR)
    assert server.read(100) == b"question"
    server.sock.sendall(b"answer")
    server.sock.close()
    assert client.rest() == (b"answer", "fin")


def test_a_server_that_sends_no_more_still_gets_the_rest(
    forward: Build, tunnels: Clients, server: Server
) -> None:
    client = tunnels(forward("a"))
    client.connect(server.target)
    server.sock.sendall(b"bye")
    server.sock.shutdown(socket.SHUT_WR)
    assert client.rest() == (b"bye", "fin")
    client.send(b"the rest")
    client.close()
    assert server.read(100) == b"the rest"


def test_a_tunnel_that_is_half_closed_and_silent_ends(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.dial.tunnel.HALF_CLOSED_SEC", 0.1)
    client = tunnels(forward("a"))
    client.connect(server.target)
    client.sock.shutdown(socket.SHUT_WR)
    assert server.read(1) == b""
    assert client.rest() == (b"", "fin")


def test_a_refused_connection_is_a_502(forward: Build, tunnels: Clients, server: Server) -> None:
    s = forward("a")
    server.close()
    client = tunnels(s)
    answer = client.connect(server.target)
    assert answer.error() == (502, "api_error")
    assert server.target in json.loads(answer.body)["error"]["message"]
    assert not [name for name in answer.headers if name.startswith("proxy-")]
    assert client.rest() == (b"", "fin")
    view = s.service.snapshot().tunnels[0]
    assert (view.host, view.tunnels, view.failed) == (server.target, 0, 1)
    assert view.problem


def test_an_unknown_host_is_a_502(forward: Build, tunnels: Clients) -> None:
    answer = tunnels(forward("a")).connect("nowhere.invalid:443")
    assert answer.error() == (502, "api_error")


def test_a_host_that_does_not_answer_is_a_504(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*args: Any) -> Any:
        raise socket.timeout("timed out after 10 s")

    monkeypatch.setattr("teamclaude.dial.connector.connect_first", silent)
    assert tunnels(forward("a")).connect(server.target).error() == (504, "api_error")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1"]
)
def test_another_user_s_process_gets_nowhere_on_this_machine_or_its_network(
    forward: Build, tunnels: Clients, server: Server, foreign: None, host: str
) -> None:
    s = forward("a")
    answer = tunnels(s).connect(f"{host}:{server.target.partition(':')[2]}")
    assert answer.error() == (403, "permission_error")
    server._listener.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        server._listener.accept()


def test_a_name_is_judged_by_the_address_that_is_dialled(
    forward: Build, tunnels: Clients, server: Server, foreign: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.target.partition(":")[2])
    looked_up = []

    def rebound(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    client = tunnels(forward("a"))
    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    assert client.connect(f"rebound.example:{port}").status == 403
    assert looked_up == ["rebound.example"], "once: the address that was judged is the one to dial"


def test_another_user_s_process_does_not_reach_the_proxy_itself(
    forward: Build, tunnels: Clients, foreign: None
) -> None:
    s = forward("a")
    assert tunnels(s).connect(f"127.0.0.1:{s.service.port}").status == 403


def test_another_user_s_process_does_not_reach_neighbours_with_public_addresses(
    forward: Build, tunnels: Clients, foreign: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ipaddress.ip_address("2a00:1450:4001:80b::1")
    monkeypatch.setattr("teamclaude.proxy.connect.forward_proxy._source_towards", lambda address: own)
    answer = tunnels(forward("a")).connect("[2a00:1450:4001:80b::fe]:80")
    assert answer.error() == (403, "permission_error")


def test_tunnels_of_others_that_do_nothing_don_t_keep_our_user_out(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.dial.tunnel.QUIET_SEC", 0.0)
    s = forward("a", proxy={"maxConnections": 8})
    held = [tunnels(s) for _ in range(8)]
    for client in held:
        assert client.connect(server.target).status == 200
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: False)
    assert s.status()["schema"] == 1
    assert held[0].rest() == (b"", "fin"), "the oldest makes room"


def test_our_own_user_may_go_anywhere(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    client = tunnels(s)
    assert client.connect(f"127.0.0.1:{s.service.port}").status == 200
    client.send(f"GET /health HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: {KEY}\r\n\r\n".encode())
    assert client.answer().status == 200


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("tc-named", 403)])
def test_where_no_user_can_be_told_the_proxy_s_own_key_is_proof(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch, key: str, status: int
) -> None:
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: None)
    s = forward("a", proxy={"clients": [{"name": "ci", "key": "tc-named"}]})
    assert tunnels(s).connect(server.target, [basic("teamclaude", key)]).status == status


def test_a_forwarded_connect_is_nobody_s_here(forward: Build, tunnels: Clients, server: Server) -> None:
    fields = [basic("teamclaude", KEY), ("Via", "1.1 corp")]
    assert tunnels(forward("a")).connect(server.target, fields).status == 403


def test_tunnels_are_counted_by_host_and_reported_once(
    forward: Build, tunnels: Clients, server: Server
) -> None:
    s = forward("a")
    lines: list[str] = []
    s.service._notices._emit = lambda notice, now: lines.append(str(notice))
    first, second = tunnels(s), tunnels(s)
    first.connect(server.target)
    second.connect(server.target)
    s.service._notices.poll()
    s.service._notices.poll()
    assert lines == [f"TUNNEL {server.target}: passed on, not opened"]
    view = s.status()["tunnels"]
    assert [(row["host"], row["open"], row["tunnels"]) for row in view] == [(server.target, 2, 2)]
    server.sock.close()
    first.close()
    s.until(lambda: s.status()["tunnels"][0]["open"] == 1)
    assert s.service.snapshot().activity == ()


def test_a_shutdown_closes_quiet_tunnels_at_once(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = forward("a", drainSec=3600)
    client = tunnels(s)
    client.connect(server.target)
    monkeypatch.setattr("teamclaude.dial.tunnel.QUIET_SEC", 0.0)
    stopping = threading.Thread(target=s.service.stop, daemon=True)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()
    assert client.rest() == (b"", "fin")
    assert server.read(1) == b""


def test_a_shutdown_lets_others_go_on_for_a_while(
    forward: Build, tunnels: Clients, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.dial.tunnel.QUIET_SEC", 3600.0)
    s = forward("a", drainSec=3600)
    client = tunnels(s)
    client.connect(server.target)
    stopping = threading.Thread(target=s.service.stop, daemon=True)
    stopping.start()
    s.until(lambda: s.service._stop_lock.locked())
    client.send(b"still there")
    assert server.read(11) == b"still there"
    s.service.stop(0)
    stopping.join(30)
    assert not stopping.is_alive()
    assert client.rest()[0] == b""
