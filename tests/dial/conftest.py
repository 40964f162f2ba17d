"""A server with a certificate, names that need no DNS, and proxies that are closed afterwards."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional, TypeVar

import pytest

from teamclaude.dial.connector import Connector
from teamclaude.dial.proxies import parse_proxy
from teamclaude.dial.race import Families
from tests.dial.scripted_proxies import HttpProxy, ScriptedProxy, SocksProxy
from tests.proxy.conftest import Pem, pem

__all__ = ["Pem", "pem"]

P = TypeVar("P", bound=ScriptedProxy)


class EchoServer:
    """Say hello, then send back what comes; with `tls` inside of TLS."""

    def __init__(self, tls: Optional[ssl.SSLContext] = None, family: int = socket.AF_INET) -> None:
        self._tls = tls
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self._server = socket.create_server((host, 0), family=family)
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        self._socks: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self.connections += 1
                self._socks.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            sock.sendall(b"hello")
            while data := sock.recv(65536):
                sock.sendall(data)
            sock.close()

    def close(self) -> None:
        for sock in [self._server, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@pytest.fixture
def server_tls(pem: Pem) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.cert, pem.key)
    return context


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with contextlib.closing(EchoServer()) as made:
        yield made


@pytest.fixture
def tls_server(server_tls: ssl.SSLContext) -> Iterator[EchoServer]:
    with contextlib.closing(EchoServer(server_tls)) as made:
        yield made


@pytest.fixture
def start() -> Iterator[Callable[[P], P]]:
    """Close what is passed in after the test."""
    with contextlib.ExitStack() as opened:

        def until_the_end(proxy: P) -> P:
            opened.callback(proxy.close)
            return proxy

        yield until_the_end


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return the addresses of names, to be filled in."""
    known: dict[str, list[str]] = {}
    look_up = socket.getaddrinfo

    def answer(host: Any, *args: Any, **kwargs: Any) -> Any:
        return [one for name in known.get(host, [host]) for one in look_up(name, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def connector(proxy: str = "", ca_file: Optional[str] = None, timeout: float = 5.0, **env: str) -> Connector:
    """Return a Connector that remembers nothing of other tests."""
    configured = parse_proxy(proxy, "upstreamProxy") if proxy else None
    return Connector(timeout, ca_file, configured, env, Families())


__all__ += ["EchoServer", "HttpProxy", "SocksProxy", "connector"]
