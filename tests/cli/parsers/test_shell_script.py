from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from teamclaude.cli.parsers.bash import bash_script
from teamclaude.cli.parsers.command_words import CommandWords, all_commands
from teamclaude.cli.parsers.fish import fish_script
from teamclaude.cli.parsers.shell_script import completed_values
from teamclaude.cli.parsers.zsh import zsh_script

Script = Callable[[Sequence[CommandWords], Sequence[str]], str]


@pytest.mark.parametrize("script", [bash_script, zsh_script, fish_script])
def test_every_part_is_filled_and_every_value_is_in_every_script(script: Script) -> None:
    commands = all_commands()
    text = script(commands, ["/a b/python", "-m", "teamclaude"])
    assert re.findall(r"@[A-Z_]+@", text) == []
    assert "'/a b/python'" in text
    found = [(command.name, *value) for command in commands for value in completed_values(command)]
    assert ("priority", "1", "accounts") in found
    assert [each for each in found if f"'{each[0]} {each[1]}'" not in text or each[2] not in text] == []


def test_what_may_be_anything_is_not_completed() -> None:
    commands = {command.name: command for command in all_commands()}
    kinds = {kind.split()[0] for command in commands.values() for _, kind in completed_values(command)}
    assert "any" not in kinds
    assert {"accounts", "words"} <= kinds
