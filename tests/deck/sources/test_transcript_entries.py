"""What the lines of a transcript say, the last one first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.deck.sources.transcripts import (
    TranscriptFacts,
    parse_facts,
)
from tests.deck.claude_home import ClaudeHome

NOW = 1_795_428_000.0
user, assistant = ClaudeHome.user, ClaudeHome.assistant
tool_call, tool_result = ClaudeHome.tool_call, ClaudeHome.tool_result


def facts(*entries: dict[str, Any], titled: bool = True) -> TranscriptFacts:
    """Of a transcript with these entries, written as the client writes: compact."""
    lines = [json.dumps(entry, separators=(",", ":")).encode() for entry in entries]
    return parse_facts(reversed(lines), titled)


def note(kind: str, key: str, text: object) -> dict[str, Any]:
    return {"type": kind, key: text, "sessionId": "s"}


def test_the_newest_turn_counts_with_its_place() -> None:
    found = facts(user(NOW - 9, "go", cwd="/a", gitBranch="x"), assistant(NOW, "ok", cwd="/b", gitBranch="y"))
    assert (found.last_turn, found.cwd, found.branch) == (NOW, "/b", "y")


def test_what_is_written_at_idle_is_no_turn() -> None:
    found = facts(
        user(NOW - 9, "go"),
        {"type": "mode", "mode": "default", "timestamp": "2026-11-23T10:00:00Z"},
        {"type": "file-history-snapshot", "snapshot": {"timestamp": "2026-11-23T10:00:00Z"}},
        {"type": "system", "subtype": "api_error", "timestamp": "2026-11-23T10:00:00Z"},
        {"type": "attachment", "attachment": {"type": "user"}, "timestamp": "2026-11-23T10:00:00Z"},
        {"type": "queue-operation", "content": 'say "type":"user"', "timestamp": "2026-11-23T10:00:00Z"},
        note("last-prompt", "lastPrompt", "go"),
    )
    assert found.last_turn == NOW - 9


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", [], {}, True])
def test_an_entry_without_a_time_is_no_turn(timestamp: object) -> None:
    assert facts(user(NOW - 9, "go"), {"type": "assistant", "timestamp": timestamp}).last_turn == NOW - 9


def test_a_file_without_a_turn() -> None:
    assert facts(note("ai-title", "aiTitle", "T")) == TranscriptFacts(ai_title="T")


def test_a_call_waits_for_its_result_and_an_answer_ends_the_turn() -> None:
    assert (facts(tool_call(NOW)).calling, facts(tool_call(NOW)).ended) == (True, False)
    after = facts(tool_call(NOW - 1), tool_result(NOW))
    assert (after.calling, after.ended) == (False, False)
    assert (facts(assistant(NOW, "done")).calling, facts(assistant(NOW, "done")).ended) == (False, True)


def test_the_text_in_front_of_a_call_does_not_end_the_turn() -> None:
    text = assistant(NOW, "let me look")
    text["message"]["stop_reason"] = None
    assert facts(text).ended is False


def test_spaces_between_the_words_make_no_difference() -> None:
    lines = [json.dumps(user(NOW, "go")).encode(), json.dumps(note("ai-title", "aiTitle", "T")).encode()]
    assert (parse_facts(lines).last_turn, parse_facts(lines).title) == (NOW, "T")


# --- titles and prompts ---------------------------------------------------------------------------


def test_the_users_own_title_goes_first_then_the_newest() -> None:
    old, new = note("ai-title", "aiTitle", "old"), note("ai-title", "aiTitle", "new")
    assert facts(old, new).title == "new"
    assert facts(note("custom-title", "customTitle", "mine"), new).title == "mine"
    assert facts(note("custom-title", "customTitle", ""), new).title == "new"


def test_the_last_prompt_is_the_note_or_the_newest_prompt_itself() -> None:
    assert facts(user(NOW - 9, "first"), note("last-prompt", "lastPrompt", "noted")).prompt == "noted"
    assert facts(user(NOW - 9, "first"), user(NOW - 5, "second"), assistant(NOW, "ok")).prompt == "second"
    blocks = user(NOW, "")
    blocks["message"]["content"] = [{"type": "image"}, {"type": "text", "text": "see picture"}]
    assert facts(blocks).prompt == "see picture"


@pytest.mark.parametrize(
    "entry",
    [
        tool_result(NOW),
        user(NOW, "Caveat: the messages below", isMeta=True),
        user(NOW, "<command-name>/clear</command-name>"),
        user(NOW, "[Request interrupted by user]"),
        user(NOW, "   "),
        {**user(NOW, ""), "message": "text"},
        {**user(NOW, ""), "message": {"content": [5, None, {"type": "text", "text": 7}]}},
    ],
)
def test_what_the_client_writes_in_the_users_name_is_no_prompt(entry: dict[str, Any]) -> None:
    assert facts(user(NOW - 9, "the prompt"), entry).prompt == "the prompt"


def test_a_sub_agent_has_neither_title_nor_prompt_to_look_for() -> None:
    assert facts(user(NOW - 9, "go"), assistant(NOW, "ok"), titled=False).prompt == ""


def test_hostile_titles_are_clean_and_bounded() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\u0000title" + "x" * 9000
    found = facts(note("ai-title", "aiTitle", evil), user(NOW, evil, cwd=f"/w/{evil}", gitBranch=evil))
    for text in (found.title, found.prompt, found.cwd, found.branch):
        assert "title" in text
        assert text.isprintable()
        assert "owned" not in text
        assert len(text) <= 1024
    assert len(found.title) == 200


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"type":"assistant"',
        b"[" * 5000,
        b'{"type":"ai-title","aiTitle":5}',
        b"null",
        b"5",
    ],
)
def test_broken_lines_are_ignored(line: bytes) -> None:
    turn = json.dumps(user(NOW, "go")).encode()
    assert parse_facts([line, turn]) == parse_facts([turn])


def test_a_line_of_nested_brackets_is_no_turn_and_no_error() -> None:
    deep = b'{"type":"user","message":' + b"[" * 100_000
    assert parse_facts([deep, json.dumps(user(NOW, "go")).encode()]).last_turn == NOW


def test_reading_the_whole_file_stops_when_turn_and_title_are_found() -> None:
    def lines() -> Any:
        yield json.dumps(user(NOW, "go")).encode()
        yield json.dumps(note("ai-title", "aiTitle", "T")).encode()
        pytest.fail("went on")

    assert parse_facts(lines(), until_found=True).title == "T"


def test_new_facts_replace_old_ones() -> None:
    old = TranscriptFacts(NOW - 9, True, False, "/a", "x", "mine", "ai", "p")
    assert TranscriptFacts().merged_over(old) == old
    assert TranscriptFacts(NOW, False, True, "", "", "", "new", "").merged_over(old) == TranscriptFacts(
        NOW, False, True, "/a", "x", "mine", "new", "p"
    )
