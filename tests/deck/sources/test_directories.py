"""A session's directory is looked for when somebody asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamclaude.deck.sources import reader as reading
from teamclaude.deck.sources.machine import MachineLoadReader
from teamclaude.deck.sources.reader import SourceReader
from tests.deck.claude_home import ClaudeHome, session_id

NOW = 1_795_428_000.0
A, B, C = (session_id(number) for number in (1, 2, 3))


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    return ClaudeHome(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(home: ClaudeHome, clock: Clock) -> SourceReader:
    return SourceReader(home.path, clock, MachineLoadReader(str(home.path / "proc")))


def test_the_directory_of_a_session_is_looked_for_at_once_and_not_for_long(
    home: ClaudeHome, reader: SourceReader, clock: Clock
) -> None:
    home.transcript(A, NOW - 5 * 3600, cwd="/work/shop")  # resumed: its file has not been written to yet
    reader.refresh()
    assert (reader.directory_of(A), reader.directory_of(B)) == (None, None)
    clock.now += 0.5
    home.transcript(B, clock.now, cwd="/work/new")
    reader.refresh()
    assert (reader.directory_of(A), reader.directory_of(B)) == ("/work/shop", "/work/new")
    assert reader.directory_of(C) is None
    clock.now += reading.LOOK_SEC
    assert reader.directory_of(C) == ""
    clock.now += reading.ASK_AGAIN_SEC
    assert reader.directory_of(C) is None


def test_the_sessions_that_are_looked_for_are_bounded(
    reader: SourceReader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_SESSIONS", 2)
    for session in (A, B, C):
        assert reader.directory_of(session) is None
    clock.now += reading.LOOK_SEC
    assert [reader.directory_of(session) for session in (C, A)] == ["", None]
