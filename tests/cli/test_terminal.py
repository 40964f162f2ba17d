"""What is printed for a person."""

from __future__ import annotations

import pytest

from teamclaude.cli.terminal import note, shown


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
