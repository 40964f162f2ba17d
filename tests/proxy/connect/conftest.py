"""A client that uses the proxy as its HTTPS proxy: it asks with CONNECT and speaks TLS inside."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

import pytest

from tests.proxy.conftest import KEY, Raw, RawAnswer, message
from tests.proxy.connect.made_once import made_once as made_once

API = "api.anthropic.com"
OWN_TOKEN = "sk-ant-oat01-FAKE-the-clients-own"
OWN_LOGIN = (("Authorization", f"Bearer {OWN_TOKEN}"),)
OUR_KEY = (("Authorization", f"Bearer {KEY}"),)
HELLO = json.dumps(message("hello", stream=False)).encode()
Build = Callable[..., Any]


def basic(user: str, password: str = "") -> tuple[str, str]:
    """The field that clients make of http://USER:PASSWORD@host."""
    return "Proxy-Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


WITH_KEY = (basic("teamclaude", KEY),)


class TunnelClient(Raw):
    """One connection to the proxy; after `opened` everything goes through TLS."""

    def connect(
        self,
        target: str = f"{API}:443",
        fields: Sequence[tuple[str, str]] = WITH_KEY,
        version: str = "HTTP/1.1",
        behind: bytes = b"",
    ) -> RawAnswer:
        """Ask for a tunnel; return the response."""
        lines = [f"CONNECT {target} {version}", f"Host: {target}", *(f"{k}: {v}" for k, v in fields), "", ""]
        self.send("\r\n".join(lines).encode() + behind)
        return self.answer(connect=True)

    def answer(self, head_only: bool = False, connect: bool = False) -> RawAnswer:
        head = self._until(b"\r\n\r\n")
        self._buffer = head + self._buffer
        return super().answer(head_only or (connect and b" 200 " in head[:14]))

    def take_rest(self) -> bytes:
        """Return what has been read beyond the last response."""
        return self._take(len(self._buffer))

    def start_tls(
        self, ca_file: str, host: str = API, session: Optional[ssl.SSLSession] = None
    ) -> TunnelClient:
        context = ssl.create_default_context(cafile=ca_file)
        context.set_alpn_protocols(["http/1.1"])
        self.sock = context.wrap_socket(self.sock, server_hostname=host, session=session)
        return self

    def ask(
        self,
        target: str,
        body: Optional[bytes] = None,
        fields: Sequence[tuple[str, str]] = (),
        method: str = "",
        host: str = API,
    ) -> RawAnswer:
        """Send one request inside the tunnel; return its response."""
        method = method or ("GET" if body is None else "POST")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in fields)]
        lines += [] if body is None else [f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return self.answer(method == "HEAD")


@pytest.fixture
def tunnels() -> Iterator[Callable[[Any], TunnelClient]]:
    """Make clients of a stage; all are closed afterwards."""
    made: list[TunnelClient] = []

    def make(s: Any) -> TunnelClient:
        made.append(TunnelClient(s.service.port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def forward(stage: Build, made_once: None) -> Build:
    """Build a stage with the forward proxy: `forward("a", proxy={...})`."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")

    def build(*names: str, proxy: Optional[dict[str, Any]] = None, **config: Any) -> Any:
        settings = {"forward": True, "trustLoopback": False, **(proxy or {})}
        return stage(*names, proxy=settings, **config)

    return build


@pytest.fixture
def opened(forward: Build, tunnels: Callable[[Any], TunnelClient]) -> Callable[..., TunnelClient]:
    """Return a client inside the tunnel to the API: `opened(stage)`."""

    def open_tunnel(s: Any, **asked: Any) -> TunnelClient:
        client = tunnels(s)
        assert client.connect(**asked).status == 200
        return client.start_tls(ca_of(s))

    return open_tunnel


def ca_of(s: Any) -> str:
    """The file with the certificates that a client of this stage must trust."""
    return str(s.path.with_suffix(".tls") / "ca.pem")


@pytest.fixture
def echo() -> Iterator[tuple[str, list[bytes], list[socket.socket]]]:
    """An upstream that reads one head and leaves its socket to the test: (url, heads, sockets)."""
    listener = socket.create_server(("127.0.0.1", 0))
    heads: list[bytes] = []
    socks: list[socket.socket] = []

    def serve() -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.settimeout(30)
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        heads.append(head)
        socks.append(sock)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads, socks
    listener.close()
    for sock in socks:
        sock.close()
