"""A restart under connections of other kinds: TLS, tunnels, a token that is being renewed."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.fakeapi.authserver import TOKEN_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser
from tests.proxy.restart.running_server import KEY, RunningServer, in_thread

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="descriptors are not passed on there"),
]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")]) as api:
        yield api


@pytest.fixture
def server(api: FakeApi, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    made = RunningServer(tmp_path, api, "a")
    yield made
    made.kill()


def test_clients_with_tls(server: RunningServer, pem: Any) -> None:
    server.tls = ssl.create_default_context(cafile=pem.cert)
    server.document["proxy"]["tls"] = {"cert": pem.cert, "key": pem.key}
    server.start()
    kept = server.client()
    assert kept.ask("s").status == 200
    assert server.restart().status == 200
    last = kept.ask("s")
    assert (last.status, last.closes) == (200, True)
    assert (kept.ask("s").status, server.stop()) == (200, 0)


def test_a_tunnel_goes_on_in_the_old_process(server: RunningServer) -> None:
    server.document["proxy"]["forward"] = True
    server.start()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(("127.0.0.1", server.port), 10)
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        client.sendall(
            f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\nx-teamclaude-key: {KEY}\r\n\r\n".encode()
        )
        other, _ = listening.accept()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with client, other:
            assert server.restart().status == 200
            for end, far in ((client, other), (other, client)):
                end.sendall(b"still there")
                assert far.recv(100) == b"still there"
            server.until(lambda: server.status()["system"]["predecessors"])  # told after the handover
            (before,) = server.status()["system"]["predecessors"]
            assert before["pid"] == server.process.pid
    server.until(lambda: server.status()["system"]["predecessors"] == [])


def test_a_token_that_is_renewed_meanwhile_is_spent_once(tmp_path: Path) -> None:
    api = FakeApi([]).start()
    auth = AuthServer([], api=api, access_life=600)
    auth.start()
    entry = {**auth.log_in(FakeUser("anna")), "expiresAt": int(time.time() - 60) * 1000}
    server = RunningServer(tmp_path, api, "", oauth=auth.oauth, accounts=[entry])
    try:
        auth.script.once(Fault.slow(before_head=1.0), path=TOKEN_PATH)
        server.start()
        asked = [in_thread(partial(server.client().ask, f"s{n}")) for n in range(4)]
        server.until(lambda: len(auth.calls) == 1)
        assert server.restart().status == 200
        assert [reply().status for reply in asked] == [200] * 4
        assert server.client().ask("t").status == 200
        assert server.status()["accounts"][0]["status"] == "active"
        assert auth.granted == 1
    finally:
        server.kill()
        auth.stop()
        api.stop()
