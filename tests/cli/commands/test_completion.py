"""`teamclaude completion`: the script, and mistakes.  What the scripts do: tests/cli/parsers/."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.support import Ended


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_complete(cli: Callable[..., Ended], shell: str) -> None:
    ended = cli("completion", shell)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("#")
    assert ended.out.endswith("\n")
    assert "--first-party" in ended.out
    assert "@COMMAND" not in ended.out


def test_a_shell_is_named(cli: Callable[..., Ended]) -> None:
    told = "teamclaude: name the shell: bash, zsh, fish (teamclaude completion --help)\n"
    assert cli("completion") == (2, "", told)
    assert cli("completion", "tcsh").status == 2
    assert cli("completion", "--names", "keys").status == 2
