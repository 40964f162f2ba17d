"""TLS with the client of an opened tunnel: early bytes, TLS in TLS, slow, foreign and wrong clients."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.connect.handshake import handshake_failure
from tests.proxy.conftest import KEY, message
from tests.proxy.connect.conftest import API, TunnelClient, ca_of

Build = Callable[..., Any]
Clients = Callable[[Any], TunnelClient]
HELLO = json.dumps(message("hello", stream=False)).encode()


class BioClient:
    """A TLS client that decides itself when its bytes are sent."""

    def __init__(self, ca_file: str, host: str = API) -> None:
        context = ssl.create_default_context(cafile=ca_file)
        self._inbox, self._outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._inbox, self._outbox, server_hostname=host)

    def hello(self) -> bytes:
        """The first flight."""
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outbox.read()

    def finish(self, client: TunnelClient) -> None:
        self._inbox.write(client.take_rest())  # it may have come with the 200
        self._drive(client.sock, self._tls.do_handshake)

    def ask(self, sock: socket.socket, request: bytes) -> bytes:
        """Send a request; return what comes until the connection ends."""
        self._tls.write(request)
        got = b""
        try:
            while data := self._drive(sock, lambda: self._tls.read(65536)):
                got += data
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass
        return got

    def _drive(self, sock: socket.socket, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(sock)
                data = sock.recv(65536)
                if data:
                    self._inbox.write(data)
                else:
                    self._inbox.write_eof()
                continue
            self._flush(sock)
            return result

    def _flush(self, sock: socket.socket) -> None:
        data = self._outbox.read()
        if data:
            sock.sendall(data)


def request(body: bytes = HELLO, fields: str = "") -> bytes:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: {API}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("split", [0, 1, 100, None])
def test_a_hello_that_comes_with_the_connect(forward: Build, tunnels: Clients, split: Any) -> None:
    s = forward("a")
    client, tls = tunnels(s), BioClient(ca_of(s))
    hello = tls.hello()
    assert client.connect(behind=hello[:split]).status == 200
    if split is not None:
        client.send(hello[split:])
    tls.finish(client)
    answer = tls.ask(client.sock, request(fields="Connection: close\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-teamclaude-account: a" in answer


def test_all_of_a_large_answer_arrives_before_the_end(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    client, tls = tunnels(s), BioClient(ca_of(s))
    client.connect(behind=tls.hello())
    tls.finish(client)
    s.api.script.once(Fault.status(200, body=b"x" * 3_000_000))
    answer = tls.ask(client.sock, request(fields="Connection: close\r\n"))
    assert answer.count(b"x" * 1000) >= 3000


def test_tls_in_tls_where_the_proxy_itself_speaks_tls(forward: Build, tunnels: Clients, pem: Any) -> None:
    s = forward("a", proxy={"tls": {"cert": pem.cert, "key": pem.key}})
    client = tunnels(s)
    client.start_tls(pem.cert, "localhost")
    assert client.connect().status == 200
    tls = BioClient(ca_of(s))
    client.send(tls.hello())
    tls.finish(client)
    assert tls.ask(client.sock, request(fields="Connection: close\r\n")).startswith(b"HTTP/1.1 200 ")


def test_the_application_protocol_is_http_1_1(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    client = tunnels(s)
    client.connect()
    context = ssl.create_default_context(cafile=ca_of(s))
    context.set_alpn_protocols(["h2", "http/1.1"])
    client.sock = context.wrap_socket(client.sock, server_hostname=API)
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    assert client.ask("/v1/messages", HELLO).status == 200


def test_a_session_is_resumed(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    context = ssl.create_default_context(cafile=ca_of(s))
    session, resumed = None, []
    for _ in range(2):
        client = tunnels(s)
        client.connect()
        client.sock = sock = context.wrap_socket(client.sock, server_hostname=API, session=session)
        assert client.ask("/v1/messages", HELLO).status == 200
        session = sock.session
        resumed.append(sock.session_reused)
    assert resumed == [False, True]


def test_a_slow_handshake_ends_in_time(forward: Build, tunnels: Clients) -> None:
    s = forward("a", headerReadSec=0.2)
    client = tunnels(s)
    hello = BioClient(ca_of(s)).hello()
    assert client.connect(behind=hello[:7]).status == 200
    assert client.rest()[1] in ("fin", "rst")
    silent = tunnels(s)
    assert silent.connect().status == 200
    assert silent.rest()[1] in ("fin", "rst")
    assert s.warnings == []


def test_plain_http_inside_gets_no_answer(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    client = tunnels(s)
    client.connect()
    client.send(f"GET /teamclaude/status HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n\r\n".encode())
    assert b"HTTP/1." not in client.rest()[0]
    other = tunnels(s)
    other.connect(behind=request())
    assert b"HTTP/1." not in other.rest()[0]
    assert s.api.log == ()


def test_a_client_that_does_not_trust_us_gets_the_cure_into_the_log_once(
    forward: Build, tunnels: Clients
) -> None:
    s = forward("a")
    for _ in range(3):
        client = tunnels(s)
        client.connect()
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(client.sock, server_hostname=API)
    s.until(lambda: s.warnings)
    assert len(s.warnings) == 1
    line = s.warnings[0]
    assert line.startswith(
        f"a client of https://{API} does not trust this proxy's certificate (it says: unknown ca)"
    )
    assert f"NODE_EXTRA_CA_CERTS={ca_of(s)}" in line
    assert s.records == []


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_client_that_breaks_off_without_a_reason_gets_the_cure_into_the_log(
    forward: Build, tunnels: Clients, how: str
) -> None:
    s = forward("a")
    client, tls = tunnels(s), BioClient(ca_of(s))
    client.connect()
    client.send(tls.hello())
    assert client.sock.recv(1) == b"\x16"
    if how == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        while len(client.sock.recv(65536)) == 65536:
            pass
    client.close()
    s.until(lambda: s.warnings)
    assert s.warnings == [
        f"a client of https://{API} broke off its TLS handshake, maybe since it does not trust this proxy's "
        f"certificate: start it with NODE_EXTRA_CA_CERTS={ca_of(s)}, as teamclaude run --first-party does"
    ]


def test_a_client_that_ends_while_it_connects_is_no_warning_where_another_trusts_us(
    forward: Build, tunnels: Clients, opened: Callable[..., TunnelClient]
) -> None:
    s = forward("a")
    assert opened(s).ask("/v1/messages", HELLO).status == 200
    client, tls = tunnels(s), BioClient(ca_of(s))
    client.connect()
    client.send(tls.hello())
    assert client.sock.recv(1) == b"\x16"
    client.close()
    s.until(lambda: len(s.service.runtime.connections) == 1)
    assert s.warnings == []


def test_a_client_that_just_leaves_is_no_warning(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    for early in (b"", b"\x16\x03\x01"):
        client = tunnels(s)
        client.connect(behind=early)
        client.close()
    s.until(lambda: len(s.service.runtime.connections) == 0)
    assert s.warnings == []


@pytest.mark.parametrize(
    ("reason", "words", "distrust"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "unknown ca", True),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "certificate unknown", True),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "bad certificate", True),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "closed its connection", False),
        ("HTTP_REQUEST", "speaks no TLS", False),
        ("WRONG_VERSION_NUMBER", "speaks no TLS", False),
        ("UNEXPECTED_EOF_WHILE_READING", "closed its connection", False),
    ],
)
def test_what_a_failure_means(reason: str, words: str, distrust: bool) -> None:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    text, found = handshake_failure(error)
    assert (words in text, found) == (True, distrust)


def test_a_timeout_is_one() -> None:
    assert handshake_failure(socket.timeout("timed out")) == (
        "did not finish its TLS handshake in time",
        False,
    )
