"""Where the proxy listens: addresses, ports in use, HTTPS, and clients that misbehave when they connect."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude import __version__
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.errors import ConfigError, OverloadedError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.proxy.listener import Listener
from teamclaude.proxy.net.peer_user import PeerUserCheck
from teamclaude.proxy.server import ProxyServer
from tests.proxy.conftest import Raw

Build = Callable[..., Any]
KEY = "tc-test-key-000000000000000000000000"


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def service_of(home: Path, **proxy: Any) -> ProxyServer:
    path = home / "teamclaude.json"
    path.write_text(json.dumps({"proxy": proxy, "accounts": []}))
    path.chmod(0o600)
    return ProxyServer(ConfigFile(path, lambda line: None))


# --- addresses and ports ------------------------------------------------------------------------


def test_localhost_is_both_loopback_addresses_on_one_port(stage: Build) -> None:
    s = stage("a", proxy={"host": "localhost"})
    port = s.service.port
    assert port != 0
    expected = [f"http://127.0.0.1:{port}"] + ([f"http://[::1]:{port}"] if has_ipv6() else [])
    assert s.service.urls == expected
    for host in ["127.0.0.1", *(["::1"] if has_ipv6() else [])]:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        connection.request("GET", "/teamclaude/status")
        assert json.loads(connection.getresponse().read())["system"]["port"] == port
        connection.close()


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
def test_an_ipv6_address_is_written_with_brackets(stage: Build) -> None:
    s = stage("a", proxy={"host": "::1"})
    assert s.service.urls == [f"http://[::1]:{s.service.port}"]


def test_a_port_in_use_by_us_says_so(stage: Build, tmp_path: Path) -> None:
    running = stage("a")
    second = service_of(tmp_path, host="127.0.0.1", port=running.service.port)
    with pytest.raises(ConfigError) as caught:
        second.start()
    assert str(caught.value) == (
        f"127.0.0.1:{running.service.port} is in use by another TeamClaude ({__version__}); "
        "stop it or choose another --port"
    )
    assert running.send("GET", "/health").status == 200


def test_a_port_in_use_by_another_program_says_so(tmp_path: Path) -> None:
    with FakeApi([]) as other, pytest.raises(ConfigError) as caught:
        service_of(tmp_path, host="127.0.0.1", port=other.port).start()
    assert "in use by another program; stop it or choose another --port" in str(caught.value)


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
def test_half_of_localhost_in_use_is_a_failure_that_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.lifecycle.who_answers.TIMEOUT_SEC", 0.05)
    closed: list[Listener] = []  # explicitly: not every interpreter counts references
    monkeypatch.setattr(Listener, "server_close", lambda self: (closed.append(self), self.socket.close()))
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=r"\[::1\]:\d+ is in use"):
            service_of(tmp_path, host="localhost", port=port).start()
        socket.create_server(("127.0.0.1", port)).close()
    assert "127.0.0.1" in [each.server_name for each in closed if hasattr(each, "server_name")]


def test_an_address_of_another_machine_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^can't listen on 203\.0\.113\.7:\d+: [^\n]+$"):
        service_of(tmp_path, host="203.0.113.7", port=0).start()


def test_an_address_others_can_reach_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConfigFile, "load_or_create", ConfigFile.load)  # which would make a key
    for host in ("0.0.0.0", "::", "192.168.1.5", "my-machine"):
        with pytest.raises(ConfigError, match=r"set proxy\.apiKey first"):
            service_of(tmp_path, host=host, port=0)
    for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        service_of(tmp_path, host=host, port=0)


def test_an_address_others_can_reach_gets_a_key_by_itself(tmp_path: Path) -> None:
    service_of(tmp_path, host="0.0.0.0", port=0)
    assert json.loads((tmp_path / "teamclaude.json").read_text())["proxy"]["apiKey"]


def test_clients_that_come_and_go_are_no_news(stage: Build) -> None:
    s = stage("a")
    for data in (b"", b"GET", b"POST /v1/messages HTTP/1.1\r\nContent-Length: 5\r\n\r\n{"):
        s.raw().send(data).close()
        raw = s.raw().send(data)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    s.until(lambda: len(s.service.runtime.connections) == 0)
    assert s.send("GET", "/health").status == 200
    assert s.warnings == []


# --- out of places, threads, descriptors ----------------------------------------------------------


def refused(raw: Any) -> str:
    """The message of the 503 that this connection's request is answered with."""
    answer = raw.request("/capacity", method="GET").answer()
    assert answer.error() == (503, "overloaded_error")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("2", "close")
    return str(json.loads(answer.body)["error"]["message"])


def test_beyond_the_most_connections_a_request_is_answered_503(stage: Build) -> None:
    s = stage("a", proxy={"maxConnections": 8})
    proven = [s.raw().request("/capacity", method="GET") for _ in range(8)]
    assert [raw.answer().status for raw in proven] == [200] * 8
    assert "all 8 connections are in use (proxy.maxConnections)" in refused(s.raw())
    assert [raw.request("/capacity", method="GET").answer().status for raw in proven] == [200] * 8
    proven[0].close()
    s.until(lambda: len(s.service.runtime.connections) == 7)
    assert s.raw().request("/capacity", method="GET").answer().status == 200
    assert [line for line in s.warnings if "refused with 503" in line] == s.warnings


def test_unauthorized_clients_that_fill_all_places_block_no_others(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.peer_user.same_user", lambda local, peer: False)
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: False)
    s = stage("a", proxy={"maxConnections": 8})
    strangers = [s.raw() for _ in range(30)]
    admitted = [s.raw().request("/capacity", method="GET") for _ in range(8)]
    assert [raw.answer().status for raw in admitted] == [200] * 8
    assert [raw.rest() for raw in strangers] == [(b"", "fin")] * 30
    assert s.warnings == []


def test_without_a_thread_a_connection_is_answered_503_and_its_place_is_free_again(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")
    start = threading.Thread.start

    def none_left(self: Any) -> None:
        if self.name == "connection":
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        assert "no thread can be started" in refused(s.raw())
    assert len(s.service.runtime.connections) == 0
    assert s.raw().request("/capacity", method="GET").answer().status == 200
    assert s.warnings == ["connections are refused with 503: no thread can be started (ulimit -u)"]


class Full:
    """A listening socket that finds no descriptor as often as told."""

    def __init__(self, real: Any, times: int) -> None:
        self.real, self.times = real, times

    def accept(self) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise OSError(errno.EMFILE, "Too many open files")
        return self.real.accept()


def test_without_a_descriptor_a_connection_is_accepted_with_the_spare_one_and_answered_503(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listener,) = stage("a").service._listeners
    with socket.create_server(("127.0.0.1", 0)) as real:
        raw = Raw(real.getsockname()[1])
        with monkeypatch.context() as patch:
            patch.setattr(listener, "socket", Full(real, 1))
            with pytest.raises(OSError, match="Too many"):
                listener.get_request()
        assert not listener._spare_descriptor.release()
        assert "no descriptor is free" in refused(raw)
        raw.close()
        deadline = time.monotonic() + 60
        while not listener._spare_descriptor.release():
            assert time.monotonic() < deadline, "the spare one was never taken back"


def test_when_even_the_spare_descriptor_is_in_use_it_is_waited_out_without_spinning(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listener,) = stage("a").service._listeners
    pauses: list[float] = []
    for give in (False, True):
        if give:
            listener._spare_descriptor.release()
        with monkeypatch.context() as patch:
            patch.setattr(time, "sleep", pauses.append)
            patch.setattr(listener, "socket", Full(None, 2))
            with pytest.raises(OSError, match="Too many"):
                listener.get_request()
    assert pauses == [0.1, 0.1]


def test_out_of_descriptors_the_owner_is_asked_to_come_again_and_never_sent_away(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")
    keyless = b"GET /capacity HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def full(local: Any, peer: Any) -> bool:
        raise OverloadedError("No descriptor is free.", 1)

    raw = s.raw()
    s.until(lambda: len(s.service.runtime.connections) == 1)
    (accepted,) = s.service.runtime.connections._open.values()
    monkeypatch.setattr(accepted.same_user, "_lookup", full)
    answer = raw.send(keyless).answer()
    assert (answer.error(), answer.headers["retry-after"]) == ((503, "overloaded_error"), "1")


# --- HTTPS --------------------------------------------------------------------------------------


def https(s: Any, pem: Any) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=pem.cert)
    return http.client.HTTPSConnection("127.0.0.1", s.service.port, timeout=30, context=context)


def test_https_serves_streams_and_keeps_connections(stage: Build, pem: Any) -> None:
    s = stage("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}})
    assert s.service.urls == [f"https://127.0.0.1:{s.service.port}"]
    connection = https(s, pem)
    body = json.dumps(
        {
            "model": "claude-opus-4-8",
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 9,
            "stream": True,
        }
    )
    for _ in range(2):
        connection.request("POST", "/v1/messages", body, {"x-teamclaude-key": KEY})
        response = connection.getresponse()
        assert b"message_stop" in response.read()
        sock = connection.sock
    assert connection.sock is sock is not None
    connection.close()
    s.until(lambda: len(s.service.runtime.connections) == 0)
    assert s.warnings == []


def test_https_refuses_readably(stage: Build, pem: Any) -> None:
    s = stage("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}, "maxBodyMiB": 1})
    connection = https(s, pem)
    connection.request("POST", "/v1/messages", b"x" * (3 << 20), {"x-teamclaude-key": KEY})
    response = connection.getresponse()
    assert (response.status, "maxBodyMiB" in response.read().decode()) == (413, True)
    connection.close()


def test_https_idle_connections_end_quietly_in_a_drain(stage: Build, pem: Any) -> None:
    s = stage("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}})
    connections = [https(s, pem) for _ in range(3)]
    for connection in connections:
        connection.request("GET", "/health")
        connection.getresponse().read()
    s.until(lambda: all(each.idle for each in s.service.runtime.connections._open.values()))
    s.service.stop(5)
    for connection in connections:
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""
        connection.close()
    assert s.warnings == []


def test_https_is_not_blocked_by_a_client_that_does_not_speak_it(stage: Build, pem: Any) -> None:
    s = stage("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}})
    silent = s.raw()
    plain = s.raw().send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP/1.1 200" not in plain.rest()[0]
    connection = https(s, pem)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    silent.close()
    assert s.warnings == []


@pytest.mark.parametrize("broken", ["cert", "key"])
def test_a_certificate_that_can_t_be_used_is_an_error(tmp_path: Path, pem: Any, broken: str) -> None:
    tls = {"cert": pem.cert, "key": pem.key, broken: str(tmp_path / "missing.pem")}
    with pytest.raises(ConfigError, match=r"^proxy\.tls can't be used: "):
        service_of(tmp_path, tls=tls)
