"""A server with a key for each role, one that answers by script, and certificates that openssl makes."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.server import ProxyServer
from tests.cli.support import ALICE, BOB, KEY
from tests.history.conftest import fill
from tests.history.reports.support import facts

KEYS = {role: f"tc-FAKE-{role}-key" for role in ("client", "observer", "operator")}


class ScriptedServer:
    """Sends `pieces` after each request, and remembers what it was sent; a piece is bytes or a pause."""

    def __init__(self, *pieces: bytes, tls: Optional[ssl.SSLContext] = None, hold: bool = False) -> None:
        self._pieces, self._tls, self._hold = pieces, tls, hold
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked = b""
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.settimeout(30)
            asked = b""
            while b"\r\n\r\n" not in asked:
                data = sock.recv(65536)
                if not data:
                    return
                asked += data
                self.asked += data
            for piece in self._pieces:
                sock.sendall(piece)
            if self._hold:
                self.closed.wait(20)
        except OSError:
            pass
        finally:
            sock.close()

    def close(self) -> None:
        self.closed.set()
        self._listener.close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    started: list[ScriptedServer] = []

    def start(*pieces: bytes, tls: Optional[ssl.SSLContext] = None, hold: bool = False) -> ScriptedServer:
        started.append(ScriptedServer(*pieces, tls=tls, hold=hold))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def signed_certificate(
    make_certificate: Callable[..., tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A certificate that another one has signed, and its key."""
    authority, place = make_certificate("DNS:authority"), tmp_path_factory.mktemp("signed")
    cert, key, asked, names = (place / name for name in ("cert.pem", "key.pem", "asked.pem", "names"))
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    commands = (
        f"req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=a -keyout {key} -out {asked}",
        f"x509 -req -in {asked} -CA {authority[0]} -CAkey {authority[1]} -set_serial 7 -days 9 "
        f"-extfile {names} -out {cert}",
    )
    for command in commands:
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    return cert, key


def server_side(pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pair[0]), str(pair[1]))
    return context


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProxyServer]:
    """A server that is not this user's: another config file, a key from everybody, an address of its own."""
    path = tmp_path / "theirs.json"
    clients = [{"name": role, "key": key, "role": role} for role, key in KEYS.items()]
    proxy = {"port": 0, "host": "127.0.0.1", "apiKey": KEY, "trustLoopback": False, "clients": clients}
    path.write_text(json.dumps({"proxy": proxy, "accounts": [ALICE, BOB]}))
    path.chmod(0o600)
    fill(path.with_name("theirs.history.db"), [facts(time.time() - 60)])
    service = ProxyServer(ConfigFile(path, print))
    service.start()
    yield service
    service.stop(0)
