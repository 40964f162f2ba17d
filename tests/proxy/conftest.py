"""The real proxy with the fake API: accounts, a server on a free port, and a client for it."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.api import FakeApi, LoggedExchange
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.proxy.http.path_kinds import PathKind, classify_path
from teamclaude.proxy.records.exchange import Exchange as Ended
from teamclaude.proxy.records.journal import activity_of
from teamclaude.proxy.server import ProxyServer
from teamclaude.typed_json import to_json
from tests.proxy.empty_history import put_empty_history

KEY = "tc-test-key-000000000000000000000000"
TOKEN = "sk-ant-oat01-FAKE-{}"
PATIENCE_SEC = 30.0


class Reply:
    """A response read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def account(self) -> Optional[str]:
        return self.headers["x-teamclaude-account"]

    @property
    def message(self) -> str:
        return str(self.json()["error"]["message"])


class RawAnswer(NamedTuple):
    """One response as it came; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def error(self) -> tuple[int, str]:
        """Status and error type."""
        return self.status, json.loads(self.body)["error"]["type"]


class Raw:
    """A client that writes any bytes and reads every byte."""

    def __init__(self, port: int, secure: Optional[ssl.SSLContext] = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SEC)
        if secure is not None:
            self.sock = secure.wrap_socket(self.sock, server_hostname="localhost", suppress_ragged_eofs=False)
        self._buffer = b""

    def send(self, data: bytes) -> Raw:
        self.sock.sendall(data)
        return self

    def request(
        self,
        target: str = "/v1/messages",
        body: Optional[bytes] = None,
        headers: Sequence[tuple[str, str]] = (),
        method: str = "POST",
        version: str = "HTTP/1.1",
    ) -> Raw:
        """A proper request with our key; `body` gets its content-length."""
        lines = [f"{method} {target} {version}", "Host: localhost", f"x-teamclaude-key: {KEY}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [] if body is None else [f"Content-Length: {len(body)}"]
        return self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def answer(self, head_only: bool = False) -> RawAnswer:
        """Read the next response: by length or chunks, without a body for 1xx, 204, 304, else to the end."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        start, *fields = head.rstrip("\r\n").split("\r\n")
        pairs = (field.split(": ", 1) for field in fields)
        headers = {name.lower(): value for name, value in pairs}
        status = int(start.split(" ")[1])
        if head_only or status < 200 or status in (204, 304):
            body = b""
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rest()[0]
        return RawAnswer(status, headers, body)

    def rest(self) -> tuple[bytes, str]:
        """Return all that still comes, and how the connection ended: fin or rst, or cut where TLS says so."""
        try:
            while self._fill():
                pass
        except ssl.SSLError:
            return self._take(len(self._buffer)), "cut"
        except ConnectionResetError:
            return self._take(len(self._buffer)), "rst"
        return self._take(len(self._buffer)), "fin"

    def reset(self) -> None:
        """Disconnect with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()

    def _chunk(self) -> bytes:
        size = int(self._until(b"\r\n"), 16)
        return self._take(size + 2)[:-2]

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            assert self._fill(), f"the connection ended after {self._buffer[:200]!r}"
        return self._take(self._buffer.index(mark) + len(mark))

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            assert self._fill(), f"the connection ended {count - len(self._buffer)} bytes too early"
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)


class Stage:
    """A proxy with named accounts and a fake API; `ask` sends one request through it."""

    def __init__(
        self, tmp_path: Path, names: tuple[str, ...], clock: Callable[[], float], **config: Any
    ) -> None:
        self.api = FakeApi([FakeAccount(name, TOKEN.format(name)) for name in names], clock=clock).start()
        self.path = tmp_path / "teamclaude.json"
        self.records: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.secure: Optional[ssl.SSLContext] = None  # of `raw` connections
        self._clock = clock
        self._recorded = threading.Condition()
        self._raws: list[Raw] = []
        document = {
            "proxy": {"host": "127.0.0.1", "port": 0, "apiKey": KEY},
            "upstream": self.api.url,
            "backoffJitter": False,
            "history": False,  # a quarter of the time of a stage
            "accounts": [account_json(name) for name in names],
        }
        for key, value in config.items():
            if key == "proxy":
                document["proxy"].update(value)  # type: ignore[attr-defined]
            else:
                document[key] = value
        self.write(document)
        if document["history"]:
            put_empty_history(self.path)
        self.service = self._started()

    def _started(self) -> ProxyServer:
        service = ProxyServer(
            ConfigFile(self.path, self.warnings.append),
            clock=self._clock,
            on_end=self._record,
            warn=self.warnings.append,
        )
        service.start()
        return service

    def _record(self, exchange: Ended) -> None:
        with self._recorded:
            self.records.append(to_json(activity_of(exchange)))
            self._recorded.notify_all()

    def wait_for_record(self, request: str) -> dict[str, Any]:
        """Return the record of a request; it is written just after the last byte of the response."""

        def found() -> Optional[dict[str, Any]]:
            return next((r for r in self.records if r["id"] == request), None)

        with self._recorded:
            record = self._recorded.wait_for(found, PATIENCE_SEC)
        assert record, f"{request} was never recorded"
        return record

    def outcomes(self, count: int) -> list[str]:
        """Return the outcomes of the requests so far, once there are at least `count`."""
        with self._recorded:
            self._recorded.wait_for(lambda: len(self.records) >= count, PATIENCE_SEC)
        return [record["outcome"] for record in self.records]

    def until(self, true: Callable[[], object]) -> None:
        """Wait until another thread has made it true."""
        deadline = time.monotonic() + PATIENCE_SEC
        while not true():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.002)

    def seen(self, count: int = 1) -> tuple[LoggedExchange, ...]:
        """Return what the API saw, once it has ended `count` requests: just after their responses."""
        assert self.api.wait_until(lambda api: len(api.log) >= count), f"the API saw only {self.api.log}"
        return self.api.log

    def write(self, document: dict[str, Any]) -> None:
        """Replace the config file atomically."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.chmod(0o600)
        new.replace(self.path)

    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text()))

    def restart(self) -> None:
        self.service.stop(0)
        self.service = self._started()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=PATIENCE_SEC)

    def raw(self) -> Raw:
        """Return a connection for any bytes; it is closed with the stage."""
        self._raws.append(Raw(self.service.port, self.secure))
        return self._raws[-1]

    def send(
        self, method: str, path: str, body: Any = None, headers: Optional[dict[str, str]] = None
    ) -> Reply:
        connection = self.connect()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {"x-teamclaude-key": KEY, **(headers or {})})
            reply = Reply(connection.getresponse())
            number = reply.headers.get("x-teamclaude-request") or reply.headers.get("request-id") or ""
            # Also of the proxy's own responses: their record may come after that of the next request.
            if number.startswith("tc-") and classify_path(method, path).kind is not PathKind.OWN:
                self.wait_for_record(number)
            return reply
        finally:
            connection.close()

    def ask(
        self,
        text: str = "hello",
        session: Optional[str] = "s1",
        headers: Optional[dict[str, str]] = None,
        **body: Any,
    ) -> Reply:
        """One inference request, streaming unless `stream=False`."""
        extra = {"x-claude-code-session-id": session} if session else {}
        return self.send(
            "POST", "/v1/messages?beta=true", message(text, **body), {**extra, **(headers or {})}
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.send("GET", "/teamclaude/status").json()
        return found

    def account(self, name: str) -> dict[str, Any]:
        return next(a for a in self.status()["accounts"] if a["name"] == name)

    def close(self) -> None:
        for raw in self._raws:
            raw.close()
        self.service.stop(0)
        self.api.stop()


def account_json(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "oauth",
        "accessToken": TOKEN.format(name),
        "expiresAt": 4102444800000,
        **fields,
    }


def message(text: str = "hello", **changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1000,
        "stream": True,
        **changes,
    }


class Clock:
    """Epoch seconds that stand still until moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Pem(NamedTuple):
    """A self-signed certificate for localhost and 127.0.0.1, and its key."""

    cert: str
    key: str


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Pem:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    home = tmp_path_factory.mktemp("pem")
    made = Pem(str(home / "cert.pem"), str(home / "key.pem"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:api.example,IP:127.0.0.1"]
    command = [openssl, "req", "-x509", *curve, *names, "-keyout", made.key, "-out", made.cert]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture
def tcp_pair() -> Iterator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Make the two ends of a connection: the one that connected, the one that accepted."""
    made: list[socket.socket] = []

    def make() -> tuple[socket.socket, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            near = socket.create_connection(server.getsockname(), timeout=30)
            far, _ = server.accept()
        far.settimeout(30)
        made.extend((near, far))
        return near, far

    yield make
    for sock in made:
        sock.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stage(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    """Build a Stage: `stage("a", "b", drainSec=1)`; all are closed afterwards."""
    monkeypatch.setattr("teamclaude.proxy.net.transport.RETRY_PAUSE_SEC", 0.05)
    monkeypatch.setattr("teamclaude.proxy.forwarding.retry.FIRST_BACKOFF_SEC", 0.05)
    monkeypatch.setattr("teamclaude.proxy.forwarding.retry.HOP_PAUSES_SEC", (0.0, 0.01, 0.02))
    built: list[Stage] = []

    def build(*names: str, **config: Any) -> Stage:
        home = tmp_path / f"stage{len(built)}"
        home.mkdir()
        built.append(Stage(home, names or ("a", "b"), clock, **config))
        return built[-1]

    yield build
    for each in built:
        each.close()


@pytest.fixture
def wait_for_polls(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Poll the config file all the time; `wait_for_polls(stage)` returns after some more polls."""
    polls: list[object] = []
    stamp = ConfigFile.stamp

    def counted(self: ConfigFile) -> object:
        polls.append(self)
        return stamp(self)

    def wait(s: Any) -> None:
        wanted = len(polls) + 4
        s.until(lambda: len(polls) >= wanted)

    monkeypatch.setattr("teamclaude.proxy.server.CONFIG_POLL_SEC", 0.01)
    monkeypatch.setattr(ConfigFile, "stamp", counted)
    return wait
