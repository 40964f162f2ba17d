"""`teamclaude enable`, `disable`, `priority` and `remove`: through the proxy, else in the file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from tests.cli.support import ALICE, BOB, Ended, Stub, accounts_in


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_running_proxy_is_asked_to_change_it(stub: Stub, cli: Callable[..., Ended], verb: str) -> None:
    path = f"/teamclaude/accounts/alice%40example.com/{verb}"
    stub.answers[f"POST {path}"] = (200, {})
    assert cli(verb, "alice") == (0, "", f"alice@example.com is {verb}d\n")
    assert stub.paths == [f"POST {path}"]


def test_what_the_proxy_says_of_it_is_shown(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["POST /teamclaude/accounts/bob/enable"] = (200, {"note": "its login can't be used: x"})
    assert cli("enable", "bob") == (0, "", "bob is enabled: its login can't be used: x\n")
    odd_ones: list[Any] = [{"note": 5}, {"note": None}, [], "x"]
    for odd in odd_ones:
        stub.answers["POST /teamclaude/accounts/bob/enable"] = (200, odd)
        assert cli("enable", "bob").err == "bob is enabled\n"


def test_without_one_the_file_is_changed(down: Path, cli: Callable[..., Ended]) -> None:
    assert cli("disable", "bob").status == 0
    assert accounts_in(down)["bob"] == {**BOB, "disabled": True}
    assert cli("enable", "bob").status == 0
    assert not accounts_in(down)["bob"].get("disabled")
    assert accounts_in(down)["alice@example.com"] == ALICE


def test_enabling_without_a_running_proxy_clears_its_saved_blocks(
    down: Path, cli: Callable[..., Ended]
) -> None:
    far = time.time() + 86400
    held = {
        "name": "bob",
        "benchUntil": far,
        "streak": 3,
        "authFailed": "no",
        "requests": 7,
        "windows": {"5h": [0.4, far, "allowed", 1.0], "7d": [1.0, far, "rejected", 1.0]},
    }
    state = down.with_name("teamclaude.state.json")
    keys = {account.name: account.key for account in ConfigFile(down, print).load().accounts}
    state.write_text(json.dumps({"version": 1, "accounts": dict.fromkeys(keys.values(), held)}))
    assert cli("enable", "bob").status == 0
    accounts = json.loads(state.read_text())["accounts"]
    assert accounts[keys["bob"]] == {
        "name": "bob",
        "requests": 7,
        "windows": {"5h": [0.4, far, "allowed", 1.0]},
    }
    assert accounts[keys["paid"]] == held


def test_a_refusal_of_the_proxy_is_shown(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["POST /teamclaude/accounts/bob/disable"] = (400, {"error": {"message": "not reloaded: x"}})
    assert cli("disable", "bob") == (1, "", "teamclaude: not reloaded: x\n")


@pytest.mark.parametrize("number", ["2", "-1"])
def test_priority(
    stub: Stub, config: Any, cli: Callable[..., Ended], private_home: Path, number: str
) -> None:
    stub.answers["POST /teamclaude/accounts/reload"] = (200, {"reloaded": True})
    assert cli("priority", "bob", number) == (0, "", f"bob has priority {number}\n")
    file = private_home / ".config" / "teamclaude.json"
    assert accounts_in(file)["bob"]["priority"] == int(number)
    assert stub.paths == ["POST /teamclaude/accounts/reload"]


def test_priority_needs_a_number(stub: Stub, cli: Callable[..., Ended]) -> None:
    assert cli("priority", "bob", "high").status == 2


def test_remove_with_yes(down: Path, cli: Callable[..., Ended]) -> None:
    assert cli("remove", "bob", "--yes") == (0, "", "bob is removed\n")
    assert list(accounts_in(down)) == ["alice@example.com", "paid"]


def test_remove_without_a_terminal(down: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("remove", "bob")
    assert ended.status == 2
    assert "--yes" in ended.err
    assert ended.err.count("\n") == 1
    assert "bob" in accounts_in(down)


@pytest.mark.parametrize(
    ("typed", "removed"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_remove_asks_on_a_terminal(
    down: Path, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, typed: str, removed: bool
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return typed

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    ended = cli("remove", "bob")
    assert f"Remove bob and its credentials from {down}? [y/N] " in ended.err
    assert ("bob" not in accounts_in(down)) is removed
    assert ended.status == (0 if removed else 1)


@pytest.mark.parametrize("words", [("remove", "--yes"), ("enable",), ("disable",), ("priority",)])
def test_a_name_must_be_unambiguous(
    config: Callable[..., Path], cli: Callable[..., Ended], words: tuple[str, ...]
) -> None:
    file = config({**ALICE, "name": "work-1"}, {**BOB, "name": "work-2"})
    before = file.read_text()
    tail = ["1"] if words[0] == "priority" else []
    ended = cli(words[0], "work", *words[1:], *tail)
    assert ended.status == 2
    assert "work-1, work-2" in ended.err
    assert ended.err.count("\n") == 1
    ended = cli(words[0], "nobody", *words[1:], *tail)
    assert ended.status == 2
    assert "work-1, work-2" in ended.err
    assert file.read_text() == before
