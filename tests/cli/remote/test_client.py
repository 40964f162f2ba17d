"""Servers that are slow, broken, hostile or not ours: one line each, in bounded time and memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli import proxy_client
from teamclaude.cli.http_exchange import HttpExchange
from teamclaude.cli.remote.address import parse_address
from teamclaude.cli.remote.client import RemoteProxyClient
from teamclaude.errors import TeamClaudeError
from tests.cli.remote.conftest import ScriptedServer, server_side
from tests.cli.support import Ended, Stub, free_port

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.fixture(autouse=True)
def _no_files(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAMCLAUDE_KEY", "tc-SECRET")


def said_by(cli: Callable[..., Ended], url: str, *more: str) -> str:
    """Return the one line of `status` for a server; nothing else may come out."""
    ended = cli("status", "--url", url, *more)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("\n") == 1, ended.err
    assert "SECRET" not in ended.err
    assert ended.err.isprintable() or ended.err[:-1].isprintable()
    return ended.err.removeprefix("teamclaude: ") if hasattr(str, "removeprefix") else ended.err[12:]


def test_paths_go_below_the_prefix_of_the_address(cli: Callable[..., Ended], stub: Stub) -> None:
    stub.answers["GET /tc/health"] = stub.answers["GET /health"]
    stub.answers["GET /tc/teamclaude/status"] = (200, {"a": 1})
    ended = cli("status", "--json", "--url", f"http://127.0.0.1:{stub.port}/tc/")
    assert (ended.status, json.loads(ended.out), ended.err) == (0, {"schema": 1, "a": 1}, "")
    assert stub.asked[-1].headers["x-teamclaude-key"] == "tc-SECRET"


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ((b"",), "broke off its answer"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "another program answers"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",), "broke off its answer"),
        ((HEAD + b"\r\n<html>",), "another program answers"),
        ((HEAD + b"\r\n" + b"[" * 100_000,), "another program answers"),
        ((HEAD + b"\r\n\xff\xfe\x00",), "another program answers"),
        ((HEAD + b"".join(b"x-%d: y\r\n" % n for n in range(300)) + b"\r\n{}",), "another program answers"),
        ((b"HTTP/1.1 200 " + b"x" * 100_000,), "another program answers"),
        (
            (b"HTTP/1.1 301 Moved\r\nLocation: https://h/\x9b2J\r\nContent-Length: 0\r\n\r\n",),
            "leads to https",
        ),
        ((b"HTTP/1.1 301 Moved\r\nLocation: https://h/\x1b[2J\r\n\r\n",), "another program answers"),
        ((b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",), "another program answers"),
        ((b'HTTP/1.0 403 No\r\n\r\n{"error":{"message":"not \\u001b[2Jyou"}}',), "not ?[2Jyou"),
        ((b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n[]",), "another program answers"),
    ],
)
def test_what_is_no_answer_of_ours(
    cli: Callable[..., Ended], scripted: Callable[..., ScriptedServer], pieces: tuple[bytes, ...], said: str
) -> None:
    assert said in said_by(cli, f"http://127.0.0.1:{scripted(*pieces).port}")


@pytest.mark.parametrize("value", [[], "x", 3, None, {"accounts": 3}, {"accounts": [[]]}, {"fleet": []}])
def test_json_that_is_no_snapshot(cli: Callable[..., Ended], stub: Stub, value: Any) -> None:
    stub.answers["GET /teamclaude/deck"] = (200, value)
    ended = cli("status", "--url", f"127.0.0.1:{stub.port}")
    assert "internal error" not in ended.err
    assert ended.err.count("\n") <= 1


def client(port: int, timeout_s: float = 0.3) -> RemoteProxyClient:
    return RemoteProxyClient(parse_address(f"127.0.0.1:{port}"), "tc-SECRET", timeout_s)


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200 OK\r\n",),
        (HEAD + b"\r\n{",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",),
    ],
)
def test_a_server_that_stops_answering(
    scripted: Callable[..., ScriptedServer], pieces: tuple[bytes, ...]
) -> None:
    with pytest.raises(TeamClaudeError, match=r"gave no answer in 0\.3 s"):
        client(scripted(*pieces, hold=True).port).get("/")


def test_one_byte_now_and_then_does_not_keep_a_command_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait is short, the whole is not: the clock is ours, and each look at it is 4 seconds later."""
    waits: list[float] = []

    class Socket:
        def settimeout(self, seconds: float) -> None:
            waits.append(seconds)

        def recv(self, size: int) -> bytes:
            return b"x"

    now = iter(range(0, 1000, 4))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    exchange = HttpExchange("127.0.0.1", 1, 9.0, deadline=10.0)
    monkeypatch.setattr(exchange, "_sock", Socket())
    with pytest.raises(OSError, match="timed out"):
        list(iter(exchange.receive, b""))
    assert waits == [10.0, 6.0, 2.0]


def test_an_endless_answer_ends(
    scripted: Callable[..., ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_client, "MAX_JSON_BYTES", 1 << 20)
    server = scripted(HEAD + b"\r\n", *[b" " * 65536] * 200)
    with pytest.raises(TeamClaudeError, match="too long"):
        client(server.port, 10.0).get("/")


def test_nothing_listens_or_the_name_is_unknown(cli: Callable[..., Ended]) -> None:
    assert "no proxy answers at http://127.0.0.1:" in said_by(cli, f"127.0.0.1:{free_port()}")
    assert "the name nowhere.invalid is not known here" in said_by(cli, "https://nowhere.invalid")


def test_a_role_that_may_not_is_told_as_the_server_says_it(cli: Callable[..., Ended], stub: Stub) -> None:
    text = "GET /teamclaude/deck needs the role observer or operator; the key of bob has the role client"
    stub.answers["GET /teamclaude/deck"] = (403, {"error": {"message": text}})
    assert said_by(cli, f"127.0.0.1:{stub.port}") == f"{text}\n"


def test_a_wrong_or_missing_key(
    cli: Callable[..., Ended], stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers["GET /teamclaude/deck"] = (401, {"error": {"message": "x"}})
    assert "does not accept this key" in said_by(cli, f"127.0.0.1:{stub.port}")
    monkeypatch.delenv("TEAMCLAUDE_KEY")
    assert "set TEAMCLAUDE_KEY or use --key-file" in said_by(cli, f"127.0.0.1:{stub.port}")


# --- TLS ------------------------------------------------------------------------------------------------

GOOD = HEAD + b'\r\n{"service":"teamclaude"}'


def test_a_certificate_is_trusted_by_its_file(
    cli: Callable[..., Ended],
    scripted: Callable[..., ScriptedServer],
    make_certificate: Callable[..., tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = make_certificate()
    url = f"https://127.0.0.1:{scripted(GOOD, tls=server_side(pair)).port}"
    line = said_by(cli, url)
    assert "nobody whom this machine trusts has signed the certificate" in line
    assert "--ca-file" in line
    ended = cli("status", "--json", "--url", url, "--ca-file", str(pair[0]))
    assert (ended.status, ended.err) == (0, "")
    monkeypatch.setenv("TEAMCLAUDE_CA_FILE", str(pair[0]))
    assert cli("status", "--json", "--url", url).status == 0
    monkeypatch.delenv("TEAMCLAUDE_CA_FILE")
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    assert cli("status", "--json", "--url", url).status == 0


def test_a_certificate_is_trusted_without_who_signed_it(
    cli: Callable[..., Ended], scripted: Callable[..., ScriptedServer], signed_certificate: tuple[Path, Path]
) -> None:
    url = f"https://127.0.0.1:{scripted(GOOD, tls=server_side(signed_certificate)).port}"
    assert "nobody whom this machine trusts" in said_by(cli, url)
    assert cli("status", "--json", "--url", url, "--ca-file", str(signed_certificate[0])).status == 0


def test_a_certificate_for_another_name_or_time(
    cli: Callable[..., Ended],
    scripted: Callable[..., ScriptedServer],
    make_certificate: Callable[..., tuple[Path, Path]],
) -> None:
    for pair, said in (
        (make_certificate("DNS:elsewhere.example"), "is not for 127.0.0.1"),
        (make_certificate("IP:127.0.0.2"), "is not for 127.0.0.1"),
    ):
        server = scripted(GOOD, tls=server_side(pair))
        assert said in said_by(cli, f"https://127.0.0.1:{server.port}", "--ca-file", str(pair[0]))
        assert server.asked == b"", "no key was sent"


def test_plain_http_where_tls_is_expected_and_the_other_way_round(
    cli: Callable[..., Ended],
    scripted: Callable[..., ScriptedServer],
    make_certificate: Callable[..., tuple[Path, Path]],
    stub: Stub,
) -> None:
    assert "does it speak plain http?" in said_by(cli, f"https://127.0.0.1:{stub.port}")
    server = scripted(GOOD, tls=server_side(make_certificate()))
    line = said_by(cli, f"http://127.0.0.1:{server.port}")
    assert "broke off its answer" in line


@pytest.mark.parametrize(("data", "said"), [(None, "No such file"), (b"nothing", "there is no certificate")])
def test_a_file_without_certificates(cli: Callable[..., Ended], tmp_path: Path, data: Any, said: str) -> None:
    file = tmp_path / "ca.pem"
    if data is not None:
        file.write_bytes(data)
    assert said in said_by(cli, "https://127.0.0.1:1", "--ca-file", str(file))
