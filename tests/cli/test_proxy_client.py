"""The client of a proxy with TLS, and of one that breaks off its answer."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamclaude.proxy.lifecycle.server_presence import ServerPresence
from tests.cli.support import ALICE, Ended, Stub, free_port

posix = pytest.mark.skipif(os.name == "nt", reason="there are no such files")

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ok": "yes"}'


HEALTH = b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"service": "teamclaude"}'


class Once:
    """A listener that says who it is, and gives the next connection the same bytes, whatever it asks."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None = None) -> None:
        self._answer, self._tls = answer, tls
        self.asked = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            for answer in (HEALTH, self._answer):
                peer, _ = self._listener.accept()
                with peer, self._tls.wrap_socket(peer, server_side=True) if self._tls else peer as talk:
                    talk.settimeout(30)
                    asked = talk.recv(65536)
                    if not asked:
                        return
                    self.asked = asked
                    talk.sendall(answer)
        except OSError:
            pass  # only the client's side matters here

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a thread that waits in accept() takes what comes to its number
            socket.create_connection(("127.0.0.1", self.port), 30).close()
        self._thread.join(30)
        self._listener.close()


@pytest.fixture
def once() -> Iterator[Callable[..., Once]]:
    open_ones: list[Once] = []

    def start(answer: bytes, tls: ssl.SSLContext | None = None) -> Once:
        open_ones.append(Once(answer, tls))
        return open_ones[-1]

    yield start
    for each in open_ones:
        each.close()


def test_a_port_needs_no_config_file_and_gets_no_key(
    private_home: Path, cli: Callable[..., Ended], once: Callable[..., Once]
) -> None:
    proxy = once(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"code": "c-1"}')
    ended = cli("web", "--no-browser", "--port", str(proxy.port))
    assert (ended.status, ended.out) == (0, f"http://127.0.0.1:{proxy.port}/#code=c-1\n")
    assert b"x-teamclaude-key" not in proxy.asked.lower()
    assert b"authorization" not in proxy.asked.lower()
    assert not (private_home / ".config").exists()


@pytest.fixture(scope="module")
def certificate(make_certificate: Callable[..., tuple[Path, Path]]) -> tuple[Path, Path]:
    """A self-signed certificate for another name than localhost."""
    return make_certificate("DNS:proxy.example.com")


def test_the_configured_certificate_is_trusted(
    certificate: tuple[Path, Path],
    once: Callable[..., Once],
    config: Callable[..., Path],
    cli: Callable[..., Ended],
) -> None:
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(cert), str(key))
    config(ALICE, port=once(ANSWER, context).port, tls={"cert": str(cert), "key": str(key)})
    ended = cli("status", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert '"ok": "yes"' in ended.out


def test_a_server_without_tls_where_the_config_says_tls(
    certificate: tuple[Path, Path],
    once: Callable[..., Once],
    config: Callable[..., Path],
    cli: Callable[..., Ended],
) -> None:
    cert, key = certificate
    server = once(ANSWER)
    config(ALICE, port=server.port, tls={"cert": str(cert), "key": str(key)})
    ended = cli("status")
    assert ended.status == 1
    assert f"no TLS with https://localhost:{server.port}" in ended.err


@posix
def test_a_server_on_the_port_before_a_change_is_named(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    path = config(ALICE, port=free_port())
    presence, port = ServerPresence(path), free_port()
    presence.begin(port)
    try:
        for words in (("restart",), ("status",), ("status", "--port", str(free_port()))):
            ended = cli(*words)
            assert (ended.status, ended.out) == (1, "")
            assert ended.err.endswith(
                f"; one with this config file listens on port {port}: add --port {port}\n"
            )
        assert "start it with: teamclaude server" in cli("status", "--port", str(port)).err
    finally:
        presence.end()
    assert "start it with: teamclaude server" in cli("status").err


def test_a_certificate_that_is_not_there(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config(ALICE, tls={"cert": "/nowhere/cert.pem", "key": "/nowhere/key.pem"})
    line = "teamclaude: proxy.tls.cert: can't read /nowhere/cert.pem: No such file or directory\n"
    assert cli("status") == (1, "", line)


def test_an_invalid_certificate(
    config: Callable[..., Path], cli: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    config(ALICE, tls={"cert": str(tmp_path / "cert.pem"), "key": "/k.pem"})
    ended = cli("status")
    assert ended.status == 1
    assert "proxy.tls.cert: can't read" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "broke off"),
        (ANSWER[:-3], "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off"),
    ],
)
def test_a_broken_answer(
    once: Callable[..., Once],
    config: Callable[..., Path],
    cli: Callable[..., Ended],
    answer: bytes,
    said: str,
) -> None:
    config(ALICE, port=once(answer).port)
    ended = cli("status")
    assert ended.status == 1
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_truncated_body_is_an_error(
    once: Callable[..., Once], config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config(ALICE, port=once(ANSWER[:-3]).port)
    ended = cli("api", "/v1/models")
    assert (ended.status, ended.out) == (1, '{"ok": "ye')
    assert ended.err.endswith("broke off its answer\n")


# --- a program in our server's place --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "listener", "sent"),
    [(1000, 1000, True), (1000, 0, True), (1000, None, True), (0, 1001, True), (1000, 1001, False)],
)
def test_another_user_s_program_gets_no_key(
    once: Callable[..., Once],
    config: Callable[..., Path],
    cli: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    own: int,
    listener: int | None,
    sent: bool,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: own, raising=False)
    monkeypatch.setattr("teamclaude.proxy.net.peer_user.listener_uid", lambda address: listener)
    server = once(ANSWER)
    config(ALICE, port=server.port)
    ended = cli("status", "--json")
    assert (ended.status == 0) is sent
    if not sent:
        assert "a program of another user of this machine listens at" in ended.err
        server.close()
        assert server.asked == b""


COMMANDS = [
    *(["status"], ["status", "--json"], ["drain"], ["restart"], ["explain"], ["switch"], ["switch", "alice"]),
    *(["api", "/v1/models"], ["web", "--no-browser"], ["watch"], ["version", "--port", "{port}"]),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("answer", [{}, {"service": "other"}, []], ids=str)
def test_another_program_is_asked_once_and_gets_no_key(
    stub: Stub, cli: Callable[..., Ended], words: list[str], answer: object
) -> None:
    paths = ("GET /health", "GET /teamclaude/status", "GET /teamclaude/deck")
    stub.answers = dict.fromkeys(paths, (200, answer))
    ended = cli(*(word.replace("{port}", str(stub.port)) for word in words))
    assert f"another program answers at http://127.0.0.1:{stub.port}, not teamclaude" in ended.err
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert (len(stub.checks), stub.asked) == (1, [])


def test_it_is_asked_again_after_a_failure(stub: Stub) -> None:
    from teamclaude.cli.proxy_client import ProxyUnreachableError, configured_proxy

    proxy = configured_proxy()
    stub.answers["GET /teamclaude/status"] = (200, {})
    assert [proxy.get("/teamclaude/status") for _ in range(3)] == [{}, {}, {}]
    assert len(stub.checks) == 1
    stub.answers["GET /teamclaude/status"] = (200, b"no JSON")
    stub.answers["GET /health"] = (200, {})
    for _ in range(2):
        with pytest.raises(ProxyUnreachableError, match="another program"):
            proxy.get("/teamclaude/status")
    assert (len(stub.checks), len(stub.asked)) == (2, 4)
