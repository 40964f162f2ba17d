"""What the transcripts of Claude Code tell of its answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from teamclaude.history.transcripts import reading
from teamclaude.history.transcripts.reading import (
    Answer,
    ReadCounts,
    answers_in,
    transcript_files,
    transcript_roots,
)
from teamclaude.routing.quota.usage import Usage
from tests.history.transcripts.support import SESSION, answer, tokens, user, write


def read(path: Path, *entries: Any) -> tuple[list[Answer], ReadCounts]:
    counts = ReadCounts()
    return list(answers_in(str(write(path, *entries)), counts)), counts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "projects" / "-home-ann-work-site" / f"{SESSION}.jsonl"


def test_an_answer_has_its_time_model_session_project_and_tokens(path: Path) -> None:
    (found,), counts = read(path, user(), answer(usage=tokens(1, 2, 3, 4, 5)))
    assert found._replace(key=0) == Answer(
        0, 1793527200.0, "claude-opus-5-5", SESSION, "", "site", Usage(1, 2, 3, 4, 5)
    )
    assert (counts.files, counts.broken, counts.unreadable) == (1, 0, 0)
    assert counts.bytes == path.stat().st_size


def test_each_block_of_an_answer_repeats_it(path: Path) -> None:
    found, _ = read(path, answer("1"), answer("2"), answer("1"), answer("1"))
    assert [each.usage for each in found] == [Usage(10, 20)] * 2


def test_of_counts_that_grow_the_last_ones_count(path: Path) -> None:
    (found,), _ = read(path, answer(usage=tokens(10, 1, 7)), answer(usage=tokens(10, 500, 7)))
    assert found.usage == Usage(10, 500, 7)


def test_answers_that_are_far_apart_are_still_the_same_by_their_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "OPEN_ANSWERS", 2)
    found, _ = read(path, *(answer(str(number % 4)) for number in range(8)))
    assert len(found) == 8
    assert len({each.key for each in found}) == 4


def test_the_key_is_of_both_ids(path: Path) -> None:
    other = answer("1", requestId="req_2")
    found, _ = read(path, answer("1"), other, answer("2", message={"id": "msg_1"}))
    assert len({each.key for each in found}) == 2
    assert all(0 <= each.key < 2**63 for each in found)


def test_without_ids_an_entry_is_one_answer(path: Path) -> None:
    bare: dict[str, Any] = {"requestId": None, "message": {"id": None}}
    entries = [answer("1", **bare), answer("1", **bare), answer("2", **bare), answer("3", uuid=None, **bare)]
    found, _ = read(path, *entries)
    assert len(found) == 3


def test_a_sub_agents_answers_are_its_own(path: Path) -> None:
    (found,), _ = read(path, answer(agentId="a1b2", isSidechain=True))
    assert (found.session, found.agent) == (SESSION, "a1b2")


def test_an_older_clients_sub_agent_is_inside_of_progress_entries(path: Path) -> None:
    inner = {key: value for key, value in answer("2").items() if key not in ("sessionId", "cwd")}
    progress = {"type": "progress", "sessionId": SESSION, "cwd": "/x/shop", "data": {"message": inner}}
    found, _ = read(path, answer("1"), progress, {"type": "progress", "data": {"message": "assistant usage"}})
    assert [(each.session, each.project) for each in found] == [(SESSION, "site"), (SESSION, "shop")]


def test_what_the_client_made_itself_is_no_answer(path: Path) -> None:
    error = answer("1", isApiErrorMessage=True)
    synthetic = answer("2", message={"model": "<synthetic>"})
    without = answer("3", message={"usage": None})
    found, counts = read(path, error, synthetic, without, {**answer("4"), "type": "user"})
    assert (found, counts.broken) == ([], 0)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"assistant","usage":',
        b'\xff\xfe"assistant""usage"',
        answer(usage={"input_tokens": -1}),
        answer(usage={"input_tokens": "many"}),
        answer(usage={"output_tokens": 1e9}),
        answer(usage={"input_tokens": 10**13}),
        answer(usage=[1]),
        answer(at="yesterday"),
        answer(at="2026-13-01T00:00:00Z"),
        answer(timestamp=None),
        b'"assistant" "usage" ' + b"[" * 200_000,
    ],
)
def test_a_broken_line_is_counted_and_the_next_one_read(path: Path, line: Any) -> None:
    found, counts = read(path, line, answer("2"))
    assert (len(found), counts.broken) == (1, 1)


@pytest.mark.parametrize("line", [b"", b"[]", b'["assistant", "usage"]', b'"assistant usage"', b"null"])
def test_other_json_is_no_answer(path: Path, line: bytes) -> None:
    found, counts = read(path, line, answer("2"))
    assert (len(found), counts.broken) == (1, 0)


def test_a_line_without_end_takes_no_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 2000)
    long = answer("1", message={"content": "x" * 10_000})
    found, counts = read(path, long, answer("2"))
    assert (len(found), counts.broken) == (1, 1)
    assert counts.bytes == path.stat().st_size


def test_the_last_line_may_be_half_written(path: Path) -> None:
    write(path, answer("1"))
    with path.open("ab") as file:
        file.write(b'{"type":"assistant","message":{"usage":{"inp')
    counts = ReadCounts()
    assert len(list(answers_in(str(path), counts))) == 1
    assert counts.broken == 1


@pytest.mark.parametrize(
    ("cwd", "project"),
    [("/home/ann/site/", "site"), ("C:\\work\\shop", "shop"), ("/", ""), (None, ""), ("\ud800", "?")],
)
def test_the_project_is_the_last_part_of_the_directory(path: Path, cwd: Any, project: str) -> None:
    (found,), _ = read(path, answer(cwd=cwd))
    assert found.project == project


def test_a_cache_write_whose_life_is_not_told_is_of_5_minutes(path: Path) -> None:
    (found,), _ = read(path, answer(usage={"cache_creation_input_tokens": 9, "cache_creation": None}))
    assert found.usage == Usage(0, 0, 0, 9, 0)


def test_the_session_is_the_files_where_no_entry_names_one(path: Path) -> None:
    (found,), _ = read(path, answer(sessionId=None))
    assert found.session == SESSION


# --- files ------------------------------------------------------------------------------------------------


def test_all_files_below_are_found_the_oldest_first(tmp_path: Path) -> None:
    home = tmp_path / ".claude"
    late = write(home / "projects" / "p" / "a.jsonl", answer())
    early = write(home / "projects" / "p" / "a" / "subagents" / "agent-b.jsonl", answer())
    write(home / "projects" / "p" / "notes.txt", answer())
    write(home / "history.jsonl", answer())
    os.utime(late, (2000, 2000))
    os.utime(early, (1000, 1000))
    roots = transcript_roots([str(home), str(home / "projects"), str(tmp_path / "none")])
    assert roots == [str(home / "projects"), str(tmp_path / "none")]
    assert [path for path, _ in transcript_files(roots)] == [str(early), str(late)]


def test_a_pipe_in_place_of_a_transcript_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "device.jsonl").symlink_to(os.devnull)  # another one, as /dev/zero, would have no end
    counts = ReadCounts()
    assert list(answers_in(str(tmp_path / "pipe.jsonl"), counts)) == []
    assert list(answers_in(str(tmp_path / "device.jsonl"), counts)) == []
    assert (counts.files, counts.unreadable) == (0, 2)


def test_a_file_that_can_not_be_read_is_counted(tmp_path: Path) -> None:
    counts = ReadCounts()
    assert list(answers_in(str(tmp_path / "gone.jsonl"), counts)) == []
    assert list(answers_in(str(tmp_path), counts)) == []
    assert counts.unreadable == 2
