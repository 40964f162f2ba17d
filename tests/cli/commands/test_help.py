"""`teamclaude help`: the list, a command, or a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from teamclaude.manual import page, topics
from teamclaude.metrics.families import all_families
from tests.cli.support import Ended


def test_the_topics_are_the_pages() -> None:
    assert {"config", "errors", "routing", "security"} <= set(topics())
    with pytest.raises(KeyError):
        page("../cli/help")


FOR_PROGRAMS = {"client-versions", "metrics-board", "metrics-rules"}


@pytest.mark.parametrize("topic", sorted(set(topics()) - FOR_PROGRAMS))
def test_every_page_is_printed_and_fits_a_terminal(cli: Callable[..., Ended], topic: str) -> None:
    ended = cli("help", topic)
    assert ended.status == 0
    assert ended.out.startswith(page(topic).splitlines()[0])
    assert [line for line in ended.out.splitlines() if len(line) > 79] == []


@pytest.mark.parametrize("topic", sorted(FOR_PROGRAMS))
def test_a_file_for_another_program_is_printed_as_it_is(cli: Callable[..., Ended], topic: str) -> None:
    assert cli("help", topic).out == page(topic)
    assert page(topic).isascii(), "no terminal or locale changes it"


def test_help_lists_every_metric_with_its_labels(cli: Callable[..., Ended]) -> None:
    listed = cli("help", "metrics").out.partition("All metrics")[2]
    names = [line for line in listed.splitlines() if line and line[0] not in " -"]
    assert names == [family.sample_name for family in all_families()]
    assert "    (counter: kind, account, model, outcome, code)\n" in listed


def test_help_on_a_command(cli: Callable[..., Ended]) -> None:
    assert cli("help", "status").out == cli("status", "--help").out


def test_help_on_nothing_known(cli: Callable[..., Ended]) -> None:
    assert cli("help", "confg") == (2, "", 'teamclaude: no help on "confg"; did you mean "config"?\n')
    told = 'teamclaude: no help on "zzz" (teamclaude help lists the topics)\n'
    assert cli("help", "zzz") == (2, "", told)
