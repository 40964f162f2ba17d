"""Transcripts are found by session: new ones by their folder, continued old ones by a full scan."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.deck.sources.session_files import TranscriptFinder, agents_in
from tests.deck.claude_home import ClaudeHome, session_id

NOW = 1_795_428_000.0
A, B = session_id(1), session_id(2)


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    return ClaudeHome(tmp_path)


def test_all_transcripts_are_found_with_their_mtimes(home: ClaudeHome) -> None:
    home.transcript(A, NOW, cwd="/work/shop")
    home.transcript(B, NOW - 50, cwd="/work/site")
    home.agent(A, "a1", NOW, cwd="/work/shop")
    home.write("projects/-work-shop/memory/notes.jsonl", "")
    home.write("projects/-work-shop/bad\x1b[31m.jsonl", "")
    home.write("projects/stray.jsonl", "")
    projects = TranscriptFinder(str(home.path))
    projects.scan_all()
    assert {session: found.modified for session, found in projects.transcripts.items()} == {
        A: NOW,
        B: NOW - 50,
    }
    assert projects.transcripts[A].path == str(home.transcript_path(A, "/work/shop"))


def test_a_scan_finds_new_and_deleted_files(home: ClaudeHome) -> None:
    first = home.transcript(A, NOW)
    projects = TranscriptFinder(str(home.path))
    projects.scan_new()
    assert projects.transcripts.keys() == {A}
    home.transcript(B, NOW)
    os.utime(first.parent, (NOW + 1, NOW + 1))
    home.transcript(session_id(3), NOW, cwd="/elsewhere")
    projects.scan_new()
    assert projects.transcripts.keys() == {A, B, session_id(3)}
    first.unlink()
    os.utime(first.parent, (NOW + 2, NOW + 2))
    projects.scan_new()
    assert projects.transcripts.keys() == {B, session_id(3)}


def test_an_old_file_that_continues_is_found_by_a_full_scan_only(home: ClaudeHome) -> None:
    path = home.transcript(A, NOW - 9000)
    projects = TranscriptFinder(str(home.path))
    projects.scan_all()
    folder = path.parent.stat()
    os.utime(path, (NOW, NOW))
    os.utime(path.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    projects.scan_new()
    assert projects.transcripts[A].modified == NOW - 9000
    projects.scan_all()
    assert projects.transcripts[A].modified == NOW


def test_a_scan_without_changes_reads_no_folder(home: ClaudeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.transcript(A, NOW)
    projects = TranscriptFinder(str(home.path))
    projects.scan_new()
    before, scandir, read = projects.transcripts, os.scandir, []

    def counted(path: str) -> object:
        read.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    projects.scan_new()
    assert read == ["projects"]
    assert projects.transcripts is before


@pytest.mark.parametrize(("first", "second"), [("/work/a", "/work/b"), ("/work/b", "/work/a")])
def test_of_a_session_in_two_folders_the_newer_one_counts(home: ClaudeHome, first: str, second: str) -> None:
    home.transcript(A, NOW - 60, cwd=first)
    newer = home.transcript(A, NOW, cwd=second)
    projects = TranscriptFinder(str(home.path))
    projects.scan_all()
    assert projects.transcripts[A].path == str(newer)


def test_a_full_scan_is_bounded(home: ClaudeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.deck.sources.session_files.MAX_FILES", 3)
    for number in range(10):
        home.transcript(session_id(number), NOW, cwd=f"/w{number % 2}")
    projects = TranscriptFinder(str(home.path))
    projects.scan_all()
    assert len(projects.transcripts) == 3


def test_no_projects_at_all(tmp_path: Path) -> None:
    projects = TranscriptFinder(str(tmp_path / "none"))
    projects.scan_all()
    projects.scan_new()
    assert projects.transcripts == {}


def test_sub_agents_are_found_beside_their_session(home: ClaudeHome) -> None:
    path = str(home.transcript(A, NOW))
    assert agents_in(path, 0.0) == {}
    home.agent(A, "a1", NOW)
    home.agent(A, "a2", NOW - 100)
    found = agents_in(path, NOW - 50)
    assert {agent: one.modified for agent, one in found.items()} == {"a1": NOW}
