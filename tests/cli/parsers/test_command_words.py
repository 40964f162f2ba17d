"""The commands as data: every option, and what a shell offers for it."""

from __future__ import annotations

import argparse

import pytest

from teamclaude.cli.dispatch import COMMANDS, find_command, parser_for
from teamclaude.cli.parsers.command_words import NOTHING, VALUES, Value, all_commands

WORDS = {command.name: command for command in all_commands()}


def test_every_command_with_every_option_is_there() -> None:
    assert list(WORDS) == [command.name for command in COMMANDS]
    for name, words in WORDS.items():
        parser = parser_for(find_command(name))
        shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
        known = {option for action in shown for option in action.option_strings}
        assert {option for each in words.options for option in each.names} == known
        assert parser._subparsers is None, f"{name}: the scripts know no parsers below parsers"


def test_every_metavar_has_a_kind() -> None:
    used = {
        action.metavar
        for command in COMMANDS
        for action in parser_for(command)._actions
        if isinstance(action.metavar, str) and not action.choices and action.nargs != 0
    }
    assert used - set(VALUES) - {"TOPIC", "WHAT"} == set()


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("run", "--account", Value("accounts")),
        ("switch", "--session", Value("sessions")),
        ("server", "--log-to", Value("directories")),
        ("lab", "--traffic", Value("files")),
        ("env", "--shell", Value("words", ("sh", "fish", "powershell", "json"))),
        ("server", "--port", NOTHING),
        ("status", "--json", None),
    ],
)
def test_what_an_option_takes(command: str, option: str, value: Value) -> None:
    (found,) = [each for each in WORDS[command].options if option in each.names]
    assert found.value == value


def test_what_a_word_can_be() -> None:
    assert [place.value for place in WORDS["priority"].places] == [Value("accounts"), NOTHING]
    assert WORDS["record"].places[0].value.words == ("on", "off", "status")
    assert {"status", "security"} <= set(WORDS["help"].places[0].value.words)
    assert "price" in next(o for o in WORDS["lab"].options if "--policy" in o.names).value.words  # type: ignore[union-attr]
    assert [name for name, words in WORDS.items() if words.passes_on] == ["run"]


def test_helps_are_filled_in() -> None:
    helps = [option.help for words in WORDS.values() for option in words.options]
    assert [text for text in helps if "%(" in text or not text] == []
    assert argparse.SUPPRESS not in helps
