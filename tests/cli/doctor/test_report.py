"""The report: lines that fit the terminal, and JSON with the same."""

from __future__ import annotations

import json

from teamclaude.cli.doctor.finding import Action, Fix, Group, Kind, Level
from teamclaude.cli.doctor.report import report_json, report_lines

BAD = Kind("x.bad", Level.ERROR, "It matters.")
LOOSE = Kind("x.loose", Level.WARNING, "It matters a little.")
NOTE = Kind("x.note", Level.NOTE, "It matters to few.")
FIX = Fix("chmod 600 f", Action("chmod", "f", 0o600))
GROUPS = [
    Group("python", "3.11.2"),
    Group(
        "config",
        "c.json",
        [NOTE.found("a note", "look"), LOOSE.found("loose", "chmod 600 f", FIX), BAD.found("bad")],
    ),
    Group("claude", "", [BAD.found("missing")]),
]


def test_a_line_for_a_group_that_is_well_and_the_worst_finding_first() -> None:
    assert report_lines(GROUPS, 80, color=False) == [
        "python        ok       3.11.2",
        "config                 c.json",
        "              error    bad",
        "                       It matters.",
        "              warning  loose",
        "                       It matters a little.",
        "                       -> chmod 600 f",
        "              note     a note -> look",
        "claude        error    missing",
        "                       It matters.",
    ]


def test_quiet_leaves_notes_out() -> None:
    groups = [Group("config", "c.json", [NOTE.found("a note")]), Group("other", "", [NOTE.found("more")])]
    assert report_lines(groups[:1], 80, False)[0] == "config        ok       c.json"
    assert report_lines(groups, 80, False, notes=False) == [
        "config        ok       c.json",
        "other         ok",
    ]


def test_lines_fit_and_words_of_commands_stay_whole() -> None:
    long = "/a" * 40
    lines = report_lines([Group("g", "", [LOOSE.found("words " * 30, f"chmod 600 {long}")])], 60, False)
    assert [line for line in lines if len(line) > 60 and long not in line] == []
    assert any(line.endswith(long) for line in lines)


def test_a_narrow_terminal_still_gets_lines() -> None:
    assert report_lines(GROUPS, 1, False)


def test_color_is_around_the_level() -> None:
    assert "\x1b[31merror\x1b[0m    bad" in "\n".join(report_lines(GROUPS, 80, color=True))


def test_what_a_terminal_obeys_is_not_shown() -> None:
    group = Group("g", "a\x1b[2Jb", [BAD.found("x\x07\ny", "do\x9b1m")])
    text = "\n".join(report_lines([group], 80, False)) + json.dumps(
        report_json([group], []), ensure_ascii=False
    )
    assert not any(char in text for char in "\x1b\x07\x9b")


def test_json_has_all_of_it() -> None:
    found = report_json(GROUPS, ["chmod 600 f"])
    assert (found["schema"], found["level"], found["exitStatus"], found["fixed"]) == (
        1,
        "error",
        2,
        ["chmod 600 f"],
    )
    assert [(group["name"], group["level"]) for group in found["groups"]] == [
        ("python", "ok"),
        ("config", "error"),
        ("claude", "error"),
    ]
    assert found["groups"][1]["findings"][1] == {
        "id": "x.loose",
        "level": "warning",
        "text": "loose",
        "why": "It matters a little.",
        "mend": "chmod 600 f",
        "fix": "chmod 600 f",
    }
