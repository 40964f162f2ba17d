"""The text of a secret that is typed; commands/test_login_terminal.py types it on a terminal."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace

import pytest

from teamclaude.cli import secret_prompt
from teamclaude.cli.secret_prompt import ask_secret, typed_text


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


def test_a_paste_that_ends_in_the_middle_of_a_line_waits_for_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = pytest.importorskip("pty")
    screen, keyboard = pty.openpty()
    asked = threading.Event()
    said = SimpleNamespace(write=lambda text: asked.set(), flush=lambda: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: keyboard))
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(secret_prompt, "PASTE_PAUSE_S", 0.01)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(ask_secret("Token:")))
    thread.start()
    assert asked.wait(30)
    os.write(screen, b"first\nsecond")
    thread.join(0.1)
    assert thread.is_alive()
    os.write(screen, b"\n")
    thread.join(30)
    os.close(screen)
    os.close(keyboard)
    assert found == ["first\nsecond\n"]
