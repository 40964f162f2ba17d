"""Values survive the way through a shell, and none becomes a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from teamclaude.cli.shells import SHELLS, export_statements

NASTY = [
    "plain",
    "",
    "it's",
    "two words",
    "$(echo pwned) `echo pwned` $HOME ${HOME} \\n \\",
    '"; echo pwned; "',
    "a;b&c|d<e>f(g)h{i}j*k?l[m]n~o#p!q%r^s",
    "x-one: 1\nx-two: it's 2\nx-three: $(echo pwned)",
    "ümläut 漢字 🦜",
    "-n",
]
VARIABLES = {f"TC_{number}": value for number, value in enumerate(NASTY)}


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh here")
@pytest.mark.parametrize("form", ['eval "$1"', "eval $1"], ids=["quoted", "unquoted"])
def test_sh_gets_the_values_back(form: str, tmp_path: object) -> None:
    values = dict(VARIABLES)
    if form == "eval $1":
        # The shell itself joins words with one space there; a value with two would be cut to one.
        assert not any("  " in value for value in values.values())
    show = "; ".join(f'printf "%s\\0" "${name}"' for name in values)
    ended = subprocess.run(
        ["sh", "-c", f"{form}; {show}", "sh", export_statements(values, "sh")],
        capture_output=True,
        cwd=str(tmp_path),
        timeout=10,
    )
    assert ended.stderr == b""
    assert ended.stdout.decode().split("\0")[:-1] == NASTY


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_gets_the_values_back() -> None:
    show = "; ".join(f'printf "%s\\0" "${name}"' for name in VARIABLES)
    ended = subprocess.run(
        ["fish", "-c", f"source; {show}"],
        input=export_statements(VARIABLES, "fish").encode(),
        capture_output=True,
        timeout=20,
    )
    assert ended.stdout.decode().split("\0")[:-1] == NASTY


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("it's \\ $x", "'it\\'s \\\\ $x'"), ("a\nb'", "'a'\\n'b\\''")],
)
def test_fish_quoting(value: str, quoted: str) -> None:
    assert export_statements({"X": value}, "fish") == f"set -gx X {quoted};"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("it's $x `n", "'it''s $x `n'"),
        ("it\u2019s \u2018", "'it\u2019\u2019s \u2018\u2018'"),  # PowerShell takes these for quotes
        ("a\nb", "'a' + \"`n\" + 'b'"),
    ],
)
def test_powershell_quoting(value: str, quoted: str) -> None:
    assert export_statements({"X": value}, "powershell") == f"$env:X = {quoted};"


def test_json_is_json() -> None:
    assert json.loads(export_statements(VARIABLES, "json")) == VARIABLES


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "json"])
def test_each_statement_is_one_line(shell: str) -> None:
    assert len(export_statements(VARIABLES, shell).splitlines()) == len(VARIABLES)
    assert os.linesep not in export_statements({"X": "a\nb"}, shell)
