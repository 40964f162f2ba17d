"""`teamclaude help`: the list, a command, or a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamclaude.manual import page, topics
from tests.cli.support import Ended


def test_the_topics_are_the_pages() -> None:
    assert {"config", "errors", "routing", "security"} <= set(topics())
    with pytest.raises(KeyError):
        page("../cli/help")


@pytest.mark.parametrize("topic", topics())
def test_every_page_is_printed_and_fits_a_terminal(cli: Callable[..., Ended], topic: str) -> None:
    ended = cli("help", topic)
    assert ended.status == 0
    assert ended.out.startswith(page(topic).splitlines()[0])
    assert [line for line in ended.out.splitlines() if len(line) > 79] == []


def test_help_on_a_command(cli: Callable[..., Ended]) -> None:
    assert cli("help", "status").out == cli("status", "--help").out


def test_help_on_nothing_known(cli: Callable[..., Ended]) -> None:
    assert cli("help", "confg") == (2, "", 'teamclaude: no help on "confg"; did you mean "config"?\n')
    told = 'teamclaude: no help on "zzz" (teamclaude help lists the topics)\n'
    assert cli("help", "zzz") == (2, "", told)
