"""CONNECT of any target and key, compared with a URL parser and with the system's reading of addresses."""

from __future__ import annotations

import base64
import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from teamclaude.accounts.config.config import ClientKey, ProxyConfig
from teamclaude.errors import BadRequestError, ForbiddenError, ProxyKeyNeededError
from teamclaude.proxy.connect.target import connect_target, is_public
from teamclaude.proxy.http.head import parse_request_head
from teamclaude.proxy.messages.access import AccessPolicy
from tests.fuzz.fuzz_random import FuzzRandom, assert_printable

__all__ = ["connect_targets"]

HOSTS = [
    *(
        "api.anthropic.com",
        "API.anthropic.com.",
        "api.anthropic.com.evil.test",
        "evil.test",
        "localhost",
        "a_b",
    ),
    *(
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.1",
        "10.0.0.1",
        "1.1.1.1",
        "[::1]",
        "[::ffff:a00:1]",
    ),
    *("[2606:4700::1]", "[fe80::1%lo]", "xn--a", "1e100.net", "256.1.1.1", "", "..", "a..b"),
]
PORTS = [":443", ":443", ":0443", ":22", ":0", ":65536", ":", "", ":-1", ":+443", ":443:443"]
WORDS = [bytes([code]) for code in b"@#?/\\%[]:. \t\r\n\0\xa0\xff0x,"]
KEYS = ["tc-fuzz-FAKE-key", "tc-fuzz-FAKE-named", "tc-fuzz-FAKE-other", ""]
CONFIG = ProxyConfig(
    api_key=KEYS[0], clients=(ClientKey("named", KEYS[1]),), forward=True, trust_loopback=False
)


def connect_targets(rng: FuzzRandom) -> None:
    """What is accepted names one host for every reader; what is admitted carried a key of ours."""
    target = (rng.choice(HOSTS) + rng.choice(PORTS)).encode()
    if rng.chance(0.5):
        target = rng.mutated(target, WORDS)
    credential = _credential(rng)
    field = b"Proxy-Authorization: " + credential + b"\r\n" if rng.chance(0.9) else b""
    block = b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n"
    try:
        head = parse_request_head(block)
        found = connect_target(head, CONFIG)
    except (BadRequestError, ForbiddenError) as refusal:
        assert_printable(refusal)
        return
    _assert_one_meaning(target.decode("ascii"), found.host, found.port, found.opened)
    try:
        AccessPolicy(CONFIG).authorize_connect(head, "127.0.0.1", lambda: True)
    except (BadRequestError, ProxyKeyNeededError) as refusal:
        assert_printable(refusal)
        return
    decoded = [credential]
    with suppress(ValueError):
        decoded.append(base64.b64decode(credential.partition(b" ")[2]))
    assert any(key.encode() in text for key in KEYS[:2] for text in decoded), credential


def _assert_one_meaning(target: str, host: str, port: int, opened: bool) -> None:
    parts = urlsplit("//" + target)
    assert (parts.username, parts.path, parts.query, parts.fragment) == (None, "", "", "")
    assert parts.port == port
    read = (parts.hostname or "").rstrip(".")
    with suppress(ValueError):
        read = str(ipaddress.ip_address(read))
    assert read == host
    assert opened == (host == "api.anthropic.com" and port == 443)
    with suppress(OSError):  # what the resolver takes for an IPv4 address is written as one
        address = socket.inet_ntoa(socket.inet_aton(host))
        assert address == host
        assert is_public(ipaddress.ip_address(host)) is ipaddress.ip_address(host).is_global


def _credential(rng: FuzzRandom) -> bytes:
    user, password = rng.choice([*KEYS, "teamclaude"]), rng.choice(KEYS)
    text = rng.choice([f"{user}:{password}", user, password])
    if rng.chance(0.6):
        text = base64.b64encode(text.encode()).decode()
    value = (rng.choice(["Basic ", "bearer ", "Digest ", "", "Basic"]) + text).encode()
    return rng.mutated(value, WORDS) if rng.chance(0.3) else value
