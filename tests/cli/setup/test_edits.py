"""The values for each kind of settings file, and the variables that one has."""

from __future__ import annotations

import json

import pytest

from teamclaude.cli.settings_edit.json_edit import ByName, JsonTextError
from teamclaude.cli.setup.edits import edits_for, names_of, require_strict, variables_in

VARIABLES = {"A": "1", "B": "2"}


def test_edits() -> None:
    assert edits_for("claude", VARIABLES) == [(("env", "A"), "1"), (("env", "B"), "2")]
    edits = edits_for("vscode", {"A": "1"})
    assert edits == [(("claudeCode.environmentVariables", ByName("A")), {"name": "A", "value": "1"})]
    assert names_of(edits) == ["A"]


@pytest.mark.parametrize(
    ("target", "value", "found"),
    [
        ("claude", {"env": {"A": "1", "N": 2}}, {"A": "1"}),
        ("claude", {"env": None}, {}),
        ("claude", [], {}),
        ("vscode", {"claudeCode.environmentVariables": [{"name": "A", "value": "1"}, 7, {}]}, {"A": "1"}),
        ("vscode", {"claudeCode.environmentVariables": {"A": "1"}}, {}),
        ("vscode", {"env": {"A": "1"}}, {}),
    ],
)
def test_variables_of_a_file(target: str, value: object, found: dict[str, str]) -> None:
    assert variables_in(target, json.dumps(value).encode()) == found
    assert variables_in(target, None) == {}


@pytest.mark.parametrize("text", ["", "\ufeff", " \n", '\ufeff{"a": 1}', "{}"])
def test_claude_code_reads_plain_json(text: str) -> None:
    require_strict(text.encode())
    require_strict(text.encode("utf-16-le") if text.startswith("\ufeff") else None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("// x\n{}", "has comments or trailing commas, for which Claude Code ignores the whole file"),
        ('{"a": 1,}', "has comments or trailing commas, for which Claude Code ignores the whole file"),
        ("// x", "has comments or trailing commas, for which Claude Code ignores the whole file"),
        ("{", "line 1, column 2: expected a key in double quotes or }"),
    ],
)
def test_claude_code_reads_nothing_else(text: str, problem: str) -> None:
    with pytest.raises(JsonTextError) as refusal:
        require_strict(text.encode())
    assert str(refusal.value) == problem
