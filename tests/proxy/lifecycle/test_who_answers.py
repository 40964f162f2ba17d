"""Who answers at an address: asked without a key, and not at all where it is another user's program."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from teamclaude.proxy.lifecycle import who_answers as module
from teamclaude.proxy.lifecycle.who_answers import Answerer, Presence, who_answers
from tests.cli.support import Stub, free_port


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    yield stub
    stub.stop()


def test_nobody() -> None:
    assert who_answers("127.0.0.1", free_port()) == Answerer(Presence.NOBODY)


def test_ours(stub: Stub) -> None:
    found = who_answers("127.0.0.1", stub.port)
    assert found == Answerer(Presence.TEAMCLAUDE, "0.1.0")
    assert str(found) == "another TeamClaude (0.1.0)"
    assert (len(stub.checks), stub.paths) == (1, [])


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"service": "x"}', b"[" * 4000, b"x" * 100_000])
def test_another_program(stub: Stub, answer: bytes) -> None:
    stub.answers["GET /health"] = (200, answer)
    found = who_answers("127.0.0.1", stub.port)
    assert found == Answerer(Presence.OTHER)
    assert str(found) == "another program"


def test_the_version_of_a_hostile_one_is_short(stub: Stub) -> None:
    stub.answers["GET /health"] = (200, {"service": "teamclaude", "version": "9" * 3000})
    assert len(who_answers("127.0.0.1", stub.port).version) == 40


def serve_bytes(listener: socket.socket, data: bytes) -> None:
    sock, _ = listener.accept()
    with sock:
        sock.sendall(data)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9\r\n", b"\0" * 50, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_one_that_speaks_something_else(data: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_bytes, args=(listener, data))
        thread.start()
        assert who_answers("127.0.0.1", listener.getsockname()[1]).kind is Presence.OTHER
        thread.join()


def test_one_that_gives_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = who_answers("127.0.0.1", listener.getsockname()[1], timeout=0.05)
    assert found.kind is Presence.SILENT


def test_another_users_program_is_not_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(module, "listener_uid", lambda address: 1001)
    found = who_answers("127.0.0.1", stub.port)
    assert found == Answerer(Presence.OTHER, uid=1001)
    assert str(found) == "another program of another user (uid 1001)"
    assert stub.asked == []


@pytest.mark.parametrize("uid", [None, 0, 1000])
def test_our_own_and_roots_are_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch, uid: int | None) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(module, "listener_uid", lambda address: uid)
    assert who_answers("127.0.0.1", stub.port).kind is Presence.TEAMCLAUDE


def test_what_cannot_be_reached() -> None:
    assert who_answers("no such name.invalid", 1).kind is Presence.UNREACHABLE
