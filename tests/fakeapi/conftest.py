"""Fixtures: a fake API with two accounts and a key, and clients for it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount

OAUTH = [
    ("Authorization", "Bearer sk-ant-oat01-FAKE-a"),
    ("anthropic-beta", "claude-code-20250219,oauth-2025-04-20"),
]


def body_of(text: str = "hello", **changes: Any) -> dict[str, Any]:
    document = {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1000,
        "stream": True,
    }
    document.update(changes)
    return document


class Seen(NamedTuple):
    """Every byte of an answer, and how the connection ended: open, fin, rst or silent."""

    raw: bytes
    end: str

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def events(self) -> int:
        return self.raw.count(b"event: ")


class RawClient:
    """One connection that reads until the body's end marker, the connection's end, or silence."""

    def __init__(self, port: int, patience: float = 2.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=patience)

    def send(
        self,
        document: Any = None,
        *,
        method: str = "POST",
        target: str = "/v1/messages",
        headers: list[tuple[str, str]] = OAUTH,
        raw: bytes | None = None,
    ) -> None:
        body = raw if raw is not None else json.dumps(body_of() if document is None else document).encode()
        lines = [f"{method} {target} HTTP/1.1", "Host: x", *(f"{n}: {v}" for n, v in headers)]
        lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def see(self, until: bytes = b"\r\n0\r\n\r\n", patience: float | None = None) -> Seen:
        got = b""
        if patience is not None:
            self.sock.settimeout(patience)
        while not (until and until in got):
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                return Seen(got, "silent")
            except ConnectionResetError:
                return Seen(got, "rst")
            if not data:
                return Seen(got, "fin")
            got += data
            if _whole(got):
                break
        return Seen(got, "open")

    def close(self) -> None:
        self.sock.close()


def _whole(got: bytes) -> bool:
    """Return whether a body with content-length has arrived."""
    head, found, body = got.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(found) and len(body) >= int(line.partition(b":")[2])
    return False


@pytest.fixture
def api() -> Iterator[FakeApi]:
    accounts = [
        FakeAccount("a", "sk-ant-oat01-FAKE-a"),
        FakeAccount("b", "sk-ant-oat01-FAKE-b"),
        FakeAccount("key", "sk-ant-api03-FAKE", kind="apikey"),
    ]
    with FakeApi(accounts) as running:
        yield running


@pytest.fixture
def raw(api: FakeApi) -> Iterator[Any]:
    """`raw()` opens a RawClient; `raw(document, …)` also sends and returns what it sees."""
    clients: list[RawClient] = []

    def opened(patience: float = 2.0) -> RawClient:
        clients.append(RawClient(api.port, patience))
        return clients[-1]

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def ask(api: FakeApi) -> Any:
    """A proper HTTP client: `ask(document, …)` -> (status, headers, body)."""

    def request(
        document: Any = None,
        *,
        method: str = "POST",
        target: str = "/v1/messages",
        token: str = "sk-ant-oat01-FAKE-a",
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
        sent = {"Authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20"}
        sent.update(headers or {})
        body = data if data is not None else json.dumps(document or body_of()).encode()
        try:
            connection.request(method, target, None if method in ("GET", "HEAD") else body, sent)
            answer = connection.getresponse()
            rows = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, rows, answer.read()
        finally:
            connection.close()

    return request


@pytest.fixture
def document() -> Any:
    """`document(text, **changes)` is a request body."""
    return body_of
