"""Upstream heads of a frequent form, which a pattern of its own parses."""

from __future__ import annotations

import random

import pytest

from teamclaude.errors import UpstreamProtocolError
from teamclaude.proxy.http import response_head as module
from teamclaude.proxy.http.response_head import parse_response_head


def response(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode("latin-1")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return a head of a frequent form, which a pattern of its own parses."""
    monkeypatch.setattr(module, "_patterns", ())
    block = response("Date: Mon", "X-Empty:", "request-id: req_1", "Content-Length: 2", "a.b+c: (d",
                     "Connection: keep-alive", "Content-Type: application/json")  # fmt: skip
    for _ in range(module._FREQUENT):
        parse_response_head(block)
    assert len(module._patterns) == 1
    return block


def _read(block: bytes) -> object:
    try:
        head = parse_response_head(block)
    except UpstreamProtocolError as refusal:
        return str(refusal)
    form = head.form
    derived = (form.keeps_open, form.hop_by_hop, form.media, form.coding, head.length)
    return (head.minor, head.status, head.reason, head.headers, head.text, derived)


def test_a_known_form_parses_like_any_other(known: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(7)
    blocks = [known, known.replace(b"Mon", b"Tue, 24 Nov"), known.replace(b"200 OK", b"429 Too Many")]
    blocks += [
        known.replace(old, new)
        for old in (b": ", b"\r\n", b"Mon", b"2")
        for new in (b":", b": \t", b"\n", b"\r\n ", b"", b" :", b"\x00", b"\xff x", b"\r\r\n", b"x: y\r\n")
    ]
    blocks += [
        known.replace(old, new)
        for old, new in (
            (b"keep-alive", b"close"),
            (b"keep-alive", b"x-empty"),
            (b"/json", b"/problem+json"),
            (b"Content-Type", b"Content-Encoding"),
            (b"Content-Type", b"Transfer-Encoding"),
            (b"Length: 2", b"Length: 02"),
            (b"Length: 2", b"Length: 0"),
            (b"Length: 2", b"Length: 12345"),
            (b"Length: 2", b"Length: " + b"9" * 20),
            (b"HTTP/1.1", b"HTTP/1.0"),
        )
    ]
    for _ in range(2000):
        at, junk = dice.randrange(len(known)), bytes([dice.choice(b"\r\n\t :x\x00\x7f\xe9")])
        blocks.append(known[:at] + junk + known[at + dice.randrange(2) :])
    by_pattern = [_read(block) for block in blocks]
    monkeypatch.setattr(module, "_FREQUENT", 1 << 30)
    monkeypatch.setattr(module, "_patterns", ())
    assert by_pattern == [_read(block) for block in blocks]


def test_few_forms_have_patterns(known: bytes) -> None:
    for number in range(10):
        for _ in range(module._FREQUENT):
            parse_response_head(response(f"X-{number}: v"))
    assert len(module._patterns) == module._MAX_PATTERNS
