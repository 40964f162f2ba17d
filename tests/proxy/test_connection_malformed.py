"""Requests that two programs could read differently are refused, and the client can read the refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., Any]

LINES = {
    "two equal lengths": b"Content-Length: 2\r\nContent-Length: 2",
    "two differing lengths": b"Content-Length: 2\r\nContent-Length: 3",
    "a list of lengths": b"Content-Length: 2, 2",
    "a signed length": b"Content-Length: +2",
    "a negative length": b"Content-Length: -2",
    "a length in hex": b"Content-Length: 0x2",
    "a length beyond any number": b"Content-Length: " + b"9" * 5000,
    "an empty length": b"Content-Length:",
    "a length beside chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked",
    "chunks beside a length": b"Transfer-Encoding: chunked\r\nContent-Length: 2",
    "chunked twice": b"Transfer-Encoding: chunked, chunked",
    "chunked not last": b"Transfer-Encoding: chunked, gzip",
    "a folded line": b"X-Long: one\r\n two",
    "a folded first line": b" X-Long: one",
    "a bare LF in a value": b"X-Odd: one\nContent-Length: 2",
    "a bare CR in a value": b"X-Odd: one\rtwo",
    "a NUL in a value": b"X-Odd: one\0two",
    "a control character in a value": b"X-Odd: one\x01two",
    "a space before the colon": b"Content-Length : 2",
    "a tab before the colon": b"Content-Length\t: 2",
    "a space in a name": b"Content Length: 2",
    "no colon": b"Content-Length 2",
    "no name": b": 2",
    "a second host": b"Host: localhost",
    "a name that is no token": b"X(odd): 1",
}
REQUEST_LINES = {
    "absolute form": b"GET http://localhost/health HTTP/1.1",
    "absolute form of another host": b"POST https://api.anthropic.com/v1/messages HTTP/1.1",
    "asterisk form": b"OPTIONS * HTTP/1.1",
    "authority form": b"GET localhost:443 HTTP/1.1",
    "absolute form of CONNECT": b"CONNECT https://localhost:443 HTTP/1.1",
    "CONNECT without a port": b"CONNECT localhost HTTP/1.1",
    "no slash in front": b"GET v1/models HTTP/1.1",
    "HTTP/2.0": b"GET /health HTTP/2.0",
    "the HTTP/2 preface": b"PRI * HTTP/2.0",
    "HTTP/0.9": b"GET /health",
    "no version": b"GET /health HTTP",
    "a version in lower case": b"GET /health http/1.1",
    "two spaces": b"GET  /health HTTP/1.1",
    "a space in the target": b"GET /v1/models/a b HTTP/1.1",
    "a tab between the words": b"GET\t/health\tHTTP/1.1",
    "a NUL in the target": b"GET /health\0 HTTP/1.1",
    "a letter beyond ASCII in the target": b"GET /v1/models/\xc3\xa9 HTTP/1.1",
    "a method that is no token": b"GE(T) /health HTTP/1.1",
    "a bare LF at the end": b"GET /health HTTP/1.1\nHost: localhost\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00",
}


def is_refused(s: Any, data: bytes) -> Any:
    """The 400 to `data`; what follows the answer is the end, and nothing went up."""
    raw = s.raw().send(data)
    answer = raw.answer()
    assert answer.error() == (400, "invalid_request_error")
    assert answer.headers["connection"] == "close"
    assert answer.headers["request-id"].startswith("tc-")
    assert raw.rest() == (b"", "fin"), "not reset: the client can read it"
    return answer


def test_ambiguous_heads_are_refused_and_the_connection_closed(stage: Build) -> None:
    s = stage("a")
    for what, line in LINES.items():
        smuggled = b"{}GET /teamclaude/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
        head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n"
        try:
            is_refused(s, head + smuggled)
            is_refused(s, head.replace(b"/v1/messages", b"/teamclaude/switch") + smuggled)
        except AssertionError as error:
            pytest.fail(f"{what}: {error}")
    assert s.api.log == ()
    assert s.warnings == []


def test_malformed_request_lines_are_refused(stage: Build) -> None:
    s = stage("a")
    for what, line in REQUEST_LINES.items():
        try:
            is_refused(s, line + b"\r\nHost: localhost\r\n\r\n")
        except AssertionError as error:
            pytest.fail(f"{what}: {error}")
    assert s.api.log == ()
    assert s.warnings == []


def test_an_unknown_coding_is_not_supported(stage: Build) -> None:
    s = stage("a")
    raw = s.raw().request(headers=[("Transfer-Encoding", "gzip, chunked")])
    assert raw.answer().error() == (501, "invalid_request_error")
    assert raw.rest() == (b"", "fin")


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"5\r\nhello!!", b"-1\r\n", b"5 5\r\nhello\r\n", b"1\nx\n0\n\n", b"f" * 16 + b"\r\n"]
)
def test_malformed_chunks_are_refused(stage: Build, body: bytes) -> None:
    s = stage("a")
    raw = s.raw().request(headers=[("Transfer-Encoding", "chunked")]).send(body)
    assert raw.answer().error() == (400, "invalid_request_error")
    assert raw.rest() == (b"", "fin")
    assert s.outcomes(1) == ["refused"]
    assert s.api.log == ()


def test_a_refusal_never_quotes_a_header(stage: Build) -> None:
    s = stage("a")
    for line in (b"Authorization : Bearer sk-ant-oat01-FAKE-x", b"x-api-key sk-ant-oat01-FAKE-x"):
        answer = is_refused(s, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n")
        assert b"FAKE" not in answer.body


@pytest.mark.parametrize("ends", [True, False])
def test_a_head_over_64_kib_is_a_431(stage: Build, ends: bool) -> None:
    s = stage("a")
    lines = b"".join(b"X-Filler-%d: %b\r\n" % (n, b"f" * 1000) for n in range(70))
    raw = s.raw().send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + lines + (b"\r\n" if ends else b""))
    assert raw.answer().error() == (431, "invalid_request_error")
    assert raw.rest() == (b"", "fin")


def test_a_head_of_60_kib_passes(stage: Build) -> None:
    filler = [(f"X-Filler-{n}", "f" * 1000) for n in range(58)]
    assert stage("a").raw().request("/v1/models", method="GET", headers=filler).answer().status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
    ],
)
def test_http_1_1_needs_one_proper_host(stage: Build, head: bytes) -> None:
    is_refused(stage("a"), head)


def test_http_1_0_needs_no_host(stage: Build) -> None:
    answer = stage("a").raw().send(b"GET /health HTTP/1.0\r\n\r\n").answer()
    assert answer.status == 200


JUNK = [
    "//v1/messages",
    "/v1//messages",
    "/v1/messages/",
    "/v1/messages/..",
    "/v1/../v1/messages",
    "/./v1/messages",
    "/v1/%6dessages",
    "/v1%2fmessages",
    "/v1/messages%00",
    "/v1/messages%2f..%2fadmin",
    "/v1/messages/%2e%2e/files",
    "/v1/models/%zz",
    "/v1/models/%",
    "/v1/models/%c3%28",
    "/v1/models/;a=b",
    "/v1/messages#frag",
    "/v1/messages\\..",
    "/%",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/?",
    "/teamclaude/%ff",
    "/teamclaude/../v1/messages",
    "/teamclaude/explain/%00%ff",
    "/teamclaude/accounts/%2e%2e%2f/disable",
    "/" + "a" * 60_000,
]


def test_junk_paths_end_in_an_answer_of_ours(stage: Build) -> None:
    s = stage("a")
    for target in JUNK:
        for method in ("POST", "GET"):
            raw = s.raw().request(target, b"{}" if method == "POST" else None, method=method)
            answer = raw.answer()
            if target == "/?" and method == "GET":
                assert answer.status == 200
            else:
                assert answer.status in (404, 405), (method, target)
                assert len(answer.body) < 1000
    assert s.api.log == ()
    assert s.warnings == []
    assert s.account("a")["inflight"] == 0


def test_a_method_the_path_does_not_know_is_a_405(stage: Build) -> None:
    s = stage("a")
    for target in ("/v1/messages", "/v1/messages/count_tokens", "/v1/oauth/token"):
        answer = s.raw().request(target, method="GET").answer()
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert s.raw().request("/v1/models", method="TRACE").answer().status == 404
    assert s.api.log == ()
