"""CONNECT, spoken to a SOCKS proxy: the bytes of RFC 1928 and RFC 1929."""

from __future__ import annotations

import pytest

from teamclaude.dial.http_tunnel import RefusedByProxyError
from teamclaude.dial.proxies import ProxyAddress, parse_proxy
from teamclaude.dial.socks5 import open_socks5

PROXY = parse_proxy("socks5h://proxy")
WITH_LOGIN = parse_proxy("socks5h://me:secret@proxy")
OPENED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"


def ask(
    *answers: bytes, proxy: ProxyAddress = PROXY, host: str = "api.example", port: int = 443
) -> tuple[list[bytes], bytes]:
    """Return what was sent, and what of the answers was left unread."""
    dialogue = open_socks5(proxy, host, port)
    rest, sent = b"".join(answers), []
    data, size = next(dialogue)
    try:
        while True:
            if data:
                sent.append(data)
            assert len(rest) >= size, "it waits for more than came"
            piece, rest = rest[:size], rest[size:]
            data, size = dialogue.send(piece)
    except StopIteration:
        return sent, rest


def test_a_name_is_looked_up_by_the_proxy() -> None:
    sent, _ = ask(b"\x05\x00", OPENED)
    assert sent == [b"\x05\x01\x00", b"\x05\x01\x00\x03\x0bapi.example\x01\xbb"]


@pytest.mark.parametrize(
    ("host", "encoded"),
    [
        ("10.1.2.3", b"\x01\x0a\x01\x02\x03"),
        ("fd00::1", b"\x04\xfd" + bytes(14) + b"\x01"),
        ("::ffff:10.1.2.3", b"\x01\x0a\x01\x02\x03"),
        ("bücher.example", b"\x03\x15xn--bcher-kva.example"),
    ],
)
def test_how_a_target_is_written(host: str, encoded: bytes) -> None:
    sent, _ = ask(b"\x05\x00", OPENED, host=host, port=8443)
    assert sent[1] == b"\x05\x01\x00" + encoded + b"\x20\xfb"


def test_a_login_by_user_name_and_password() -> None:
    sent, _ = ask(b"\x05\x02", b"\x01\x00", OPENED, proxy=WITH_LOGIN)
    assert sent[:2] == [b"\x05\x02\x00\x02", b"\x01\x02me\x06secret"]


def test_a_login_that_is_not_asked_for_is_not_sent() -> None:
    sent, _ = ask(b"\x05\x00", OPENED, proxy=WITH_LOGIN)
    assert not any(b"secret" in data for data in sent)


@pytest.mark.parametrize(
    "bound", [b"\x01" + bytes(6), b"\x04" + bytes(18), b"\x03\x05proxy\x00\x50", b"\x03\x00\x00\x50"]
)
def test_what_follows_the_reply_belongs_to_the_target(bound: bytes) -> None:
    assert ask(b"\x05\x00", b"\x05\x00\x00" + bound, b"SSH-2.0-first")[1] == b"SSH-2.0-first"


@pytest.mark.parametrize(
    ("reply", "told", "final", "unreachable"),
    [
        (1, "it failed", False, True),
        (2, "its rules do not allow this target", True, False),
        (3, "network unreachable", False, True),
        (4, "host unreachable", False, True),
        (5, "the target refused its connection", False, True),
        (6, "time to live expired", False, True),
        (7, r"it can't open connections \(CONNECT\)", True, False),
        (8, "does not take this type of address", False, True),
        (99, "it refuses with code 99", False, False),
    ],
)
def test_every_reply_in_words(reply: int, told: str, final: bool, unreachable: bool) -> None:
    with pytest.raises(RefusedByProxyError, match=rf"{told} \(api\.example:443\)") as caught:
        ask(b"\x05\x00", bytes([5, reply, 0, 1]) + bytes(6))
    assert (caught.value.final, caught.value.unreachable) == (final, unreachable)


@pytest.mark.parametrize(
    ("answers", "proxy", "told"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n"], PROXY, "it is no SOCKS5 proxy"),
        ([b"\x00\x5b"], PROXY, "it is no SOCKS5 proxy"),
        ([b"\x05\xff"], PROXY, "it asks for a login: write USER:PASSWORD@ before its host"),
        ([b"\x05\x01"], PROXY, "it asks for a login"),
        ([b"\x05\x02"], PROXY, "it asks for a login"),
        ([b"\x05\xff"], WITH_LOGIN, "it does not take a user name and password"),
        ([b"\x05\x02", b"\x01\x01"], WITH_LOGIN, "it does not accept the user name and password"),
        ([b"\x05\x00", b"\x04\x00\x00\x01"], PROXY, "breaks off in the middle of SOCKS5"),
        ([b"\x05\x00", b"\x05\x00\x00\x09"], PROXY, "unknown type of address"),
    ],
)
def test_what_is_no_way(answers: list[bytes], proxy: ProxyAddress, told: str) -> None:
    with pytest.raises(RefusedByProxyError, match=told) as caught:
        ask(*answers, proxy=proxy)
    assert caught.value.final
    assert "secret" not in str(caught.value)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(RefusedByProxyError, match="longer than SOCKS can carry"):
        ask(b"\x05\x00", host="a." * 200)
