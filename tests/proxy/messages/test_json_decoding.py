"""JSON is decoded as the standard library decodes it."""

from __future__ import annotations

import json

import pytest

from teamclaude.proxy.messages.body_scan import decode_json


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":[1,2.5,null,true]}',
        bytearray(b'{"a":"\xc3\xa9"}'),
        '{"a":"x"}',
        b' {"a": 1} \n',
        b"7",
        '\ufeff{"a":1}'.encode(),
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_it_reads_what_the_library_reads(text: str | bytes | bytearray) -> None:
    assert decode_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a":1}x', b'{"a":1}{"b":2}', b"\xff\xfe\xfd", b"nul", b"[" * 200_000]
)
def test_anything_else_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_json(text)
