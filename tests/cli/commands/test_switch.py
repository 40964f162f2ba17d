"""`teamclaude switch`: pins by name, by session, and off again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.support import Ended, Stub

STATUS = {
    "currentAccount": "bob",
    "accounts": [{"name": "alice", "status": "active"}, {"name": "bob", "status": "benched"}],
    "pins": [{"session": None, "account": "alice"}, {"session": "3f2a91c0-1", "account": "bob"}],
    "sessionBindings": [{"sid": "3f2a91c0-1"}, {"sid": "3f2a91c0-1", "agent": "x"}, {"sid": "3fff-2"}],
}


@pytest.fixture
def proxy(stub: Stub) -> Stub:
    stub.answers["GET /teamclaude/status"] = (200, STATUS)
    stub.answers["POST /teamclaude/switch"] = (200, {})
    return stub


def sent(proxy: Stub) -> Any:
    """The body of the POST."""
    return json.loads(proxy.asked[-1].body)


def test_the_list_shows_what_is_pinned(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch").out.splitlines() == [
        "alice  active, all work is pinned to it",
        "bob  benched, used last",
        "session 3f2a91c0-1 is pinned to bob",
    ]


def test_a_pin_of_everything(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch", "al") == (0, "", "all work is pinned to alice\n")
    assert sent(proxy) == {"account": "alice"}


def test_a_pin_of_one_session_by_its_beginning(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch", "bob", "--session", "3f2a") == (0, "", "session 3f2a91c0-1 is pinned to bob\n")
    assert sent(proxy) == {"account": "bob", "session": "3f2a91c0-1"}


def test_a_session_that_is_not_there_yet(proxy: Stub, cli: Callable[..., Ended]) -> None:
    cli("switch", "bob", "--session", "new-one")
    assert sent(proxy) == {"account": "bob", "session": "new-one"}


def test_pins_are_removed(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch", "--auto") == (0, "", "all work is routed automatically again\n")
    assert sent(proxy) == {"account": None}
    cli("switch", "--auto", "--session", "3ff")
    assert sent(proxy) == {"account": None, "session": "3fff-2"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--auto", "bob"], "give one of them"),
        (["--session", "x"], "needs the NAME"),
        (["nobody"], "alice, bob"),
        (["bob", "--session", "3f"], "3f2a91c0-1, 3fff-2"),
    ],
)
def test_wrong_words(proxy: Stub, cli: Callable[..., Ended], words: list[str], said: str) -> None:
    ended = cli("switch", *words)
    assert ended.status == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not any(path.startswith("POST") for path in proxy.paths)
