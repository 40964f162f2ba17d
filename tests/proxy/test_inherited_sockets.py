"""A server that goes on with sockets which listen already, and the pause in which nobody accepts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.server import ProxyServer
from tests.proxy.conftest import Raw

Build = Callable[..., Any]


def started(home: Path, *inherited: socket.socket, **proxy: Any) -> ProxyServer:
    path = home / "teamclaude.json"
    path.write_text(json.dumps({"proxy": proxy, "accounts": []}))
    path.chmod(0o600)
    service = ProxyServer(ConfigFile(path, lambda line: None), inherited=inherited)
    service.start()
    return service


def health(port: int) -> int:
    return Raw(port).send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status


def test_a_socket_that_listens_already_is_served_with_what_waits_in_it(tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    port = given.getsockname()[1]
    early = Raw(port).send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    service = started(tmp_path, given, host="127.0.0.1", port=port)
    try:
        assert early.answer().status == 200
        assert service.port == port
    finally:
        service.stop(0)


def test_the_other_address_of_localhost_is_opened_beside_the_given_one(tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    port = given.getsockname()[1]
    service = started(tmp_path, given, host="localhost", port=port)
    try:
        assert service.urls[0] == f"http://127.0.0.1:{port}"
        assert set(service.urls[1:]) <= {f"http://[::1]:{port}"}
        assert health(port) == 200
    finally:
        service.stop(0)


def test_a_socket_elsewhere_than_configured_is_the_only_one(tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    service = started(tmp_path, given, host="localhost", port=1)
    try:
        assert service.urls == [f"http://127.0.0.1:{given.getsockname()[1]}"]
        assert health(service.port) == 200
    finally:
        service.stop(0)


def test_what_connects_in_a_pause_is_served_after_it(stage: Build) -> None:
    s = stage("a")
    (listener,) = s.service._listeners
    for _ in range(20):
        listener.pause()
        waiting = s.raw().request("/health", method="GET")
        assert not [each for each in threading.enumerate() if each.name == "accept"]
        listener.start()
        assert waiting.answer().status == 200


def test_a_stop_leaves_the_socket_to_the_other_who_listens_on_it(tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    port = given.getsockname()[1]
    first = started(tmp_path, given.dup(), host="127.0.0.1", port=port)
    first.stop(0)
    waiting = Raw(port).send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    second = started(tmp_path, given, host="127.0.0.1", port=port)
    try:
        assert waiting.answer().status == 200
    finally:
        second.stop(0)
