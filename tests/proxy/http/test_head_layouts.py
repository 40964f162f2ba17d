"""Upstream heads of a frequent layout, which a pattern of its own parses."""

from __future__ import annotations

import random

import pytest

from teamclaude.errors import UpstreamProtocolError
from teamclaude.proxy.http import head as module
from teamclaude.proxy.http.head import parse_response_head


def response(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode("latin-1")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return a head of a frequent layout, which a pattern of its own parses."""
    monkeypatch.setattr(module, "_patterns", ())
    block = response("Date: Mon", "X-Empty:", "request-id: req_1", "Content-Length: 2", "a.b+c: (d")
    for _ in range(module._FREQUENT):
        parse_response_head(block)
    assert len(module._patterns) == 1
    return block


def _read(block: bytes) -> object:
    try:
        head = parse_response_head(block)
    except UpstreamProtocolError as refusal:
        return str(refusal)
    return (head.minor, head.status, head.reason, head.headers, head.text)


def test_a_known_layout_parses_like_any_other(known: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(7)
    blocks = [known, known.replace(b"Mon", b"Tue, 24 Nov"), known.replace(b"200 OK", b"429 Too Many")]
    blocks += [
        known.replace(old, new)
        for old in (b": ", b"\r\n", b"Mon", b"2")
        for new in (b":", b": \t", b"\n", b"\r\n ", b"", b" :", b"\x00", b"\xff x", b"\r\r\n", b"x: y\r\n")
    ]
    for _ in range(2000):
        at, junk = dice.randrange(len(known)), bytes([dice.choice(b"\r\n\t :x\x00\x7f\xe9")])
        blocks.append(known[:at] + junk + known[at + dice.randrange(2) :])
    by_pattern = [_read(block) for block in blocks]
    monkeypatch.setattr(module, "_FREQUENT", 1 << 30)
    monkeypatch.setattr(module, "_patterns", ())
    assert by_pattern == [_read(block) for block in blocks]


def test_few_layouts_have_patterns(known: bytes) -> None:
    for number in range(10):
        for _ in range(module._FREQUENT):
            parse_response_head(response(f"X-{number}: v"))
    assert len(module._patterns) == module._MAX_PATTERNS
