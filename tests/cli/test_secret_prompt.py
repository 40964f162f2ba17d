"""The text of a secret that is typed; commands/test_login_terminal.py types it on a terminal."""

from __future__ import annotations

import pytest

from teamclaude.cli.secret_prompt import typed_text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (b"", ""),
        (b"abc\n", "abc\n"),
        (b"abd\x7fc\n", "abc\n"),
        (b"\x08\x7fabc\n", "abc\n"),
        (b"wrong\x15abc\n", "abc\n"),
        (b"first\nwrong\x15second\n", "first\nsecond\n"),
        (b"abc\x04def\n", "abc"),
        ("Zoë\n".encode(), "Zoë\n"),
        (b"\xff\n", "\ufffd\n"),
    ],
)
def test_erasing_keys_are_applied(typed: bytes, text: str) -> None:
    assert typed_text(typed) == text
