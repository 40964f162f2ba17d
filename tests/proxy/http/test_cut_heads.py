"""A response's head cut out of the received bytes equals the rendered one."""

from __future__ import annotations

import pytest

from teamclaude.errors import TeamClaudeError
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.http.head import HeaderLayout, RequestHead
from teamclaude.proxy.http.header_rewrite import (
    client_response_headers,
    framing_for_client,
    render_client_head,
    render_named_head,
    render_response,
)
from teamclaude.proxy.http.response_head import parse_response_head, response_framing


def _answer(*lines: str, start: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")


OURS = [("x-teamclaude-account", "a"), ("x-teamclaude-request", "tc-1")]


@pytest.mark.parametrize(
    "block",
    [
        _answer("Date: d", "Content-Length: 5", "request-id: r"),
        _answer("Connection: keep-alive", "Content-Length: 5", "Keep-Alive: timeout=5"),
        _answer(
            "Content-Length: 5", "set-cookie: a", "set-cookie: b", "TE: x", "te: y", "Connection: keep-alive"
        ),
        _answer("Content-Length: 5", "X-Teamclaude-Account: forged", "x: Connection: keep-alive"),
        _answer("Content-Length: 5", "Connection:keep-alive", "x: y"),
        _answer("Connection: keep-alive", "connection: close", "Content-Length: 5"),
        _answer("x: y", "CONNECTION: Keep-Alive", "Transfer-Encoding: chunked"),
        _answer("x: Connection: close", "Connection: close", "Connection-x: close", "Content-Length: 0"),
        _answer("Content-Length: 005"),
        _answer("Content-Length: 5", "Connection: close, x-hop", "x-hop: 1", "y: 2"),
        _answer("A: b", "Transfer-Encoding: chunked", "C: d"),
        _answer("Transfer-Encoding:chunked", "empty:"),
        _answer("Content-Length: 5", start="HTTP/1.0 200 OK"),
        _answer("Content-Length: 5", start="HTTP/1.1 200"),
        _answer("Content-Length: 5", "odd:   much space  "),
        _answer("Date: d"),
    ],
)
@pytest.mark.parametrize("times", [0, 40])
def test_a_head_with_lines_cut_out_equals_the_rendered_one(block: bytes, times: int) -> None:
    for _ in range(times):  # a frequent one has a pattern of its own
        parse_response_head(block)
    number = b"6" if times else b"5"
    head = parse_response_head(block.replace(b"5", number).replace(b"forged", b"forged" + number))
    for client in (RequestHead("POST", "/", 1, []), RequestHead("POST", "/", 0, [])):
        framing = framing_for_client(response_framing(head, "POST"), client)
        written = render_response(head.status, head.reason, client_response_headers(head, framing, OURS))
        for cut in (render_client_head(head, framing, OURS), render_named_head(head, framing, "a", "tc-1")):
            assert parse_response_head(cut).headers == parse_response_head(written).headers
            assert cut.partition(b"\r\n")[0] == written.partition(b"\r\n")[0]


def test_fields_added_to_a_cut_head_can_not_inject_lines() -> None:
    head = parse_response_head(_answer("Content-Length: 5"))
    with pytest.raises(TeamClaudeError):
        render_client_head(head, Framing(BodyKind.LENGTH, 5), [("x", "a\r\nb: c")])


def test_ever_new_names_do_not_fill_the_memory() -> None:
    first = HeaderLayout.for_fields([("A", "1"), ("B", "2")])
    assert HeaderLayout.for_fields([("A", "3"), ("B", "4")]) is first
    for number in range(600):
        HeaderLayout.for_fields([(f"X-{number}", "")])
    assert HeaderLayout.for_fields([("A", "1"), ("B", "2")]) is not first
    long = [("X" * 5000, "")]
    assert HeaderLayout.for_fields(long) is not HeaderLayout.for_fields(long)
