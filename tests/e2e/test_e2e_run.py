"""`teamclaude run` with the real client: it finds the proxy, and its exit status is the client's."""

from __future__ import annotations

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.e2e.client_environment import ClientEnvironment

pytestmark = pytest.mark.e2e


def test_run(either: ClientEnvironment) -> None:
    either.api.script.reply_with("Hello from the API.")
    ended = either.teamclaude_run("--", "-p", "hello")
    assert (ended.status, ended.out, ended.err) == (0, "Hello from the API.\n", "")
    (turn,) = either.turns
    assert turn.header("x-claude-code-session-id") in {session for session, _ in either.bindings}
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_the_account_that_is_named_serves_it(environment: ClientEnvironment) -> None:
    for name in ("carol", "bob"):
        assert environment.teamclaude_run("--account", name, "-p", "hello").status == 0
    assert [turn.account for turn in environment.turns] == ["carol", "bob"]


def test_the_exit_status_is_the_clients(environment: ClientEnvironment) -> None:
    words = "prompt is too long: 2000000 tokens > 1000000 maximum"
    environment.api.script.always(Fault.status(400, words))
    ended = environment.teamclaude_run("-p", "hello")
    assert ended.status == 1
    assert "rompt is too long" in ended.out
    assert [turn.status for turn in environment.turns] == [400, 400], "two accounts say the same"
