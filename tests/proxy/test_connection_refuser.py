"""Connections that there is no room for: each gets a response, and none blocks another."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.errors import OverloadedError
from teamclaude.proxy import connection_refuser as module
from teamclaude.proxy.connection_refuser import ConnectionRefuser

Pair = Callable[[], tuple[socket.socket, socket.socket]]
FULL = OverloadedError("no place", 2)
REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"


@pytest.fixture
def refuser() -> Iterator[ConnectionRefuser]:
    made = ConnectionRefuser()
    made.start()
    yield made
    made.close()


def received(sock: Any) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def is_refusal(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no place"}}
    return (
        head.startswith(b"HTTP/1.1 503 ")
        and b"\r\nRetry-After: 2" in head
        and b"\r\nConnection: close" in head
        and json.loads(body) == error
    )


def test_a_request_is_answered_and_the_connection_closed(tcp_pair: Pair, refuser: ConnectionRefuser) -> None:
    near, far = tcp_pair()
    over = threading.Event()
    refuser.refuse(far, FULL, over.set)
    near.sendall(REQUEST)
    assert is_refusal(received(near))
    near.close()
    assert over.wait(30)
    assert far.fileno() < 0


def test_a_client_that_goes_on_sending_reads_the_whole_answer(
    tcp_pair: Pair, refuser: ConnectionRefuser
) -> None:
    near, far = tcp_pair()
    near.sendall(REQUEST + b"x" * 100_000)
    refuser.refuse(far, FULL)
    near.sendall(b"x" * 3_000_000)
    assert is_refusal(received(near))


def test_one_that_says_nothing_is_answered_in_the_end(
    tcp_pair: Pair, refuser: ConnectionRefuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_WAIT_SEC", 0.0)
    near, far = tcp_pair()
    refuser.refuse(far, FULL)
    assert is_refusal(received(near))


def test_silent_clients_block_no_others(tcp_pair: Pair, refuser: ConnectionRefuser) -> None:
    for _ in range(5):
        refuser.refuse(tcp_pair()[1], FULL)
    near, far = tcp_pair()
    refuser.refuse(far, FULL)
    near.sendall(REQUEST)
    assert is_refusal(received(near))


def test_beyond_their_number_the_oldest_is_answered_and_closed_at_once(
    tcp_pair: Pair, refuser: ConnectionRefuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    pairs = [tcp_pair() for _ in range(4)]
    for _, far in pairs:
        refuser.refuse(far, FULL)
    assert is_refusal(received(pairs[0][0]))
    assert pairs[0][1].fileno() < 0
    assert all(far.fileno() >= 0 for _, far in pairs[1:])


def test_one_that_stays_is_closed_after_its_time(
    tcp_pair: Pair, refuser: ConnectionRefuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_AFTER_SEC", 0.05)
    over = threading.Event()
    refuser.refuse(tcp_pair()[1], FULL, over.set)
    assert over.wait(30)


def test_a_disconnected_client_is_closed(tcp_pair: Pair, refuser: ConnectionRefuser) -> None:
    near, far = tcp_pair()
    near.close()
    over = threading.Event()
    refuser.refuse(far, FULL, over.set)
    assert over.wait(30)


def test_at_the_end_all_are_closed(tcp_pair: Pair) -> None:
    refuser = ConnectionRefuser()
    refuser.start()
    over = [threading.Event() for _ in range(2)]
    near, far = tcp_pair()
    refuser.refuse(far, FULL, over[0].set)
    refuser.close()
    assert over[0].wait(30)
    assert is_refusal(received(near))
    refuser.refuse(tcp_pair()[1], FULL, over[1].set)
    assert over[1].wait(30)


def test_tls_clients_are_answered_in_tls(tcp_pair: Pair, pem: Any) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem.cert, pem.key)
    refuser = ConnectionRefuser(server)
    refuser.start()
    near, far = tcp_pair()
    refuser.refuse(tcp_pair()[1], FULL)  # never shakes hands
    refuser.refuse(far, FULL)
    client = ssl.create_default_context(cafile=pem.cert).wrap_socket(near, server_hostname="localhost")
    client.sendall(REQUEST)
    answer = b""
    while b'"no place"' not in answer:
        answer += client.recv(65536)
    assert is_refusal(answer)
    client.close()
    refuser.close()
