"""Request lines with a whole URL: one of this server is served, one of another never, whatever key it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.conftest import KEY, Pem, message
from tests.proxy.tls_stage import tls_stage

Build = Callable[..., Any]
BODY = json.dumps(message(stream=False)).encode()


def ask(raw: Any, line: str, *fields: str, key: bool = True, body: bytes = b"") -> Any:
    """Return the answer to a request with these lines."""
    length = [f"Content-Length: {len(body)}"] if body else []
    keys = [f"x-teamclaude-key: {KEY}"] if key else []
    raw.send("\r\n".join([line, *fields, *keys, *length, "", ""]).encode() + body)
    return raw.answer()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST.", "team.example"])
def test_a_url_of_this_server_is_served_whatever_the_host_field_names(stage: Build, host: str) -> None:
    s = stage("a", proxy={"allowedHosts": ["team.example"]})
    raw = s.raw()
    url = f"http://{host}:{s.service.port}/v1/messages?beta=true"
    for number in range(3):  # the repeated ones in the event loop, too
        content = BODY.replace(b"hello", b"hello" * (1 + number))
        answer = ask(raw, f"POST {url} HTTP/1.1", "Host: evil.example", body=content)
        assert answer.status == 200
    assert [each.target for each in s.seen(3)] == ["/v1/messages?beta=true"] * 3


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("", 200), ("?x=1", 200), ("/nothing", 404)])
def test_its_path_decides_as_in_origin_form(stage: Build, path: str, status: int) -> None:
    s = stage("a")
    url = f"HTTP://localhost:{s.service.port}{path}"
    assert ask(s.raw(), f"GET {url} HTTP/1.1", "Host: localhost").status == status


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example:{port}/v1/messages",
        "http://evil.example/v1/messages",
        "http://127.0.0.1:1/v1/messages",
        "http://localhost/v1/messages",
        "https://localhost:{port}/v1/messages",
        "http://user@localhost:{port}/v1/messages",
        "http://localhost:{port}:1/v1/messages",
        "http://evil.example:{port}/health",
        "http://evil.example:{port}/teamclaude/status",
        "http://evil.example:{port}",
    ],
)
@pytest.mark.parametrize("key", [True, False])
def test_a_url_of_another_server_is_refused_with_what_to_set(stage: Build, url: str, key: bool) -> None:
    s = stage("a")
    line = f"GET {url.format(port=s.service.port)} HTTP/1.1"
    answer = ask(s.raw(), line, f"Host: localhost:{s.service.port}", key=key)
    assert answer.error() == (400, "invalid_request_error")
    assert b"lead the client here with ANTHROPIC_BASE_URL" in answer.body
    assert s.api.log == ()


def test_a_url_takes_no_host_field_s_place(stage: Build) -> None:
    s = stage("a")
    line = f"GET http://localhost:{s.service.port}/v1/models HTTP/1."
    assert ask(s.raw(), f"{line}1").status == 400
    assert ask(s.raw(), f"{line}1", "Host: localhost", "Host: localhost").status == 400
    assert ask(s.raw(), f"{line}0").status == 200


def test_a_reload_may_make_a_name_foreign(stage: Build) -> None:
    s = stage("a", proxy={"allowedHosts": ["team.example"]})
    raw, line = s.raw(), f"GET http://team.example:{s.service.port}/v1/models HTTP/1.1"
    assert ask(raw, line, "Host: localhost").status == 200
    document = s.document()
    del document["proxy"]["allowedHosts"]
    s.write(document)
    s.service.runtime.reload()
    assert ask(raw, line, "Host: localhost").status == 400


def test_https_is_for_connections_with_tls(stage: Build, pem: Pem) -> None:
    s = tls_stage(stage, pem)("a")
    for scheme, status in (("https", 200), ("http", 400)):
        line = f"GET {scheme}://localhost:{s.service.port}/v1/models HTTP/1.1"
        assert ask(s.raw(), line, "Host: localhost").status == status
