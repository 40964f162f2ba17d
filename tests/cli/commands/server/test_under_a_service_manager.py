"""`teamclaude server` as a service: what the manager hears, and a server that waits for its first account."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.commands.server.running import ROOT, Server
from tests.cli.support import ALICE, KEY, Ended, free_port
from tests.proxy.lifecycle.manager import Manager
from tests.waiting import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="servers are ended with signals"),
]
MESSAGE = {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify.sock"))
    yield made
    made.close()


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"x-teamclaude-key": KEY})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_manager_hears_of_the_start_a_reload_and_the_end(
    config: Callable[..., Path], servers: list[Server], manager: Manager
) -> None:
    port = free_port()
    config(ALICE, port=port)
    server = Server(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="60000000")
    servers.append(server)
    assert manager.wait_for("READY=1").endswith(
        f"http://127.0.0.1:{port}: 1 of 1 accounts serve, capacity yellow"
    )
    assert ask(port, "GET", "/health")[0] == 200
    manager.wait_for("WATCHDOG=1")

    server.process.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")

    assert server.end() == 0
    assert "EXTEND_TIMEOUT_USEC=" in manager.wait_for("STOPPING=1")


def test_without_an_account_the_server_ends_unless_it_is_told_to_wait(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config(port=free_port())
    ended = cli("server")
    assert ended.status == 1
    assert "teamclaude login" in ended.err


def test_a_server_waits_for_its_first_account_and_says_so_meanwhile(
    config: Callable[..., Path], servers: list[Server], manager: Manager
) -> None:
    port = free_port()
    config(port=port)
    server = Server("--wait-for-account", NOTIFY_SOCKET=manager.address)
    servers.append(server)
    assert "no account yet (teamclaude login)" in manager.wait_for("READY=1")
    assert server.banner()[1].startswith("no account yet: waiting for one (teamclaude login")

    status, body = ask(port, "POST", "/v1/messages", MESSAGE)
    assert status == 502
    assert "teamclaude login" in json.loads(body)["error"]["message"]
    assert json.loads(ask(port, "GET", "/capacity")[1])["verdict"] == "red"
    status, body = ask(port, "GET", "/health/ready")
    assert status == 503
    assert "teamclaude login" in body

    config(ALICE, port=port)
    assert manager.wait_for("STATUS=").endswith("1 of 1 accounts serve, capacity yellow")
    assert "added alice@example.com" in server.err()
    until(lambda: ask(port, "GET", "/health/ready")[0] == 200)  # remembered for half a second
    assert server.end() == 0


PASS_ON = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "teamclaude", "server"])
"""


def server_with(listening: socket.socket) -> subprocess.Popen[str]:
    """Start a server as a service manager does: the socket is descriptor 3, for this process alone."""
    descriptor = listening.fileno()
    return subprocess.Popen(
        [sys.executable, "-c", PASS_ON, str(descriptor)],
        cwd=ROOT,
        pass_fds=[descriptor],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_socket_that_the_manager_listens_on_outlives_the_server(config: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config(ALICE, port=port, host="127.0.0.1")
        with ThreadPoolExecutor() as pool:
            # Asked before there is a server: the connection waits.
            early = pool.submit(ask, port, "GET", "/health")
            first = second = server_with(listening)
            try:
                assert early.result(30)[0] == 200
                first.send_signal(signal.SIGTERM)
                first.communicate(timeout=20)
                late = pool.submit(ask, port, "GET", "/health")
                second = server_with(listening)
                assert late.result(30)[0] == 200
                second.send_signal(signal.SIGTERM)
                assert "listens on" not in second.communicate(timeout=20)[1]
            finally:
                for server in (first, second):
                    server.kill()
                    server.communicate()


def test_a_socket_for_another_port_than_the_configured_one_is_told(config: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config(ALICE, port=1, host="127.0.0.1")
        server = server_with(listening)
        try:
            assert ask(port, "GET", "/health")[0] == 200
            server.send_signal(signal.SIGTERM)
            told = server.communicate(timeout=20)[1]
        finally:
            server.kill()
            server.communicate()
    assert f"the service manager listens on {port}, not on 1: teamclaude service install" in told
