"""Connections to servers outside: by each kind of proxy, with and without TLS, and errors in words."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from teamclaude.dial.connector import Connector
from teamclaude.dial.proxies import DIRECT, parse_proxy
from teamclaude.dial.race import Families
from teamclaude.errors import ConfigError, ConnectFailedError, ForbiddenError, ProxyRefusedError
from teamclaude.lazy_modules import LazyModule
from tests.dial.conftest import EchoServer, HttpProxy, Pem, SocksProxy, connector
from tests.dial.scripted_proxies import ScriptedProxy

Hosts = dict[str, list[str]]
Start = Callable[[Any], Any]


def talk(sock: socket.socket) -> None:
    """Check that the server is at the other end, and close."""
    with contextlib.closing(sock):
        sock.settimeout(30)
        assert exactly(sock, 5) == b"hello"
        sock.sendall(b"x" * 100_000)
        assert exactly(sock, 100_000) == b"x" * 100_000


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece
        data += piece
    return data


# --- each kind of proxy ---------------------------------------------------------------------------


def test_a_direct_connection(server: EchoServer, tls_server: EchoServer, pem: Pem) -> None:
    talk(connector().open("http", "127.0.0.1", server.port))
    sock = connector(ca_file=pem.cert).open("https", "127.0.0.1", tls_server.port)
    assert isinstance(sock, ssl.SSLSocket)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    talk(sock)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("target_scheme", ["http", "https"])
def test_through_an_http_proxy_with_and_without_tls_to_it(
    scheme: str,
    target_scheme: str,
    server: EchoServer,
    tls_server: EchoServer,
    server_tls: ssl.SSLContext,
    pem: Pem,
    start: Start,
    hosts: Hosts,
) -> None:
    proxy = start(HttpProxy(tls=server_tls if scheme == "https" else None))
    target = server if target_scheme == "http" else tls_server
    one = connector(f"{scheme}://localhost:{proxy.port}", pem.cert)
    hosts["localhost"] = ["127.0.0.1"]
    for _ in range(2):
        talk(one.open(target_scheme, "api.example", target.port))
    assert [head.split()[1] for head in proxy.asked] == [f"api.example:{target.port}"] * 2


def test_the_threads_of_tls_inside_of_tls_end_with_their_connections(
    tls_server: EchoServer, server_tls: ssl.SSLContext, pem: Pem, start: Start
) -> None:
    proxy = start(HttpProxy(tls=server_tls))
    one = connector(f"https://127.0.0.1:{proxy.port}", pem.cert)
    sock = one.open("https", "127.0.0.1", tls_server.port)
    (relay,) = [thread for thread in threading.enumerate() if thread.name == "tls-relay"]
    talk(sock)
    relay.join(30)
    assert not relay.is_alive()
    # And when the other side ends it.
    sock = one.open("https", "127.0.0.1", tls_server.port)
    sock.settimeout(30)
    assert exactly(sock, 5) == b"hello"
    (relay,) = [thread for thread in threading.enumerate() if thread.name == "tls-relay"]
    tls_server.close()
    with contextlib.suppress(OSError), sock:
        assert sock.recv(1) == b""
    relay.join(30)
    assert not relay.is_alive()


def test_a_proxy_s_certificate_must_be_trusted(server_tls: ssl.SSLContext, start: Start) -> None:
    proxy = start(HttpProxy(tls=server_tls))
    with pytest.raises(ConnectFailedError) as caught:
        connector(f"https://127.0.0.1:{proxy.port}").open("http", "api.example", 80)
    words = str(caught.value)
    assert words.startswith(f"the certificate of the proxy 127.0.0.1:{proxy.port} (upstreamProxy) is not ")
    assert "upstreamCaFile" in words
    assert proxy.asked == []


def test_a_name_goes_to_a_socks5h_proxy_as_it_is(tls_server: EchoServer, pem: Pem, start: Start) -> None:
    proxy = start(SocksProxy())
    one = connector(f"socks5h://127.0.0.1:{proxy.port}", pem.cert)
    talk(one.open("https", "api.example", tls_server.port))
    assert proxy.asked == ["api.example"]


def test_a_name_is_looked_up_for_a_socks5_proxy(server: EchoServer, start: Start, hosts: Hosts) -> None:
    proxy = start(SocksProxy(login="me:p/w"))
    hosts["api.example"] = ["::1", "127.0.0.1"]
    talk(connector(f"socks5://me:p%2Fw@127.0.0.1:{proxy.port}").open("http", "api.example", server.port))
    assert proxy.asked == ["127.0.0.1"]


def test_an_address_that_a_socks5_proxy_does_not_reach_is_followed_by_the_next(
    server: EchoServer, start: Start, hosts: Hosts
) -> None:
    proxy = start(SocksProxy(refuses={"127.0.0.9": 4, "::1": 8}))
    hosts["api.example"] = ["::1", "127.0.0.9", "127.0.0.1"]
    one = connector(f"socks5://127.0.0.1:{proxy.port}")
    talk(one.open("http", "api.example", server.port))
    assert proxy.asked == ["127.0.0.9", "::1", "127.0.0.1"]
    hosts["api.example"] = ["127.0.0.9"]
    with pytest.raises(ConnectFailedError, match=r"host unreachable \(127\.0\.0\.9:") as caught:
        one.open("http", "api.example", server.port)
    assert not isinstance(caught.value, ProxyRefusedError), "it may be reached a moment later"


def test_one_account_s_proxy_comes_before_that_of_all(server: EchoServer, start: Start) -> None:
    common, own = start(HttpProxy()), start(SocksProxy())
    one = connector(f"http://127.0.0.1:{common.port}", NO_PROXY="*")
    talk(one.open("http", "127.0.0.1", server.port, parse_proxy(f"socks5h://127.0.0.1:{own.port}")))
    assert (common.asked, own.asked) == ([], ["127.0.0.1"])
    talk(one.open("http", "127.0.0.1", server.port, DIRECT))
    assert (common.connections, own.connections) == (0, 1)
    talk(one.open("http", "127.0.0.1", server.port))
    assert (common.connections, own.connections) == (1, 1)


# --- refusals and failures ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told", "final"),
    [
        (
            "407 No\r\nProxy-Authenticate: NTLM",
            "it asks for a login by NTLM (407), which is not spoken",
            True,
        ),
        ("407 No", "it asks for a login (407): write USER:PASSWORD@ before its host", True),
        ("403 Forbidden\r\nContent-Type: text/html", "it answers 403 Forbidden instead of a tunnel", True),
        ("302 Found\r\nLocation: http://portal/", "it answers 302 Found instead of a tunnel", True),
        ("503 Later", "it answers 503 Later instead of a tunnel to api.example:443", False),
    ],
)
def test_a_refusal_names_the_proxy_and_where_it_is_set(
    answer: str, told: str, final: bool, start: Start
) -> None:
    proxy = start(HttpProxy(answer))
    one = connector(HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectFailedError) as caught:
        one.open("https", "api.example", 443)
    assert str(caught.value).startswith(f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY): {told}")
    assert isinstance(caught.value, ProxyRefusedError) is final


def test_a_wrong_socks_password_is_said_without_it(start: Start) -> None:
    proxy = start(SocksProxy(login="me:right"))
    with pytest.raises(ProxyRefusedError, match="does not accept the user name and password") as caught:
        connector(all_proxy=f"socks5h://me:hunter2@127.0.0.1:{proxy.port}").open("https", "api.example", 443)
    assert "(all_proxy)" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_is_silent(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConnectFailedError, match=rf"no connection to the proxy .*:{port}.*: timed out"):
            connector(f"{scheme}://127.0.0.1:{port}", timeout=0.05).open("https", "api.example", 443)


class ClosingProxy(ScriptedProxy):
    """Close as soon as the first byte has come."""

    def serve(self, sock: socket.socket) -> None:
        sock.recv(1)
        sock.close()


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_closes(scheme: str, start: Start) -> None:
    proxy = start(ClosingProxy())
    with pytest.raises(ConnectFailedError, match=r"it closed the connection|reset by peer"):
        connector(f"{scheme}://127.0.0.1:{proxy.port}").open("https", "api.example", 443)


class TricklingProxy(ScriptedProxy):
    """Answer with a head that never ends, byte by byte."""

    def serve(self, sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200")
        while True:  # until the other side has closed
            sock.sendall(b" ")
            threading.Event().wait(0.005)


class TricklingSocksProxy(ScriptedProxy):
    """Name its own address in 255 bytes, each in time."""

    def serve(self, sock: socket.socket) -> None:
        sock.sendall(b"\x05\x00\x05\x00\x00\x03\xff")
        for _ in range(257):
            sock.sendall(b"x")
            threading.Event().wait(0.005)
        sock.recv(1)


@pytest.mark.parametrize(("scheme", "kind"), [("http", TricklingProxy), ("socks5h", TricklingSocksProxy)])
def test_a_proxy_that_trickles_is_given_up_in_time(scheme: str, kind: type[Any], start: Start) -> None:
    proxy = start(kind())
    with pytest.raises(ConnectFailedError, match="timed out"):
        connector(f"{scheme}://127.0.0.1:{proxy.port}", timeout=0.1).open("http", "api.example", 80)


def test_a_proxy_that_refuses_the_connection_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        ConnectFailedError, match=rf"no connection to the proxy 127\.0\.0\.1:{port} \(upstreamProxy\): Conn"
    ):
        connector(f"http://127.0.0.1:{port}").open("https", "api.example", 443)
    with pytest.raises(
        ConnectFailedError, match=r"no connection to the proxy proxy\.corp:3128 \(ALL_PROXY\)"
    ):
        connector(ALL_PROXY="proxy.corp:3128").open("https", "api.example", 443)


def test_a_variable_that_can_t_be_used_is_named() -> None:
    one = connector(https_proxy="socks4://me:hunter2@proxy")
    for use in (one.check_proxy, one.open):
        with pytest.raises(ConfigError, match="https_proxy: socks4:// is not spoken"):
            use("https", "api.example", 443)
    one.check_proxy("http", "api.example", 80)


def test_a_python_without_openssl_is_told_before_anything_is_sent(
    server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.dial.connector.ssl", LazyModule("no_such_module"))
    with pytest.raises(ConnectFailedError, match=r"^TLS can't be used by this Python: No module named"):
        connector().open("https", "127.0.0.1", server.port)
    assert server.connections == 0
    talk(connector().open("http", "127.0.0.1", server.port))


def test_no_failure_leaves_a_socket_open(
    server_tls: ssl.SSLContext, pem: Pem, server: EchoServer, start: Start
) -> None:
    refusing, encrypted = start(HttpProxy("407 No")), start(HttpProxy(tls=server_tls))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        for url in (f"http://127.0.0.1:{refusing.port}", f"https://127.0.0.1:{encrypted.port}"):
            for trusted in (None, pem.cert):  # untrusted, then no TLS behind it
                with pytest.raises(ConnectFailedError):
                    connector(url, trusted).open("https", "127.0.0.1", server.port)
        gc.collect()
    ours = {f"raddr=('127.0.0.1', {port})" for port in (refusing.port, encrypted.port)}
    assert [str(w.message) for w in seen if any(address in str(w.message) for address in ours)] == []


# --- several addresses ----------------------------------------------------------------------------


def test_the_family_that_worked_is_tried_first_the_next_time(
    server: EchoServer, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts["api.example"] = ["::1", "127.0.0.1"]
    tried: list[str] = []
    begin = socket.socket.connect_ex

    def connect_ex(self: socket.socket, address: Any) -> int:
        tried.append(address[0])
        return begin(self, address)

    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    one = connector()
    for _ in range(2):
        talk(one.open("http", "api.example", server.port))
    assert [host for host in tried if host == "127.0.0.1"] == tried[-2:], "the other one once, at most"


def test_what_works_is_known_to_all_connectors_of_the_process(server: EchoServer, hosts: Hosts) -> None:
    hosts["shared.example"] = ["::1", "127.0.0.1"]
    talk(Connector(5.0, None, None, {}).open("http", "shared.example", server.port))
    families: Families = Connector(5.0, None, None, {})._families
    assert families.last("shared.example") == socket.AF_INET


# --- plain streams, and the addresses that are allowed ------------------------------------------------


def test_only_allowed_addresses_are_connected_to(server: EchoServer, hosts: Hosts) -> None:
    hosts["api.example"] = ["::1", "127.0.0.2", "127.0.0.1"]
    talk(connector().open_stream("api.example", server.port, lambda ip: ip == ip_address("127.0.0.1")))
    with pytest.raises(ForbiddenError, match=r"api\.example has no address that may be connected to"):
        connector().open_stream("api.example", server.port, lambda ip: False)
    assert server.connections == 1


def test_a_proxy_is_only_asked_for_allowed_addresses(server: EchoServer, hosts: Hosts, start: Start) -> None:
    hosts["api.example"] = ["10.0.0.1", "127.0.0.1"]
    hosts["inside.example"] = ["10.0.0.1"]
    proxy = start(SocksProxy())
    one = connector(f"socks5://127.0.0.1:{proxy.port}")
    talk(one.open_stream("api.example", server.port, lambda ip: not ip.is_private or ip.is_loopback))
    with pytest.raises(ForbiddenError):
        one.open_stream("inside.example", server.port, lambda ip: not ip.is_private)
    assert proxy.asked == ["127.0.0.1"]


def test_an_address_is_checked_even_where_the_proxy_looks_names_up(start: Start, server: EchoServer) -> None:
    for kind, scheme in ((HttpProxy, "http"), (SocksProxy, "socks5h")):
        proxy = start(kind())
        one = connector(f"{scheme}://127.0.0.1:{proxy.port}")
        with pytest.raises(ForbiddenError):
            one.open_stream("10.0.0.1", 443, lambda ip: not ip.is_private)
        talk(one.open_stream("api.example", server.port, lambda ip: False))
        assert len(proxy.asked) == 1


def test_a_stream_goes_by_no_proxy_even_with_a_configured_proxy(
    server: EchoServer, hosts: Hosts, start: Start
) -> None:
    hosts["git.corp"] = ["127.0.0.1"]
    proxy = start(HttpProxy())
    one = connector(f"http://127.0.0.1:{proxy.port}", no_proxy=".corp")
    talk(one.open_stream("git.corp", server.port))
    talk(one.open_stream("localhost", server.port))
    assert proxy.asked == []
    talk(one.open_stream("git.example", server.port))
    assert len(proxy.asked) == 1


def test_a_stream_through_an_https_proxy_is_encrypted_to_it(
    server: EchoServer, server_tls: ssl.SSLContext, pem: Pem, start: Start
) -> None:
    proxy = start(HttpProxy(tls=server_tls))
    sock = connector(f"https://127.0.0.1:{proxy.port}", pem.cert).open_stream("git.example", server.port)
    assert isinstance(sock, ssl.SSLSocket)
    talk(sock)
