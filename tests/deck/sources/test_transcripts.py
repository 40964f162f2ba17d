"""Transcripts are read from their end, once; after that only what was appended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.deck.sources import transcripts
from teamclaude.deck.sources.files import FileStamp, stamp_of
from teamclaude.deck.sources.transcripts import (
    TAIL_BYTES,
    TranscriptFacts,
    TranscriptFile,
    lines_backwards,
    parse_facts,
)
from tests.deck.claude_home import ClaudeHome, session_id

NOW = 1_795_428_000.0
A = session_id(1)
user, assistant = ClaudeHome.user, ClaudeHome.assistant
tool_call, tool_result = ClaudeHome.tool_call, ClaudeHome.tool_result


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    return ClaudeHome(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all reads from here on."""
    sizes: list[int] = []
    read = transcripts._read

    def counted(descriptor: int, start: int, end: int) -> bytes:
        sizes.append(end - start)
        return read(descriptor, start, end)

    monkeypatch.setattr(transcripts, "_read", counted)
    return sizes


def stamp(path: Path) -> FileStamp:
    found = stamp_of(str(path))
    assert found is not None
    return found


def followed(path: Path, titled: bool = True) -> TranscriptFile:
    file = TranscriptFile(str(path), titled)
    file.update(stamp(path))
    return file


def filler(size: int) -> dict[str, Any]:
    return {"type": "attachment", "text": "x" * size, "timestamp": "2026-11-23T10:00:00Z"}


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
@pytest.mark.parametrize(
    "text", [b"", b"a", b"a\n", b"a\nbb\nccc", b"a\nbb\nccc\n", b"\n\n", b"\na\n\nb"], ids=repr
)
def test_lines_come_last_first_in_blocks_of_any_size(
    tmp_path: Path, text: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "BLOCK_BYTES", block)
    (tmp_path / "t").write_bytes(text)
    descriptor = os.open(tmp_path / "t", os.O_RDONLY)
    try:
        for start in range(len(text) + 1):
            lines = text[start:].split(b"\n")[::-1]
            assert list(lines_backwards(descriptor, start, len(text), at_line=True)) == lines
            assert list(lines_backwards(descriptor, start, len(text), at_line=False)) == lines[:-1]
    finally:
        os.close(descriptor)


def test_a_line_without_end_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MAX_LINE_BYTES", 5)
    monkeypatch.setattr(transcripts, "BLOCK_BYTES", 3)
    (tmp_path / "t").write_bytes(b"a\n1234567890\n12345\nb")
    descriptor = os.open(tmp_path / "t", os.O_RDONLY)
    try:
        assert list(lines_backwards(descriptor, 0, 20, at_line=True)) == [b"b", b"12345", b"a"]
    finally:
        os.close(descriptor)


# --- the first look -------------------------------------------------------------------------------


def test_the_first_look_is_at_the_tail_and_enough_when_all_is_there(
    home: ClaudeHome, reads: list[int]
) -> None:
    entries = [
        filler(900_000),
        {"type": "ai-title", "aiTitle": "T"},
        user(NOW - 1, "go"),
        assistant(NOW, "ok"),
    ]
    file = followed(home.transcript(A, NOW, entries=entries))
    assert (file.facts.last_turn, file.facts.title, file.facts.prompt) == (NOW, "T", "go")
    assert sum(reads) == TAIL_BYTES
    assert not file.incomplete


@pytest.mark.parametrize(
    "entries",
    [
        [user(NOW, "go"), filler(900_000), {"type": "ai-title", "aiTitle": "T"}],
        [{"type": "ai-title", "aiTitle": "T"}, filler(900_000), user(NOW, "go")],
        [{"type": "ai-title", "aiTitle": "T"}, user(NOW, "x" * 900_000)],
        [user(NOW - 9, "x"), user(NOW, "go"), {"type": "ai-title", "aiTitle": "T"}, filler(900_000)],
    ],
    ids=["turn", "title", "long turn", "both"],
)
def test_what_is_not_in_the_tail_is_found_by_one_look_at_the_whole(
    home: ClaudeHome, entries: list[dict[str, Any]]
) -> None:
    file = followed(home.transcript(A, NOW, entries=entries))
    assert file.incomplete
    assert file.read_whole() > 900_000
    assert (file.facts.last_turn, file.facts.title) == (NOW, "T")
    assert not file.incomplete


def test_the_whole_look_is_had_once(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW, entries=[filler(900_000), user(NOW, "go")])
    file = followed(path)
    file.read_whole()
    assert not file.incomplete
    assert file.facts.title == ""
    home.append(path, user(NOW + 5, "on"), at=NOW + 5)
    file.update(stamp(path))
    assert not file.incomplete
    assert file.facts.last_turn == NOW + 5


def test_a_small_file_and_a_sub_agents_need_no_whole_look(home: ClaudeHome) -> None:
    assert not followed(home.transcript(A, NOW)).incomplete
    path = home.transcript(A, NOW, entries=[filler(900_000), user(NOW, "go")])
    assert not followed(path, titled=False).incomplete


# --- later looks ----------------------------------------------------------------------------------


def test_only_what_was_appended_is_read(home: ClaudeHome, reads: list[int]) -> None:
    path = home.transcript(A, NOW, title="T")
    file = followed(path)
    size, _ = path.stat().st_size, reads.clear()
    home.append(path, user(NOW + 5, "more"), at=NOW + 5)
    assert file.update(stamp(path)) is True
    assert sum(reads) == path.stat().st_size - size
    assert (file.facts.last_turn, file.facts.prompt, file.facts.title) == (NOW + 5, "more", "T")


def test_an_unchanged_file_is_not_opened(home: ClaudeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.transcript(A, NOW)
    file = followed(path)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    assert file.update(stamp(path)) is False


def test_metadata_at_idle_moves_the_file_but_not_the_turn(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW)
    file = followed(path)
    home.append(path, {"type": "mode", "mode": "plan"}, {"type": "ai-title", "aiTitle": "T2"}, at=NOW + 3600)
    file.update(stamp(path))
    assert (file.facts.last_turn, file.facts.title, file.modified) == (NOW, "T2", NOW + 3600)


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW)
    file = followed(path)
    line = json.dumps(user(NOW + 5, "slowly")) + "\n"
    for part, prompt in ((line[:30], "please do it"), (line[30:], "slowly")):
        with path.open("a") as out:
            out.write(part)
        file.update(stamp(path))
        assert file.facts.prompt == prompt
    assert file.facts.last_turn == NOW + 5


def test_a_last_line_without_its_break_is_read_already(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW)
    path.write_text(path.read_text() + json.dumps(user(NOW + 5, "no break")))
    assert followed(path).facts.last_turn == NOW + 5


def _rewritten(home: ClaudeHome, path: Path) -> None:
    path.write_text(json.dumps(user(NOW + 9, "new")) + "\n")


def _replaced(home: ClaudeHome, path: Path) -> None:
    other = home.write_lines(
        path.with_name("other"), [filler(50), filler(5000), user(NOW + 9, "new")], NOW + 9
    )
    other.replace(path)


@pytest.mark.parametrize("change", [_rewritten, _replaced])
def test_a_file_that_was_cut_or_replaced_is_read_anew(
    home: ClaudeHome, change: Callable[[ClaudeHome, Path], None]
) -> None:
    path = home.transcript(A, NOW, title="old title")
    file = followed(path)
    change(home, path)
    file.update(stamp(path))
    assert (file.facts.last_turn, file.facts.prompt, file.facts.title) == (NOW + 9, "new", "")


def test_of_very_much_at_once_only_the_tail_is_read(
    home: ClaudeHome, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MAX_APPENDED_BYTES", 200_000)
    path = home.transcript(A, NOW, title="T")
    file = followed(path)
    reads.clear()
    home.append(path, filler(300_000), user(NOW + 5, "later"), at=NOW + 5)
    file.update(stamp(path))
    assert sum(reads) == TAIL_BYTES
    assert (file.facts.last_turn, file.facts.title) == (NOW + 5, "T")


def test_of_not_so_much_all_is_read_however_large_the_file(
    home: ClaudeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MAX_APPENDED_BYTES", 200_000)
    path = home.transcript(A, NOW, entries=[filler(300_000), user(NOW, "go")])
    file = followed(path)
    home.append(path, {"type": "ai-title", "aiTitle": "T"}, filler(100_000), at=NOW + 5)
    file.update(stamp(path))
    assert (file.facts.last_turn, file.facts.title) == (NOW, "T")


def test_a_file_that_was_only_touched_is_not_read_again(home: ClaudeHome, reads: list[int]) -> None:
    path = home.transcript(A, NOW, title="T")
    file = followed(path)
    before = file.facts
    reads.clear()
    os.utime(path, (NOW + 60, NOW + 60))
    file.update(stamp(path))
    assert (file.facts, file.modified, reads) == (before, NOW + 60, [])


def test_a_file_that_vanishes_or_shrinks_under_the_look_changes_nothing(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW, title="T")
    file = followed(path)
    before, longer = file.facts, stamp(path)._replace(size=path.stat().st_size + 500)
    file.update(longer)
    assert file.facts == before
    path.unlink()
    file.update(longer._replace(size=longer.size + 500))
    file.read_whole()
    assert file.facts == before


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\x00" * 70_000, b"{" * 70_000, os.urandom(70_000)])
def test_corrupt_files_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    file = followed(path)
    file.read_whole()
    assert file.facts.last_turn is None
    assert file.facts.title == ""


# --- what the lines say ---------------------------------------------------------------------------


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


def test_a_stub_without_a_turn() -> None:
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
def test_broken_lines_say_nothing(line: bytes) -> None:
    turn = json.dumps(user(NOW, "go")).encode()
    assert parse_facts([line, turn]) == parse_facts([turn])


def test_a_line_of_nested_brackets_is_no_turn_and_no_error() -> None:
    deep = b'{"type":"user","message":' + b"[" * 100_000
    assert parse_facts([deep, json.dumps(user(NOW, "go")).encode()]).last_turn == NOW


def test_a_look_for_turn_and_title_ends_when_both_are_found() -> None:
    def lines() -> Any:
        yield json.dumps(user(NOW, "go")).encode()
        yield json.dumps(note("ai-title", "aiTitle", "T")).encode()
        pytest.fail("went on")

    assert parse_facts(lines(), until_found=True).title == "T"


def test_new_facts_lie_over_the_old_ones() -> None:
    old = TranscriptFacts(NOW - 9, True, False, "/a", "x", "mine", "ai", "p")
    assert TranscriptFacts().merged_over(old) == old
    assert TranscriptFacts(NOW, False, True, "", "", "", "new", "").merged_over(old) == TranscriptFacts(
        NOW, False, True, "/a", "x", "mine", "new", "p"
    )
