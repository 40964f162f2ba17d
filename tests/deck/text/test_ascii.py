"""ASCII in place of box characters, bars and emoji, cell for cell."""

from __future__ import annotations

import pytest

from teamclaude.deck.text.ascii import ascii_text, supports_unicode
from teamclaude.deck.text.cells import width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("── Tree", "-- Tree"),
        ("│  └─ ↳ ", "|  `- + "),
        ("Ses[██ 3h ]↓5h", "Ses[## 3h ]v5h"),
        ("► ◆ ◇ ⚙ Σ 5 · 3…", "> * o % S 5 | 3~"),
        ("“it’s”", '"it\'s"'),
        ("漢字 ü", "???? ?"),
        ("👨‍👩‍👧x🇩🇪", "??x??"),
        ("plain", "plain"),
    ],
)
def test_every_sign_has_a_likeness_of_its_width(text: str, shown: str) -> None:
    assert ascii_text(text) == shown
    assert width(text) == len(shown)


@pytest.mark.parametrize(
    ("env", "encoding", "speaks"),
    [
        ({"LANG": "en_US.UTF-8", "TERM": "xterm"}, "utf-8", True),
        ({"LANG": "C.UTF-8"}, "UTF-8", True),
        ({"LANG": "C"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, "utf-8", False),
        ({"LC_CTYPE": "UTF-8"}, "utf-8", True),
        ({}, "utf-8", False),
        ({"LANG": "de_DE"}, "iso8859-1", False),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "utf-8", False),
        ({"LANG": "C.UTF-8", "TERM": "vt100"}, "utf-8", False),
        ({"LANG": "C.UTF-8", "TERM": "linux-16color"}, "utf-8", False),
    ],
)
def test_who_speaks_unicode(env: dict[str, str], encoding: str, speaks: bool) -> None:
    assert supports_unicode(env, encoding) is speaks
