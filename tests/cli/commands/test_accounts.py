"""`teamclaude accounts` and the commands that change one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import AccountConfig
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.cli.account_rows import tier, token_state
from tests.cli.support import ALICE, BOB, Ended, Stub, accounts_in

NOW = 1_000_000.0


def account(**fields: Any) -> AccountConfig:
    return AccountConfig(name="a", **{"access_token": "sk-ant-oat01-FAKE", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rate_limit_tier": "default_claude_max_20x", "subscription_type": "max"}, "Max 20x"),
        ({"rate_limit_tier": "default_claude_max_5x"}, "Max 5x"),
        ({"subscription_type": "max"}, "Max"),
        ({"subscription_type": "pro"}, "Pro"),
        ({"subscription_type": "team", "rate_limit_tier": "default_raven"}, "Team"),
        ({"subscription_type": "something new"}, "something new"),
        ({}, ""),
        ({"type": "apikey", "api_key": "sk-ant-api03-FAKE"}, "API key"),
    ],
)
def test_tier(fields: dict[str, Any], expected: str) -> None:
    assert tier(account(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "auth_failed", "expected"),
    [
        ({"expires_at": NOW + 3 * 3600 + 12 * 60}, False, "valid 3h12m"),
        ({"expires_at": NOW + 299, "refresh_token": "r"}, False, "refresh due"),
        ({"expires_at": NOW - 1, "refresh_token": "r"}, False, "refresh due"),
        ({"expires_at": NOW + 299}, False, "valid 4m"),
        ({"expires_at": NOW - 1}, False, "expired"),
        ({}, False, "no expiry known"),
        ({"expires_at": NOW + 9999}, True, "re-login needed"),
        ({"expires_at": NOW + 9999, "refresh_token_expires_at": NOW - 1}, False, "re-login needed"),
        ({"access_token": None, "import_from": "/x.json"}, False, "follows Claude Code"),
        ({"import_from": "/x.json", "expires_at": NOW + 3600}, False, "follows Claude Code, valid 1h"),
        ({"access_token": None, "import_from": "/x.json"}, True, "re-login needed"),
        ({"type": "apikey", "api_key": "k"}, False, "key"),
    ],
)
def test_token_state(fields: dict[str, Any], auth_failed: bool, expected: str) -> None:
    assert token_state(account(**fields), NOW, auth_failed) == expected


def test_the_list_has_the_status_of_the_running_proxy(stub: Stub, cli: Callable[..., Ended]) -> None:
    live = [
        {"name": "alice@example.com", "status": "benched", "statusReason": "429, retry-after"},
        {"name": "bob", "status": "auth_failed"},
    ]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    ended = cli("accounts")
    assert (ended.status, ended.err) == (0, "")
    heading, alice, bob, paid = ended.out.splitlines()
    assert heading.split() == ["NAME", "TIER", "STATUS", "PRIORITY", "SOURCE", "TOKEN", "LOGIN"]
    assert "benched, 429, retry-after" in alice
    assert "auth_failed" in bob
    assert "re-login needed" in bob
    assert "API key" in paid
    assert "last resort" in paid


def test_without_a_proxy_the_status_is_not_known(down: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("accounts")
    assert ended.status == 0
    assert "—" in ended.out
    assert "no proxy is running" in ended.err


def test_details_on_request(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config({**ALICE, "orgName": "Acme", "orgUuid": "org-1", "accountUuid": "u-1", "expiresAt": 4102444800000})
    assert "org-1" not in cli("accounts").out
    out = cli("accounts", "-v").out
    assert "organisation:   Acme org-1" in out
    assert "account:        u-1" in out
    assert "token expires:  2" in out


DAY_MS = 86400 * 1000


@pytest.mark.parametrize(
    ("days", "left", "warned"), [(2.5, "2d12h", True), (27, "27d", False), (-1, "0s", False)]
)
def test_the_end_of_a_login_is_counted_down(
    config: Callable[..., Path], cli: Callable[..., Ended], days: float, left: str, warned: bool
) -> None:
    ends = int((time.time() + 30) * 1000 + days * DAY_MS)
    config(
        {**ALICE, "expiresAt": ends, "refreshToken": "sk-ant-ort01-FAKE", "refreshTokenExpiresAt": ends}, BOB
    )
    ended = cli("accounts")
    alice, bob = ended.out.splitlines()[1:]
    assert alice.split()[-1] == left
    assert bob.split()[-1] == "—"
    warning = f"the login of alice@example.com ends in {left}: teamclaude login renews it"
    assert (warning in ended.err) is warned
    assert "login of bob" not in ended.err
    assert ("re-login needed" in alice) is (days < 0)


def test_the_proxys_token_times_win(
    stub: Stub, config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config({"name": "c", "importFrom": "/x/.credentials.json"}, BOB, ALICE, port=stub.port)
    now_ms = round(time.time() * 1000)
    token = {"state": "valid", "expiresAt": now_ms + 3_630_000, "loginEndsAt": now_ms + 27 * DAY_MS + 30_000}
    refused = {"state": "re-login needed", "expiresAt": None, "reason": "the login is not valid any more"}
    live = [{"name": "c", "token": token}, {"name": "bob", "token": refused}, {"name": ALICE["name"]}]
    stub.answers["GET /teamclaude/status"] = (200, {"accounts": live})
    ended = cli("accounts", "-v")
    (c,) = (line for line in ended.out.splitlines() if line.startswith("c "))
    (bob,) = (line for line in ended.out.splitlines() if line.startswith("bob "))
    assert "follows Claude Code, valid 1h" in c
    assert c.split()[-1] == "27d"
    assert "re-login needed" in bob
    assert "    token:          the login is not valid any more" in ended.out


def test_details_name_the_file_that_is_followed(
    config: Callable[..., Path], cli: Callable[..., Ended]
) -> None:
    config({"name": "c", "importFrom": "/x/.credentials.json"})
    out = cli("accounts", "-v").out
    assert "follows Claude Code" in out
    assert "follows:        /x/.credentials.json" in out


def test_json_has_everything_but_secrets(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config(
        {
            **ALICE,
            "refreshToken": "sk-ant-ort01-FAKE",
            "expiresAt": 4102444800000,
            "priority": 3,
            "disabled": True,
        }
    )
    (row,) = json.loads(cli("accounts", "--json").out)
    assert row["name"] == "alice@example.com"
    assert row["priority"] == 3
    assert row["status"] == "disabled"
    assert row["expiresAt"] == 4102444800000
    assert row["tier"] is None


@pytest.mark.parametrize("words", [("accounts",), ("accounts", "-v"), ("accounts", "--json")])
def test_no_secret_is_ever_shown(stub: Stub, cli: Callable[..., Ended], words: tuple[str, ...]) -> None:
    ended = cli(*words)
    assert "alice@example.com" in ended.out
    assert "FAKE" not in ended.out + ended.err


def test_no_accounts(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config()
    ended = cli("accounts")
    assert (ended.status, ended.out) == (0, "")
    assert "has no accounts yet" in ended.err
    assert json.loads(cli("accounts", "--json").out) == []


# --- changes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_running_proxy_is_asked_to_change_it(stub: Stub, cli: Callable[..., Ended], verb: str) -> None:
    path = f"/teamclaude/accounts/alice%40example.com/{verb}"
    stub.answers[f"POST {path}"] = (200, {})
    assert cli(verb, "alice") == (0, "", f"alice@example.com is {verb}d\n")
    assert stub.paths == [f"POST {path}"]


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
