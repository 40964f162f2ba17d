"""`teamclaude help` and `explain`: pages for people."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from teamclaude.manual import page, topics
from tests.cli.support import Ended, Stub


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


RECORD = {"request": "tc-1", "method": "POST", "path": "/v1/messages", "outcome": "served", "attempts": []}


def test_explain_asks_for_the_last_request(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/last"] = (200, RECORD)
    ended = cli("explain")
    assert ended.status == 0
    assert ended.out.startswith("tc-1 POST /v1/messages\n")


def test_explain_asks_for_the_one_named(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/a%2Fb"] = (200, RECORD)
    assert json.loads(cli("explain", "a/b", "--json").out) == RECORD


def test_an_unknown_request(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/tc-0"] = (404, {"error": {"message": "No such request."}})
    assert cli("explain", "tc-0") == (1, "", "teamclaude: No such request.\n")
