"""CONNECT, spoken to an HTTP proxy: what is asked, and what the answers mean."""

from __future__ import annotations

import base64

import pytest

from teamclaude.dial.http_tunnel import MAX_HEAD_BYTES, RefusedByProxyError, open_tunnel
from teamclaude.dial.proxies import ProxyAddress, parse_proxy

PROXY = parse_proxy("http://proxy:3128")
WITH_LOGIN = parse_proxy("http://us%40r:p%C3%A4ss@proxy:3128")


def ask(answer: bytes, proxy: ProxyAddress = PROXY, host: str = "api.example") -> tuple[bytes, bytes]:
    """Return what was asked and what of the answer was left unread."""
    dialogue = open_tunnel(proxy, host, 443)
    asked, size = next(dialogue)
    rest = answer
    try:
        while True:
            assert len(rest) >= size, "it waits for more than came"
            piece, rest = rest[:size], rest[size:]
            _, size = dialogue.send(piece)
    except StopIteration:
        return asked, rest


def test_what_is_asked() -> None:
    asked, _ = ask(b"HTTP/1.1 200 OK\r\n\r\n")
    assert asked == b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"
    asked, _ = ask(b"HTTP/1.1 200 OK\r\n\r\n", WITH_LOGIN, "fd00::1")
    login = base64.b64encode("us@r:päss".encode()).decode()
    assert asked.decode().splitlines() == [
        "CONNECT [fd00::1]:443 HTTP/1.1",
        "Host: [fd00::1]:443",
        f"Proxy-Authorization: Basic {login}",
        "",
    ]


def test_a_name_outside_of_ascii_is_sent_in_its_ascii_form() -> None:
    asked, _ = ask(b"HTTP/1.1 200 OK\r\n\r\n", host="bücher.example")
    assert asked.startswith(b"CONNECT xn--bcher-kva.example:443 ")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 200 \r\nVia: 1.1 proxy\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\n\n",
        b"HTTP/1.1 299 Fine\r\n\r\n",
    ],
)
def test_after_the_head_everything_belongs_to_the_target(head: bytes) -> None:
    assert ask(head + b"SSH-2.0-first")[1] == b"SSH-2.0-first"


@pytest.mark.parametrize(
    ("answer", "told", "final"),
    [
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n<html>",
            "403 Forbidden instead of a tunnel to api.example:443",
            True,
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", "it answers 302 Found instead", True),
        (b"HTTP/1.1 502 Bad \x1b[31m gateway\r\n\r\n", r"it answers 502 Bad \?\[31m gateway instead", False),
        (b"HTTP/1.1 503\r\n\r\n", "it answers 503 instead", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "it answers 100 Continue", True),
        (b"HTTP/1.1 abc\r\n\r\n", "it does not answer in HTTP", True),
        (b"\x05\xff\x00\x00\x00\x00", "does not answer in HTTP; is it another kind of proxy", True),
        (b"HTTP/" + bytes(2 * MAX_HEAD_BYTES), "longer than 65536 bytes", True),
    ],
)
def test_answers_that_open_no_tunnel(answer: bytes, told: str, final: bool) -> None:
    with pytest.raises(RefusedByProxyError, match=told) as caught:
        ask(answer)
    assert caught.value.final is final
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("proxy", "fields", "told"),
    [
        (PROXY, "", r"asks for a login \(407\): write USER:PASSWORD@"),
        (PROXY, "Proxy-Authenticate: Basic realm=x\r\n", r"asks for a login \(407\)"),
        (WITH_LOGIN, "Proxy-Authenticate: Basic realm=x\r\n", "does not accept the user name and password"),
        (
            PROXY,
            "Proxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM abc\r\n",
            r"a login by Negotiate or NTLM \(407\), which is not spoken here",
        ),
        (WITH_LOGIN, "", "does not accept"),
        (WITH_LOGIN, "Proxy-Authenticate: NTLM\r\nProxy-Authenticate: basic\r\n", "does not accept"),
        (PROXY, "Proxy-Authenticate:\r\n", "asks for a login"),
    ],
)
def test_a_login_that_is_asked_for(proxy: ProxyAddress, fields: str, told: str) -> None:
    with pytest.raises(RefusedByProxyError, match=told) as caught:
        ask(f"HTTP/1.1 407 Who are you\r\n{fields}\r\n".encode(), proxy)
    assert caught.value.final
    assert "päss" not in str(caught.value)


def test_a_401_is_a_refused_login_too() -> None:
    with pytest.raises(RefusedByProxyError, match=r"does not accept the user name and password \(401\)"):
        ask(b"HTTP/1.0 401 Unauthorized\r\n\r\n", WITH_LOGIN)
