"""Transcripts are read from their end once, then only what was appended."""

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
    TranscriptFile,
    lines_backwards,
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
    """Record the sizes of all reads from here on."""
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


def test_a_line_without_end_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MAX_LINE_BYTES", 5)
    monkeypatch.setattr(transcripts, "BLOCK_BYTES", 3)
    (tmp_path / "t").write_bytes(b"a\n1234567890\n12345\nb")
    descriptor = os.open(tmp_path / "t", os.O_RDONLY)
    try:
        assert list(lines_backwards(descriptor, 0, 20, at_line=True)) == [b"b", b"12345", b"a"]
    finally:
        os.close(descriptor)


# --- the first read -------------------------------------------------------------------------------


def test_the_first_read_is_of_the_tail_and_enough_when_all_is_there(
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
def test_what_is_not_in_the_tail_is_found_by_reading_the_whole_file(
    home: ClaudeHome, entries: list[dict[str, Any]]
) -> None:
    file = followed(home.transcript(A, NOW, entries=entries))
    assert file.incomplete
    assert file.read_whole() > 900_000
    assert (file.facts.last_turn, file.facts.title) == (NOW, "T")
    assert not file.incomplete


def test_the_whole_file_is_read_once(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW, entries=[filler(900_000), user(NOW, "go")])
    file = followed(path)
    file.read_whole()
    assert not file.incomplete
    assert file.facts.title == ""
    home.append(path, user(NOW + 5, "on"), at=NOW + 5)
    file.update(stamp(path))
    assert not file.incomplete
    assert file.facts.last_turn == NOW + 5


def test_a_small_file_and_a_sub_agents_need_no_second_read(home: ClaudeHome) -> None:
    assert not followed(home.transcript(A, NOW)).incomplete
    path = home.transcript(A, NOW, entries=[filler(900_000), user(NOW, "go")])
    assert not followed(path, titled=False).incomplete


# --- later reads ----------------------------------------------------------------------------------


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


def test_of_a_very_large_append_only_the_tail_is_read(
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


def test_a_moderate_append_is_read_whole_however_large_the_file(
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


def test_a_file_that_vanishes_or_shrinks_while_it_is_read_changes_nothing(home: ClaudeHome) -> None:
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
def test_corrupt_files_give_no_values(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    file = followed(path)
    file.read_whole()
    assert file.facts.last_turn is None
    assert file.facts.title == ""
