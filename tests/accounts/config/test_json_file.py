"""Parsing and writing JSON: every invalid input is one line, and nothing is lost."""

from __future__ import annotations

import sys

import pytest

from teamclaude.accounts.config.json_file import decode, encode
from teamclaude.errors import ConfigError


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"a": 1,\n "b" 2}', "f: line 2, column 6: expecting ':' delimiter"),
        (b'{"a": 1,}', "f: line 1, column "),
        (b'{"a": "sk-FAKE', "f: line 1, column 7: unterminated string starting at"),
        (b'{"a": 1} x', "f: line 1, column 10: extra data"),
        (b"", "f: is empty; remove it to start anew"),
        (b" \n", "f: is empty; remove it to start anew"),
        (b"[]", "f: expected a JSON object, got a list"),
        (b'"sk-FAKE"', 'f: expected a JSON object, got "***"'),
        (b'{"a":\n"\xff"}', "f: line 2: is not UTF-8 text"),
        (b"\xff\xfe{", "f: line 1: is not UTF-8 text"),
        (b"\0" * 512, "f: is empty; remove it to start anew"),
        (b'{"a": NaN}', "f: NaN is not a JSON number"),
        (b'{"a": -Infinity}', "f: -Infinity is not a JSON number"),
        (b'{"a": 1e999}', "f: the number 1e999 is too large"),
        (b'{"accounts": [], "accounts": [1]}', 'f: the key "accounts" stands twice in one object'),
        (b'{"a": ' * 100000, "f: is nested too deeply"),
    ],
)
def test_anything_but_a_json_object_is_one_line_that_quotes_nothing(data: bytes, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(data, "f")
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)
    assert "FAKE" not in str(caught.value)


@pytest.mark.parametrize(
    "mark_and_encoding",
    [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
    + [(b"", encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")],
)
@pytest.mark.parametrize(
    "text", ['{"name": "Zo\u00eb"}', '{"name": "Zo\u00eb"}\r\n', '{"name": "Zo\u00eb"}\0\0\0']
)
def test_the_encodings_of_other_systems(mark_and_encoding: tuple[bytes, str], text: str) -> None:
    mark, encoding = mark_and_encoding
    assert decode(mark + text.encode(encoding), "f") == {"name": "Zo\u00eb"}


def test_numbers_of_thousands_of_digits_are_refused_or_kept() -> None:
    data = b'{"a": ' + b"9" * 9000 + b"}"
    if hasattr(sys, "get_int_max_str_digits"):  # the limit of 4,300 digits came with 3.10.7, 3.9.14...
        with pytest.raises(ConfigError, match=r"^f: holds a number that is too long$"):
            decode(data, "f")
    else:
        assert decode(data, "f")["a"] == 10**9000 - 1


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "z": 1,\n  "a": {\n    "n": null,\n    "list": [\n      1.5,\n      true\n    ]\n  }\n}\n',
        '{\n  "name": "Zoë 🦜",\n  "big": 123456789012345678901234567890\n}\n',
        "{}\n",
    ],
)
def test_a_file_in_our_format_comes_back_byte_for_byte(text: str) -> None:
    assert encode(decode(text.encode(), "f")) == text.encode()


def test_a_byte_order_mark_is_no_error() -> None:
    assert decode(b'\xef\xbb\xbf{"a": 1}', "f") == {"a": 1}


def test_a_lone_surrogate_survives() -> None:
    data = b'{"a": "\\ud83e", "b": "\\u00e9"}'
    assert decode(encode(decode(data, "f")), "f") == decode(data, "f")
