"""Clients that offer another protocol: h2c is ignored, a WebSocket of the client's login is passed on."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.proxy.conftest import KEY, message

Build = Callable[..., Any]
PLAIN = json.dumps(message(stream=False)).encode()
H2C = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAA")]
MINE = "Bearer sk-ant-oat01-FAKE-mine"
WEBSOCKET = [
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", base64.b64encode(b"0123456789abcdef").decode()),
    ("Sec-WebSocket-Version", "13"),
    ("Authorization", MINE),
]
SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"


class Upstream:
    """Takes one connection; `head` is the handshake that it got, `sock` for what follows."""

    def __init__(self, answer: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.head = b""
        self.sock = socket.socket()
        self.ready = threading.Event()
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            self.sock, _ = self._listener.accept()
        except OSError:
            return
        self.sock.settimeout(30)
        while b"\r\n\r\n" not in self.head:
            self.head += self.sock.recv(65536)
        self.sock.sendall(self._answer)
        self.ready.set()

    def close(self) -> None:
        self._listener.close()
        self.sock.close()


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    made: list[Upstream] = []

    def make(answer: bytes = SWITCHES + ACCEPT) -> Upstream:
        made.append(Upstream(answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read(sock: socket.socket, count: int) -> bytes:
    out = b""
    while len(out) < count and (data := sock.recv(count - len(out))):
        out += data
    return out


# --- h2c ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offer", [H2C, [("Connection", "Upgrade"), ("Upgrade", "TLS/1.0, h2c")], [("Upgrade", "h2c")], H2C[1:]]
)
@pytest.mark.parametrize(("target", "method", "body"), [
    ("/v1/messages", "POST", PLAIN),
    ("/api/oauth/usage", "GET", None),
    ("/teamclaude/status", "GET", None),
])  # fmt: skip
def test_any_other_protocol_is_ignored_and_not_offered_to_the_upstream(
    stage: Build, offer: Any, target: str, method: str, body: Any
) -> None:
    s = stage("a")
    raw = s.raw()
    first = raw.request(target, body, offer, method).answer()
    again = raw.request(target, body, (), method).answer()
    assert first.status == again.status != 501
    assert "upgrade" not in first.headers
    assert s.api.wait_until(lambda api: not api.live)
    for exchange in s.api.log:
        names = {name.lower() for name, _ in exchange.headers}
        assert not names & {"upgrade", "http2-settings", "connection"}


def test_curl_that_offers_http_2_is_served(stage: Build) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    s = stage("a")
    url = f"http://127.0.0.1:{s.service.port}/v1/messages"
    command = [curl, "-sS", "--http2", "--max-time", "10", "-w", "\n%{http_code} %{http_version}"]
    command += ["-H", f"x-teamclaude-key: {KEY}", "-d", PLAIN.decode(), url, url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "does not support" in ended.stderr:
        pytest.skip("this curl has no HTTP/2")
    assert ended.stdout.count("200 1.1") == 2, ended
    assert s.outcomes(2) == ["served", "served"]


# --- WebSocket ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/v1/models", "/v1/files", "/teamclaude/status"])
def test_a_websocket_elsewhere_is_refused_and_never_uses_an_account(stage: Build, target: str) -> None:
    s = stage("a")
    raw = s.raw().request(target, method="GET", headers=WEBSOCKET)
    assert raw.answer().error() == (501, "invalid_request_error")
    assert s.api.log == ()


def test_a_websocket_of_http_1_0_means_nothing(stage: Build) -> None:
    s = stage("a")
    raw = s.raw().request("/v1/models", method="GET", headers=WEBSOCKET, version="HTTP/1.0")
    assert raw.answer().status == 200


def test_a_websocket_of_the_client_s_own_login_is_passed_on(stage: Build, upstream: Any) -> None:
    far = upstream(SWITCHES + ACCEPT + b"early frame")
    s = stage("a", upstream=far.url + "/base")
    raw = s.raw().request("/v1/code/sessions/1/ws?x=1", method="GET", headers=WEBSOCKET)
    answer = raw.answer()
    assert answer.status == 101
    assert (answer.headers["upgrade"], answer.headers["connection"]) == ("websocket", "Upgrade")
    assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert not {"content-length", "transfer-encoding"} & set(answer.headers)

    lines = far.head.decode().split("\r\n")
    assert lines[0] == "GET /base/v1/code/sessions/1/ws?x=1 HTTP/1.1"
    assert {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"} <= set(lines)
    assert [line for line in lines if line.lower().startswith("connection")] == ["Connection: Upgrade"]
    assert f"Authorization: {MINE}" in lines
    assert KEY not in far.head.decode()

    assert raw._take(11) == b"early frame"
    raw.send(b"\x81\x05hello")
    assert read(far.sock, 7) == b"\x81\x05hello"
    far.sock.sendall(b"\x81\x03yes")
    assert raw._take(5) == b"\x81\x03yes"
    far.sock.sendall(b"last")
    far.sock.close()
    assert raw.rest() == (b"last", "fin")
    assert s.outcomes(1) == ["served"]
    assert s.status()["accounts"][0]["usage"]["requests"] == 0


def test_what_is_sent_with_the_handshake_is_not_lost(stage: Build, upstream: Any) -> None:
    far = upstream()
    s = stage("a", upstream=far.url)
    lines = ["GET /v1/code/ws HTTP/1.1", "Host: localhost", f"x-teamclaude-key: {KEY}"]
    lines += [f"{name}: {value}" for name, value in WEBSOCKET]
    raw = s.raw().send("\r\n".join([*lines, "", "GET /early"]).encode())
    assert raw.answer().status == 101
    assert read(far.sock, 10) == b"GET /early"


def test_a_client_that_closes_ends_it(stage: Build, upstream: Any) -> None:
    far = upstream()
    s = stage("a", upstream=far.url)
    raw = s.raw().request("/v1/code/ws", method="GET", headers=WEBSOCKET)
    assert raw.answer().status == 101
    raw.send(b"bye")
    raw.close()
    assert read(far.sock, 100) == b"bye", "and then the end"
    assert s.outcomes(1) == ["served"]
    assert "client" in s.records[0]["reason"]


def test_one_that_says_nothing_ends_in_time(
    stage: Build, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = upstream()
    monkeypatch.setattr("teamclaude.proxy.forwarding.passthrough.TUNNEL_IDLE_SEC", 0.1)
    s = stage("a", upstream=far.url)
    raw = s.raw().request("/v1/code/ws", method="GET", headers=WEBSOCKET)
    assert raw.answer().status == 101
    assert raw.rest() == (b"", "fin")
    assert "nothing was sent" in s.records[0]["reason"]


def test_megabytes_pass_both_ways_at_once(stage: Build, upstream: Any) -> None:
    far = upstream()
    s = stage("a", upstream=far.url)
    raw = s.raw().request("/v1/code/ws", method="GET", headers=WEBSOCKET)
    assert raw.answer().status == 101
    up, down = b"up" * 1_500_000, b"down" * 1_000_000
    assert far.ready.wait(30)
    senders = [
        threading.Thread(target=sock.sendall, args=(data,), daemon=True)
        for sock, data in ((raw.sock, up), (far.sock, down))
    ]
    for sender in senders:
        sender.start()
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read(far.sock, len(up))), daemon=True)
    reader.start()
    assert raw._take(len(down)) == down
    reader.join(30)
    assert got == [up]


def test_an_upstream_that_does_not_switch_is_relayed_and_the_connection_closed(
    stage: Build, upstream: Any
) -> None:
    far = upstream(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    s = stage("a", upstream=far.url)
    raw = s.raw().request("/v1/code/ws", method="GET", headers=WEBSOCKET)
    answer = raw.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (403, b"no", "close")
    assert raw.rest() == (b"", "fin")
    assert s.outcomes(1) == ["upstream error"]


def test_an_upstream_that_breaks_the_handshake_gets_no_answer_made_up(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.no_head())
    raw = s.raw().request("/v1/code/ws", method="GET", headers=WEBSOCKET)
    assert raw.rest()[0] == b""
    assert s.outcomes(1) == ["upstream error"]


def test_a_switch_that_was_not_requested_is_a_broken_response(stage: Build) -> None:
    s = stage("a")
    s.api.script.always(Fault.bytes_instead(SWITCHES + ACCEPT))
    raw = s.raw().request("/api/oauth/usage", method="GET", headers=H2C)
    assert raw.rest()[0] == b""
