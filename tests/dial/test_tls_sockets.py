"""TLS sockets are told from plain ones, whether OpenSSL is loaded or not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

from teamclaude.dial.tls_sockets import is_tls, tls_wants_read, tls_wants_write, would_block

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import socket, sys
from teamclaude.dial.tls_sockets import is_tls, tls_wants_read, tls_wants_write, would_block
with socket.socket() as sock:
    print(is_tls(sock), tls_wants_read(), tls_wants_write(), *(each.__name__ for each in would_block()))
print("ssl" in sys.modules)
"""


def test_a_tls_socket_is_told_from_a_plain_one() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not is_tls(ours)
        context = ssl.create_default_context()
        with context.wrap_socket(ours, server_hostname="a.test", do_handshake_on_connect=False) as secured:
            assert is_tls(secured)


def test_what_tls_raises_instead_of_waiting_is_known_once_it_is_loaded() -> None:
    assert tls_wants_read() == (ssl.SSLWantReadError,)
    assert tls_wants_write() == (ssl.SSLWantWriteError,)
    assert set(would_block()) == {
        BlockingIOError,
        InterruptedError,
        ssl.SSLWantReadError,
        ssl.SSLWantWriteError,
    }


def test_before_no_socket_speaks_tls_and_asking_loads_nothing() -> None:
    command = [sys.executable, "-S", "-c", WITHOUT]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert told.splitlines() == ["False () () BlockingIOError InterruptedError", "False"]
