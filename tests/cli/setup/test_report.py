"""A change as text: no secret in a preview, all of it in the exact diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.cli.settings_edit.edited_files import Change
from teamclaude.cli.settings_edit.json_edit import ByName
from teamclaude.cli.setup.report import diff_of, hide_secrets, readable_by_others, shown_path, undone


def test_a_path_below_home() -> None:
    env = {"HOME": "/home/u"}
    assert shown_path(Path("/home/u/.claude/settings.json"), env) == "~/.claude/settings.json"
    assert shown_path(Path("/home/user2/x"), env) == "/home/user2/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"ANTHROPIC_API_KEY": "sk-ant-x\\"y", "a": "b"}', '{"ANTHROPIC_API_KEY": "...", "a": "b"}'),
        ('"ANTHROPIC_CUSTOM_HEADERS":"x-teamclaude-key: tc-1"', '"ANTHROPIC_CUSTOM_HEADERS":"..."'),
        ('"P": "http://teamclaude:tc-1@127.0.0.1:1"', '"P": "http://teamclaude:...@127.0.0.1:1"'),
        ('{"name": "GH_TOKEN",\n "value": "ghp"}', '{"name": "GH_TOKEN",\n "value": "..."}'),
        ('{"name": "ANTHROPIC_BASE_URL", "value": "http://h"}',) * 2,
        ('"db_password" : "p", "model": "m"', '"db_password" : "...", "model": "m"'),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


def test_a_diff() -> None:
    before = b'{\r\n  "a": 1,\r\n  "b": 2,\r\n  "c": 3\r\n}\r\n'
    after = before.replace(b"3\r\n", b'3,\r\n  "API_KEY": "tc-1"\r\n')
    change = Change("/s.json", before, after)
    assert list(diff_of(change, exact=False)) == [
        "--- /s.json",
        "+++ /s.json",
        "@@ -3,3 +3,4 @@",
        '   "b": 2,',
        '-  "c": 3',
        '+  "c": 3,',
        '+  "API_KEY": "..."',
        " }",
    ]
    assert '+  "API_KEY": "tc-1"' in diff_of(change, exact=True)
    assert next(diff_of(Change("/s.json", None, b"{}"), exact=True)) == f"--- {os.devnull}"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("f", b"{}", b""), "restored f"),
        (Change("f", b"{}", None), "removed f: setup had made it"),
        (Change("f", None, None), "f: is gone already"),
        (
            Change("f", b"{}", b"", [("env", "A"), ("x", ByName("B"))]),
            "restored f, except A, B: somebody has changed that since, and it stays",
        ),
    ],
)
def test_what_an_undo_has_done(change: Change, line: str) -> None:
    assert undone(change, "f") == line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_others_can_read(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    assert not readable_by_others(file)
    file.write_text("{}")
    file.chmod(0o600)
    assert not readable_by_others(file)
    file.chmod(0o644)
    assert readable_by_others(file)
