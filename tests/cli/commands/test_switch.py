"""`teamclaude switch`: pins by name, by session, and off again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ended, Stub

STATUS = {
    "currentAccount": "bob",
    "accounts": [{"name": "alice", "status": "active"}, {"name": "bob", "status": "benched"}],
    "pins": [{"session": None, "account": "alice"}, {"session": "3f2a91c0-1", "account": "bob"}],
    "projectPins": [
        {"project": "/work/acme", "account": "alice", "configured": True},
        {"project": "/work/site", "account": "bob", "configured": False},
    ],
    "routes": [
        {"place": "routes[0]", "match": "claude-opus-*", "accounts": ["alice"], "block": ""},
        {"place": "routes[1]", "match": "sub-agents", "accounts": [], "block": "no agents"},
    ],
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
        "project /work/acme is pinned to alice (config file)",
        "project /work/site is pinned to bob",
        "routes[0]: claude-opus-*: only alice",
        "routes[1]: sub-agents: blocked (no agents)",
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
    assert cli("switch", "--auto", "--session", "3ff").err == (
        "session 3fff-2 was not pinned: nothing has changed\n"
    )
    assert sent(proxy) == {"account": None, "session": "3fff-2"}


def test_what_is_not_pinned_or_not_known_is_told(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch", "--auto", "--project", "/never").err == (
        "project /never was not pinned: nothing has changed\n"
    )
    assert cli("switch", "alice", "--session", "nosuch").err.splitlines() == [
        "session nosuch is pinned to alice",
        "no session with this id is known yet: nosuch goes to alice when it comes",
    ]
    assert (
        cli("switch", "alice", "--project", "/work/*")
        .err.splitlines()[1]
        .startswith('its "*" is no wildcard')
    )
    proxy.answers["GET /teamclaude/status"] = (200, {**STATUS, "pins": []})
    assert cli("switch", "--auto").err == "all work was not pinned: nothing has changed\n"


def test_a_pin_of_a_project_by_its_whole_path(
    proxy: Stub, cli: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("switch", "al", "--project") == (0, "", f"project {tmp_path} is pinned to alice\n")
    assert sent(proxy) == {"account": "alice", "project": str(tmp_path)}
    proxy.answers["POST /teamclaude/switch"] = (200, {"forbiddenBy": "routes[0]"})
    assert cli("switch", "al", "--project").err.splitlines()[1:] == [
        "without effect: routes[0] of the config file does not allow alice there"
    ]
    cli("switch", "al", "--project", "site/../a b/")
    assert sent(proxy) == {"account": "alice", "project": f"{tmp_path}/a b"}
    said = cli("switch", "--auto", "--project", "/work/site").err
    assert (said, sent(proxy)) == (
        "project /work/site is routed automatically again\n",
        {"account": None, "project": "/work/site"},
    )


def test_a_pin_of_the_config_file_is_told_when_it_stays(proxy: Stub, cli: Callable[..., Ended]) -> None:
    # While the other pin is there, the list leaves that of the config file out.
    over = {**STATUS, "projectPins": [{"project": "/work/acme", "account": "bob", "configured": False}]}
    proxy.answers["GET /teamclaude/status"] = (200, over)
    proxy.answers["POST /teamclaude/switch"] = (200, {"projectPins": STATUS["projectPins"]})
    assert cli("switch", "--auto", "--project", "/work/acme").err.splitlines() == [
        "project /work/acme is routed automatically again",
        "the config file still pins it to alice (pins)",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--auto", "bob"], "give one of them"),
        (["--session", "x"], "needs the NAME"),
        (["--project", "x"], "needs the NAME"),
        (["bob", "--project", "/x", "--session", "y"], "give one of them"),
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


@pytest.mark.parametrize("option", ["--project", "--session", "NAME"])
def test_an_empty_word_pins_nothing(option: str, proxy: Stub, cli: Callable[..., Ended]) -> None:
    words = [""] if option == "NAME" else ["alice", option, ""]
    ended = cli("switch", *words)
    line = f"teamclaude: {option} is empty: leave it out, or give a value (teamclaude switch --help)\n"
    assert ended == (2, "", line)
    assert proxy.asked == []


def test_a_directory_with_a_line_break_is_one_line(proxy: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("switch", "alice", "--project", "/a\nb").err == "project /a b is pinned to alice\n"
    assert sent(proxy)["project"] == "/a\nb"
