"""The man page: every command and option, and roff that a formatter takes without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from teamclaude.cli.dispatch import COMMANDS
from teamclaude.cli.parsers.man_page import _text, render_man_page

PAGE = render_man_page()


def test_every_command_is_a_section() -> None:
    assert re.findall(r'^\.SS "(.+)"$', PAGE, re.M) == [command.name for command in COMMANDS]
    assert r"\fB\-\-first\-party\fR" in PAGE


@pytest.mark.parametrize(
    ("line", "roff"),
    [
        (".dot first", r"\&.dot first"),
        ("'quote first", r"\&'quote first"),
        (r"a \ and --option", r"a \e and \-\-option"),
        ("", r"\&"),
    ],
)
def test_text_is_never_a_request(line: str, roff: str) -> None:
    assert _text(line) == roff


def test_the_page_uses_known_requests_only() -> None:
    requests = {line.split()[0] for line in PAGE.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"}
    assert PAGE.count("\n.nf") == PAGE.count("\n.fi")
    assert PAGE.isascii()


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff here")
def test_groff_warns_of_nothing_and_shows_the_options() -> None:
    ended = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"], input=PAGE.encode(), capture_output=True, timeout=60
    )
    assert ended.stderr == b""
    shown = ended.stdout.decode()
    assert "--first-party" in shown
    assert "teamclaude env --shell fish | source" in shown
