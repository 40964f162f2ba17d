"""Claude Code through the proxy: turns, tools, continued conversations, many at once, a full window."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.fakeapi.api_script import RequestView
from teamclaude.fakeapi.fault import Fault
from tests.e2e.client_environment import CLIENT_TOKEN, ClientEnvironment, Ended, end

pytestmark = pytest.mark.e2e

CROWD = 8
BIG = 2_000_000


def tool(name: str, **given: Any) -> dict[str, Any]:
    """Return a content block that makes the client use a tool."""
    return {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:20]}", "name": name, "input": given}


def said(ended: Ended) -> str:
    """Return what the client printed; assert that it met no error."""
    assert ended.status == 0, ended
    assert ended.answer["is_error"] is False, ended
    return str(ended.answer["result"])


def tool_results(body: bytes) -> list[str]:
    """Return the texts of the tool results in a request body."""
    messages = json.loads(body)["messages"]
    blocks = [block for m in messages if isinstance(m["content"], list) for block in m["content"]]
    return [json.dumps(block["content"]) for block in blocks if block["type"] == "tool_result"]


def names(word: str) -> Callable[[RequestView], bool]:
    """Return the condition that a request's body contains `word`."""
    return lambda asked: word.encode() in asked.body


def test_one_turn(either: ClientEnvironment) -> None:
    either.api.script.reply_with("Hello from the API.")
    ended = either.claude("hello")
    assert said(ended) == "Hello from the API."
    (turn,) = either.turns
    assert (turn.status, turn.outcome) == (200, "answered")
    binding = either.bindings[ended.answer["session_id"], None]
    assert (binding["account"], binding["requests"]) == (turn.account, 1)
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_a_login_of_the_clients_own_reaches_only_the_proxy(environment: ClientEnvironment) -> None:
    environment.log_in()
    said(environment.claude("hello"))
    (sent,) = environment.tee.turns
    assert sent.header("authorization") == f"Bearer {CLIENT_TOKEN}"
    (turn,) = environment.turns
    assert CLIENT_TOKEN not in str(turn.headers)
    # The client still acts as for a subscription: it asks for the one-hour prompt cache.
    assert b'"ttl":"1h"' in turn.body


def test_a_turn_with_tools(either: ClientEnvironment) -> None:
    note = either.project / "note.txt"
    note.write_text("the tide is high\n")
    either.api.script.reply_with(
        [tool("Bash", command="echo $((6 * 7))", description="multiply")],
        [tool("Read", file_path=str(note))],
        "Both done.",
    )
    ended = either.claude("use your tools", "--allowedTools", "Bash Read")
    assert said(ended) == "Both done."
    assert len(either.turns) == 3
    multiplied, read = tool_results(either.turns[2].body)
    assert "42" in multiplied
    assert "the tide is high" in read
    assert {turn.account for turn in either.turns} == {either.turns[0].account}
    assert either.bindings[ended.answer["session_id"], None]["requests"] == 3
    either.assert_passed_on(either.turns)
    either.assert_quiet()


# Not one of those that auto mode takes for harmless without a check (2.1.330: mkdir, rm, echo are).
RISKY = "python3 -c 'import os; os.mkdir(\"made\")'"


def in_auto_mode(environment: ClientEnvironment, verdict: Optional[str]) -> Ended:
    """Run a turn in which the API checks one tool use with `verdict` (None: it reports nothing)."""
    if environment.version == "2.1.112":
        pytest.skip("2.1.112 has no auto mode")
    environment.api.endpoints.safeguard_verdict = verdict
    environment.api.script.reply_with([tool("Bash", command=RISKY, description="make a folder")], "Done.")
    ended = environment.claude("make a folder", "--permission-mode", "auto")
    first = json.loads(environment.turns[0].body)
    assert [each["type"] for each in first["safeguards"]] == ["dangerous_tool_use"]
    assert "dangerous-tool-use-2026-09-03" in (environment.turns[0].header("anthropic-beta") or "")
    environment.assert_passed_on(environment.turns)
    return ended


def test_in_auto_mode_a_checked_tool_use_runs(either: ClientEnvironment) -> None:
    ended = in_auto_mode(either, "not_flagged")
    assert said(ended) == "Done."
    assert (either.project / "made").is_dir()
    assert either.records[0]["outputTokens"] > 0
    either.assert_quiet()


def test_in_auto_mode_a_tool_use_that_the_api_flags_does_not_run(either: ClientEnvironment) -> None:
    said(in_auto_mode(either, "flagged"))
    assert "denied" in tool_results(either.turns[1].body)[0]
    assert not (either.project / "made").exists()


def test_in_auto_mode_nothing_runs_without_a_verdict(either: ClientEnvironment) -> None:
    """Shows that the checks above can fail: a proxy that drops the verdict has this effect."""
    ended = in_auto_mode(either, None)
    assert "safety check" in ended.err
    assert "127.0.0.1" in ended.err
    assert "Auto mode is unavailable" in tool_results(either.turns[1].body)[0]
    assert not (either.project / "made").exists()


def test_a_conversation_continues_where_its_cache_is(either: ClientEnvironment) -> None:
    either.api.script.reply_with("One.", "Two.", "Three.")
    first = either.claude("first")
    session = first.answer["session_id"]
    assert said(first) == "One."
    assert said(either.claude("second", "--continue")) == "Two."
    assert said(either.claude("third", "--resume", session)) == "Three."
    assert list(either.bindings) == [(session, None)]
    assert {turn.account for turn in either.turns} == {either.turns[0].account}
    assert b"One." in either.turns[2].body
    assert b"Two." in either.turns[2].body
    assert either.bindings[session, None]["cacheReadTokens"] > 0
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_a_sub_agent_is_bound_by_itself_beside_its_parent(either: ClientEnvironment) -> None:
    if either.version == "2.1.112":
        pytest.skip("2.1.112 names no agents: theirs are requests of the session (measured)")
    script = either.api.script
    script.reply_with("Nothing found.", when=lambda asked: asked.header("x-claude-code-agent-id") is not None)
    script.reply_with(
        [
            tool(
                "Agent",
                description="look around",
                prompt="look around",
                subagent_type="general-purpose",
                run_in_background=False,
            )
        ],
        "My agent found nothing.",
        when=lambda asked: asked.header("x-claude-code-agent-id") is None,
    )
    ended = either.claude("send an agent", "--allowedTools", "Agent Task")
    assert said(ended) == "My agent found nothing."
    session = ended.answer["session_id"]
    (agent,) = [turn for turn in either.turns if turn.header("x-claude-code-agent-id")]
    name = agent.header("x-claude-code-agent-id")
    parent, child = either.bindings[session, None], either.bindings[session, name]
    assert (parent["requests"], child["requests"]) == (2, 1)
    assert agent.account == either.turns[0].account == child["account"]
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_many_clients_at_once(either: ClientEnvironment) -> None:
    for number in range(CROWD):
        either.api.script.reply_with(f"Hello {number}.", when=names(f"caller {number}"))
    children = [either.start(f"I am caller {number}") for number in range(CROWD)]
    ends = [end(child) for child in children]
    assert [said(ended) for ended in ends] == [f"Hello {number}." for number in range(CROWD)]
    assert len(either.turns) == CROWD
    assert set(either.bindings) == {(ended.answer["session_id"], None) for ended in ends}
    assert len({turn.account for turn in either.turns}) > 1
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_a_prompt_of_two_megabytes(either: ClientEnvironment) -> None:
    line = "All work and no play makes a dull prompt. «äöü»\n"
    ended = either.claude(stdin=line * (BIG // len(line.encode())))
    said(ended)
    # 2.1.112 then compacts the conversation.
    assert len([turn for turn in either.turns if turn.size > BIG]) == 1
    either.assert_passed_on(either.turns)
    either.assert_quiet()


def test_a_full_window_is_not_seen_by_the_client(either: ClientEnvironment) -> None:
    script = either.api.script
    script.reply_with([tool("Bash", command="echo working", description="work")], "All done.")
    script.once(Fault.quota("5h"), nth=2)
    ended = either.claude("work", "--allowedTools", "Bash")
    assert said(ended) == "All done."
    first, refused, retried = either.turns
    assert [turn.status for turn in either.turns] == [200, 429, 200]
    assert first.account == refused.account != retried.account
    assert refused.body == retried.body
    assert either.bindings[ended.answer["session_id"], None]["account"] == retried.account
    assert either.records[1]["accounts"] == [refused.account, retried.account]
    either.assert_passed_on([first, retried])
    either.assert_quiet()


def test_a_conversation_stays_where_it_moved_to(either: ClientEnvironment) -> None:
    first = either.claude("first")
    said(first)
    either.api.script.once(Fault.quota("5h"))
    said(either.claude("second", "--continue"))
    said(either.claude("third", "--continue"))
    one, refused, two, three = either.turns
    assert one.account == refused.account != two.account == three.account
    either.assert_passed_on([one, two, three])
    either.assert_quiet()
