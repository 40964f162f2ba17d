"""Connections to the upstream: TLS and trust, HTTPS proxies, base URLs; nothing goes anywhere else."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.dial.proxies import parse_proxy
from teamclaude.errors import ClientGoneError, ConnectFailedError, ForbiddenError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.dialer import Dialer
from teamclaude.proxy.net.socket_wait import ClientWatch
from tests.dial.scripted_proxies import HttpProxy, SocksProxy

Build = Callable[..., Any]
NOBODY = ClientWatch(None)


def account(name: str) -> FakeAccount:
    return FakeAccount(name, f"sk-ant-oat01-FAKE-{name}")


@pytest.fixture
def tls_api(pem: Any) -> Iterator[FakeApi]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.cert, pem.key)
    with FakeApi([account("a")], tls=context) as api:
        yield api


# --- TLS ----------------------------------------------------------------------------------------


def test_an_https_upstream_with_a_certificate_of_its_own(stage: Build, tls_api: FakeApi, pem: Any) -> None:
    s = stage("a", upstream=tls_api.url, upstreamCaFile=pem.cert)
    for _ in range(2):
        reply = s.ask()
        assert (reply.status, b"message_stop" in reply.body) == (200, True)
    assert tls_api.wait_until(lambda api: len(api.log) == 2)
    assert [e.connection for e in tls_api.log] == [1, 1]
    large = s.ask("x" * 3_000_000, stream=False)
    assert large.status == 200
    assert s.api.log == ()


def test_an_untrusted_certificate_is_refused(stage: Build, tls_api: FakeApi) -> None:
    s = stage("a", upstream=tls_api.url)
    reply = s.ask()
    assert reply.status == 503
    assert "certificate of 127.0.0.1 is not trusted" in reply.message
    assert "upstreamCaFile" in reply.message
    assert tls_api.log == ()


def test_the_configured_file_is_trusted_besides_the_system_s(
    stage: Build, tls_api: FakeApi, pem: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    names = ["-subj", "/CN=other", "-keyout", str(tmp_path / "key.pem"), "-out", str(other)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", pem.cert)
    assert stage("a", upstream=tls_api.url, upstreamCaFile=str(other)).ask().status == 200


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unusable_certificate_file_is_reported(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConnectFailedError, match=r"upstreamCaFile .*/ca\.pem can't be used: "):
        Dialer(1.0, str(file), None).dial(Origin("https", "127.0.0.1", 9), NOBODY)


def test_an_end_without_close_notify_cuts_off_the_response(stage: Build, tls_api: FakeApi, pem: Any) -> None:
    s = stage("a", upstream=tls_api.url, upstreamCaFile=pem.cert)
    tls_api.script.once(Fault.unframed())
    raw = s.raw().request(
        body=b'{"model":"claude-opus-4-8","messages":[{"role":"user","content":"x"}],"stream":true,"max_tokens":5}'
    )
    assert not raw.rest()[0].endswith(b"0\r\n\r\n")
    assert s.outcomes(1) == ["upstream error"]


# --- proxies on the way -------------------------------------------------------------------------


@pytest.fixture
def tunnel() -> Iterator[Callable[..., HttpProxy]]:
    made: list[HttpProxy] = []

    def make(*args: Any) -> HttpProxy:
        made.append(HttpProxy(*args))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_https_upstream_through_a_tunnel(
    stage: Build, tls_api: FakeApi, pem: Any, tunnel: Callable[..., HttpProxy]
) -> None:
    way = tunnel()
    s = stage(
        "a", upstream=tls_api.url, upstreamCaFile=pem.cert, upstreamProxy=f"http://127.0.0.1:{way.port}"
    )
    assert [s.ask().status for _ in range(2)] == [200, 200]
    (asked,) = way.asked
    assert asked.startswith(f"CONNECT 127.0.0.1:{tls_api.port} HTTP/1.")
    assert "FAKE" not in asked
    assert "Proxy-Authorization" not in asked


@pytest.mark.parametrize("scheme", ["https", "socks5", "socks5h"])
def test_streams_and_small_requests_through_other_kinds_of_proxies(
    stage: Build, tls_api: FakeApi, pem: Any, scheme: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.cert, pem.key)
    with contextlib.closing(HttpProxy(tls=context) if scheme == "https" else SocksProxy()) as way:
        url = f"{scheme}://127.0.0.1:{way.port}"
        s = stage("a", upstream=tls_api.url, upstreamCaFile=pem.cert, upstreamProxy=url)
        for stream in (True, False, False, True):
            reply = s.ask(stream=stream)
            assert (reply.status, b"stop" in reply.body) == (200, True)
        assert s.ask("x" * 3_000_000, stream=False).status == 200
        assert way.connections == 1
    assert s.ask().status == 503


def test_a_plain_upstream_through_a_tunnel_with_a_login(
    stage: Build, tunnel: Callable[..., HttpProxy]
) -> None:
    way = tunnel()
    s = stage("a", upstreamProxy=f"http://us%40r:p%2fw@127.0.0.1:{way.port}")
    assert s.ask().status == 200
    login = base64.b64encode(b"us@r:p/w").decode()
    assert f"Proxy-Authorization: Basic {login}\r\n" in way.asked[0]
    assert s.seen()[0].header("proxy-authorization") is None


def test_a_tunnel_that_refuses_is_a_503_without_the_password(
    stage: Build, tunnel: Callable[..., HttpProxy]
) -> None:
    way = tunnel("407 Proxy Authentication Required")
    s = stage("a", upstreamProxy=f"http://user:hunter2@127.0.0.1:{way.port}")
    reply = s.ask()
    words = (
        f"the proxy 127.0.0.1:{way.port} (upstreamProxy): it does not accept the user name and password (407)"
    )
    assert (reply.status, words in reply.message) == (503, True)
    assert len(way.asked) == 1, "a wrong password is not repeated"
    assert s.account("a")["status"] == "active"


@pytest.fixture
def api_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let api.example be this machine."""
    look_up = socket.getaddrinfo

    def answer(host: Any, *args: Any, **kwargs: Any) -> Any:
        return look_up("127.0.0.1" if host == "api.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.usefixtures("api_example")
@pytest.mark.parametrize(
    ("variable", "no_proxy", "tunnels"),
    [
        ("HTTPS_PROXY", "", 1),
        ("all_proxy", "", 1),
        ("HTTPS_PROXY", "localhost, .Example", 0),
        ("HTTPS_PROXY", "*", 0),
        ("HTTP_PROXY", "", 0),
    ],
)
def test_the_environment_decides_where_nothing_is_configured(
    stage: Build,
    tls_api: FakeApi,
    pem: Any,
    tunnel: Callable[..., HttpProxy],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    no_proxy: str,
    tunnels: int,
) -> None:
    way = tunnel()
    monkeypatch.setenv(variable, f"http://127.0.0.1:{way.port}")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    s = stage("a", upstream=f"https://api.example:{tls_api.port}", upstreamCaFile=pem.cert)
    assert s.ask().status == 200
    assert len(way.asked) == tunnels


def test_the_environment_s_proxy_is_not_for_this_machine(
    stage: Build, tunnel: Callable[..., HttpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    way = tunnel()
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{way.port}")
    assert stage("a").ask().status == 200
    assert way.asked == []


# --- plain streams ---------------------------------------------------------------------------------


def test_a_stream_to_any_server(tunnel: Callable[..., HttpProxy]) -> None:
    way = tunnel()
    dialer = Dialer(1.0, None, parse_proxy(f"http://127.0.0.1:{way.port}"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with contextlib.closing(dialer.dial_stream("127.0.0.1", port, NOBODY)) as near:
            far, _ = server.accept()
            with far:
                far.sendall(b"hello")
                assert near.recv(5) == b"hello"
        assert way.asked == [], "this machine is never reached through a proxy"
        with contextlib.closing(dialer.dial_stream("git.example", port, NOBODY)) as near:
            far, _ = server.accept()
            with far:
                far.sendall(b"hello")
                assert near.recv(5) == b"hello"
    assert [head.split()[1] for head in way.asked] == [f"git.example:{port}"]


@pytest.mark.parametrize("proxy", ["direct", "http://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_stream_to_an_address_that_is_not_allowed(proxy: str) -> None:
    seen: list[str] = []
    dialer = Dialer(1.0, None, parse_proxy(proxy))
    with pytest.raises(ForbiddenError, match=r"10\.0\.0\.1 has no address that may be connected to"):
        dialer.dial_stream("10.0.0.1", 443, NOBODY, lambda ip: bool(seen.append(str(ip))))
    assert seen == ["10.0.0.1"]


# --- failures and disconnects --------------------------------------------------------------------


def test_a_refused_connection_and_an_unknown_host_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    dialer = Dialer(1.0, None, None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(
        ConnectFailedError, match=rf"no connection to 127\.0\.0\.1:{port}: Connection refused"
    ):
        dialer.dial(Origin("http", "127.0.0.1", port), NOBODY)
    with pytest.raises(ConnectFailedError, match=r"no connection to api\.invalid:443"):
        dialer.dial(Origin("https", "api.invalid", 443), NOBODY)
    monkeypatch.undo()  # the look-up itself refuses this name
    with pytest.raises(ConnectFailedError, match="no connection to aaa"):
        dialer.dial(Origin("http", "a" * 70, 80), NOBODY)


def test_a_tls_handshake_that_never_ends_is_a_failure() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConnectFailedError, match="timed out"),
    ):
        Dialer(0.05, None, None).dial(Origin("https", "127.0.0.1", server.getsockname()[1]), NOBODY)


def test_a_client_that_leaves_while_connecting_leaves_no_connection(
    tcp_pair: Callable[[], tuple[socket.socket, socket.socket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, their_end = tcp_pair()
    near, far = tcp_pair()
    go_on = threading.Event()

    def connect(self: Dialer, origin: Origin) -> socket.socket:
        go_on.wait(5)
        return near

    monkeypatch.setattr(Dialer, "_connect", connect)
    monkeypatch.setattr("teamclaude.proxy.net.socket_wait.POLL_SEC", 0.02)
    their_end.close()
    began = time.monotonic()
    with pytest.raises(ClientGoneError):
        Dialer(1.0, None, None).dial(Origin("http", "127.0.0.1", 9), ClientWatch(client))
    assert time.monotonic() - began < 1.0
    go_on.set()
    assert far.recv(1) == b"", "it is closed when it comes after all"


# --- base URLs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_upstream_with_a_path(stage: Build, slash: str) -> None:
    with FakeApi([account("a")], prefix="/gate/way") as api:
        s = stage("a", upstream=api.url + slash)
        assert s.ask().status == 200
        s.send("GET", "/api/oauth/usage", headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine"})
        assert api.wait_until(lambda api: len(api.log) == 2)
        assert [e.target for e in api.log] == ["/gate/way/v1/messages?beta=true", "/gate/way/api/oauth/usage"]
        assert api.log[0].header("host") == f"127.0.0.1:{api.port}"


def test_an_account_with_an_upstream_of_its_own(stage: Build) -> None:
    with FakeApi([account("b")], prefix="/own") as own:
        accounts = [
            {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a"},
            {"name": "b", "accessToken": "sk-ant-oat01-FAKE-b", "upstream": own.url},
        ]
        s = stage("a", accounts=accounts)
        for name in "abab":
            assert s.ask(headers={"x-teamclaude-account": name}).account == name
        assert own.wait_until(lambda api: len(api.log) == 2)
        assert {(e.account, e.path) for e in own.log} == {("b", "/own/v1/messages")}
        assert {e.header("authorization") for e in own.log} == {"Bearer sk-ant-oat01-FAKE-b"}
        assert {e.header("authorization") for e in s.seen(2)} == {"Bearer sk-ant-oat01-FAKE-a"}


def test_connections_are_shared_by_the_accounts(stage: Build) -> None:
    s = stage("a", "b")
    for name in "abab":
        s.ask(headers={"x-teamclaude-account": name})
    assert {(e.account, e.connection) for e in s.seen(4)} == {("a", 1), ("b", 1)}


def test_a_redirect_is_relayed_and_not_followed(stage: Build) -> None:
    with FakeApi([account("a")]) as elsewhere:
        s = stage("a")
        where = {"location": f"{elsewhere.url}/v1/messages"}
        s.api.script.once(Fault.status(307, headers=where, body=b""))
        reply = s.ask()
        assert (reply.status, reply.headers["location"]) == (307, where["location"])
        assert elsewhere.log == ()
        assert elsewhere.connections == 0


# --- out of threads and descriptors ---------------------------------------------------------------


def test_where_no_thread_can_be_started_a_request_is_served_all_the_same(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a")
    start = threading.Thread.start

    def none_for_requests(self: Any) -> None:
        if self.name in ("connect", "event-loop", "blocking-work"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", none_for_requests)
    for stream in (False, True):
        assert s.ask(stream=stream).status == 200
    assert s.warnings == []


def test_a_trust_store_that_was_loaded_without_descriptors_is_loaded_again(
    stage: Build, tls_api: FakeApi, pem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", upstream=tls_api.url, upstreamCaFile=pem.cert)
    real = ssl.create_default_context
    with monkeypatch.context() as patch:

        class Empty(ssl.SSLContext):
            def load_verify_locations(self, *about: Any, **more: Any) -> None:
                pass

        patch.setattr(ssl, "create_default_context", lambda: Empty(ssl.PROTOCOL_TLS_CLIENT))
        assert s.ask().status == 503
    assert ssl.create_default_context is real
    assert s.ask().status == 200
