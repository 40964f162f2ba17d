"""`teamclaude api`: one call through the proxy, body on stdout, the rest on stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import KEY, Ended, Stub


def test_a_get(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /v1/models?limit=2"] = (200, b'{"data": []}')
    ended = cli("api", "v1/models?limit=2")
    assert (ended.status, ended.out) == (0, '{"data": []}')
    assert ended.err.startswith("200 OK\n")
    assert "X-Stub: yes\n" in ended.err
    (asked,) = stub.asked
    assert asked.headers["x-teamclaude-key"] == KEY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "x-teamclaude-account" not in asked.headers
    assert asked.body == b""


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_failure_is_shown_and_fails(stub: Stub, cli: Callable[..., Ended], status: int) -> None:
    stub.answers["GET /v1/models"] = (status, b'{"error": 1}')
    ended = cli("api", "/v1/models")
    assert (ended.status, ended.out) == (1, '{"error": 1}')
    assert ended.err.startswith(f"{status} ")


def test_bytes_stay_bytes(stub: Stub, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    from teamclaude.cli import main

    stub.answers["GET /v1/files/x/content"] = (200, b"\xff\x00\r\n\x80")
    assert main(["api", "/v1/files/x/content"]) == 0
    assert capfdbinary.readouterr().out == b"\xff\x00\r\n\x80"


def test_an_account_is_named_by_its_beginning(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /v1/models"] = (200, b"{}")
    cli("api", "/v1/models", "--account", "ali")
    assert stub.asked[0].headers["x-teamclaude-account"] == "alice@example.com"


def test_an_unknown_account(stub: Stub, cli: Callable[..., Ended]) -> None:
    ended = cli("api", "/v1/models", "--account", "carol")
    assert ended.status == 2
    assert "bob" in ended.err
    assert stub.asked == []


def test_data_makes_it_a_post(stub: Stub, cli: Callable[..., Ended], tmp_path: Path) -> None:
    stub.answers["POST /v1/messages"] = (200, b"{}")
    assert cli("api", "/v1/messages", "--data", '{"a": "ü"}').status == 0
    (tmp_path / "request.json").write_bytes(b'{"b": 2}')
    assert cli("api", "/v1/messages", "--data", f"@{tmp_path / 'request.json'}").status == 0
    assert [asked.body for asked in stub.asked] == ['{"a": "ü"}'.encode(), b'{"b": 2}']
    assert stub.asked[0].headers["content-type"] == "application/json"


def test_data_from_stdin(stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    stub.answers["POST /v1/messages"] = (200, b"{}")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff{}")))
    assert cli("api", "/v1/messages", "--data", "-").status == 0
    assert stub.asked[0].body == b"\xff{}"


def test_another_method(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["DELETE /v1/files/x"] = (200, b"{}")
    assert cli("api", "/v1/files/x", "--method", "delete").status == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["https://api.anthropic.com/v1/models"], 2, "the path alone"),
        (["/v1/mod els"], 2, "%XX"),
        (["/v1/models", "--method", "GE T"], 2, "not an HTTP method"),
        (["/v1/models", "--data", "@/nowhere/x.json"], 1, "/nowhere/x.json: can't read it"),
    ],
)
def test_wrong_words(stub: Stub, cli: Callable[..., Ended], words: list[str], status: int, said: str) -> None:
    ended = cli("api", *words)
    assert ended.status == status
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert stub.asked == []
