"""The user's rules with the real client: what it gets to see, and where its work goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.e2e.client_environment import ClientEnvironment
from tests.e2e.test_e2e_client import tool

pytestmark = pytest.mark.e2e


def use(environment: ClientEnvironment, **rules: Any) -> None:
    """Put rules into the config file, and have it read."""
    document = {**json.loads(environment.config.read_text()), **rules}
    environment.config.write_text(json.dumps(document))
    environment.service.reload()


def test_a_block_is_shown_once_and_not_asked_again(either: ClientEnvironment) -> None:
    use(either, routes=[{"match": "claude-*", "block": "Not today: ask Ann."}])
    ended = either.teamclaude_run("-p", "hello")
    assert (ended.status, either.turns, len(either.tee.turns)) == (1, [], 1)
    assert "403 Not today: ask Ann." in ended.out


def test_an_account_that_may_not_serve_is_refused_at_once(either: ClientEnvironment) -> None:
    unknown = either.teamclaude_run("--account", "nobody", "-p", "hello")
    assert (unknown.status, 'no account is called "nobody"' in unknown.err) == (2, True)
    use(either, routes=[{"match": "claude-*", "accounts": ["alice"]}])
    forbidden = either.teamclaude_run("--account", "bob", "-p", "hello")
    assert "403 routes[0] allows only alice, not bob" in forbidden.out
    assert (either.turns, len(either.tee.turns)) == ([], 1)


def test_work_in_a_pinned_directory_goes_to_its_account(either: ClientEnvironment) -> None:
    use(either, pins={str(either.project): "carol"})
    either.project = below = either.project / "sub dir é"
    below.mkdir()
    assert either.teamclaude_run("-p", "hello").status == 0
    (sent,), (turn,) = either.tee.turns, either.turns
    assert (sent.header("x-teamclaude-project") or "").endswith("/sub dir %C3%A9")
    assert (turn.account, turn.header("x-teamclaude-project")) == ("carol", None)
    either.assert_passed_on(either.turns)


def test_a_model_and_sub_agents_have_accounts_of_their_own(either: ClientEnvironment) -> None:
    if either.version == "2.1.112":
        pytest.skip("2.1.112 names no agents")
    opus, agents = {"match": "claude-opus-*", "accounts": ["alice"]}, {"agent": True}
    use(either, routes=[opus, {"match": agents, "accounts": ["bob"]}])
    asked = {"description": "look", "prompt": "look", "subagent_type": "general-purpose", "model": "haiku"}
    either.api.script.reply_with(
        "Nothing.", when=lambda ask: ask.header("x-claude-code-agent-id") is not None
    )
    either.api.script.reply_with([tool("Agent", **asked, run_in_background=False)], "Done.")
    ended = either.teamclaude_run("-p", "send one", "--model", "opus", "--allowedTools", "Agent Task")
    assert ended.out == "Done.\n"
    assert [turn.account for turn in either.turns] == ["alice", "bob", "alice"]
    either.assert_quiet()


def test_a_route_whose_account_is_away_does_not_leak(either: ClientEnvironment) -> None:
    opus = {"match": "claude-opus-*", "accounts": ["alice"]}
    use(either, routes=[opus], allThrottledHoldBudgetSec=1)
    either.api.script.once(Fault.quota("5h", reset_in=3600.0))
    ended = either.teamclaude_run("-p", "hello", "--model", "opus")
    assert (ended.status, [turn.account for turn in either.turns]) == (1, ["alice"])
    assert "(routes[0] allows only alice)" in ended.out


def test_a_conversation_leaves_an_account_that_has_reached_its_part(either: ClientEnvironment) -> None:
    first = either.claude("hello")
    home = either.turns[0].account
    use(either, maxUsage={"5h": 0.6})
    account = next(each for each in either.api.accounts.values() if each.name == home)
    account.fill("5h", 0.61, either.api.clock(), reset_in=3600.0)
    for _ in range(2):  # the first tells of it
        assert either.claude("more", "--resume", first.answer["session_id"]).status == 0
    assert either.turns[1].account == home != either.turns[2].account
    either.assert_quiet()
