"""What is printed for a person."""

from __future__ import annotations

import sys

import pytest

from teamclaude.cli.terminal import note, shown, width


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a line\n\twith two parts", "a line\n\twith two parts"),
        ("Grüße, 你好 ✔ ↻", "Grüße, 你好 ✔ ↻"),
        ("\x1b]52;c;cm0=\x07", "?]52;c;cm0=?"),
        ("\x1b[2J\r\x9b31m\u202egnp.exe", "?[2J??31m?gnp.exe"),
        ("a path \udcff", "a path ?"),
    ],
)
def test_what_a_terminal_obeys_is_not_shown(text: str, seen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(text) == seen
    note(text)
    assert capsys.readouterr().err == f"{seen}\n"


@pytest.mark.parametrize(
    ("columns", "expected"), [("72", 72), ("0", 100), ("wide", 100), ("-3", 100), (None, 100)]
)
def test_the_width_is_that_of_columns_else_the_default_of_a_pipe(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, expected: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "__stdout__", None)
    assert width() == expected
