"""Lines of JSON-RPC: what is a request, what a notification, and the error of everything else."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest

from teamclaude.cli.mcp.jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    Message,
    RpcError,
    error_reply,
    message_of,
    parse_line,
    to_line,
)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'"\xff"',
        b"{}{}",
        b"[" * 100_000,
        b'{"jsonrpc":"2.0"\x00}',
    ],
)
def test_what_is_no_json_is_a_parse_error(line: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        parse_line(line)
    assert (caught.value.code, caught.value.id) == (PARSE_ERROR, None)


@pytest.mark.parametrize(
    "line", [b'{"a": "\xc3\xa4"}', b'\xef\xbb\xbf{"a": "\xc3\xa4"}', b' \t{"a": "\\u00e4"} \r']
)
def test_a_bom_and_blanks_are_tolerated(line: bytes) -> None:
    assert parse_line(line) == {"a": "ä"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, Message("ping", {}, 1)),
        ({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": None}, Message("ping", {}, "a")),
        ({"jsonrpc": "2.0", "id": "", "method": "x", "params": {"y": 1}}, Message("x", {"y": 1}, "")),
        ({"jsonrpc": "2.0", "id": -(10**30), "method": "x"}, Message("x", {}, -(10**30))),
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, Message("notifications/initialized", {})),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, None),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}}, None),
        ({"jsonrpc": "2.0", "method": "notifications/x", "params": [1]}, None),
    ],
)
def test_messages(value: Any, message: Optional[Message]) -> None:
    assert message_of(value) == message


@pytest.mark.parametrize(
    ("value", "code", "id"),
    [
        (1, INVALID_REQUEST, None),
        (None, INVALID_REQUEST, None),
        ([], INVALID_REQUEST, None),
        ({}, INVALID_REQUEST, None),
        ({"jsonrpc": "2.0", "id": 1}, INVALID_REQUEST, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, INVALID_REQUEST, 1),
        ({"jsonrpc": "1.0", "id": "a", "method": "ping"}, INVALID_REQUEST, "a"),
        ({"id": 1, "method": "ping"}, INVALID_REQUEST, 1),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, INVALID_REQUEST, None),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, INVALID_REQUEST, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, INVALID_REQUEST, None),
        ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, INVALID_REQUEST, None),
        ({"jsonrpc": "2.0", "id": 3, "method": "ping", "params": [1]}, INVALID_PARAMS, 3),
    ],
)
def test_wrong_messages(value: Any, code: int, id: Any) -> None:
    with pytest.raises(RpcError) as caught:
        message_of(value)
    assert (caught.value.code, caught.value.id) == (code, id)


def test_a_reply_is_one_line_of_ascii_whatever_is_in_it() -> None:
    line = to_line({"id": "\ud800", "text": "a\nb\u2028ä"})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert json.loads(line) == {"id": "\ud800", "text": "a\nb\u2028ä"}


def test_an_error_has_data_only_if_there_is_some() -> None:
    assert error_reply(RpcError(-1, "no", 7)) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -1, "message": "no"},
    }
    assert error_reply(RpcError(-1, "no", None, {"a": 1}))["error"]["data"] == {"a": 1}
