"""The files of the fake sessions, read as the Deck reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.model import DeckModel
from teamclaude.deck.sources.reader import SCAN_SEC, SourceReader
from teamclaude.demo.claude_files import ClaudeFiles
from teamclaude.demo.scenario import StatusChange, assign_roles
from teamclaude.snapshot import Snapshot

NOW = 1_795_000_000.0
SESSIONS = [f"{number:08x}-aaaa-4bbb-8ccc-000000000000" for number in range(12)]


class Demo:
    """Twelve sessions, their files, and the Deck of them."""

    def __init__(self, home: Path) -> None:
        self.now = NOW
        self.files = ClaudeFiles(home, SESSIONS, assign_roles(12), lambda: self.now)
        self.reader = SourceReader(home, clock=lambda: self.now)
        self.files.write_initial()

    def model(self) -> DeckModel:
        self.reader.set_wanted(SESSIONS)
        return deck_model(Snapshot(at=self.now), self.reader.refresh())


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


def test_the_team_forms_trees_of_three_levels_and_other_sessions_none(demo: Demo) -> None:
    model = demo.model()
    assert [len(tree.levels) for tree in model.trees] == [3, 3]
    assert {model.nodes[tree.root].label for tree in model.trees} == {"ENG-210", "OPS-31"}
    solos = {node.label for node in model.nodes.values() if not node.in_tree}
    assert {"Fix the login redirect loop", "Explain the flaky test in CI", "ENG-240"} <= solos
    assert {node.project for node in model.nodes.values()} == {"shop", "infra", "website", "api"}


def test_a_status_change_is_written_to_the_pin(demo: Demo) -> None:
    blocked, review = SESSIONS[4], SESSIONS[3]
    assert not demo.model().alerts
    demo.files.change_status(StatusChange(0, 4, "Blocked"))
    demo.files.change_status(StatusChange(0, 3, "In Review"))
    demo.now += SCAN_SEC
    model = demo.model()
    assert {model.nodes[key].chip for key in (blocked, review)} == {"block", "review"}
    assert {need.kind for need in model.alerts} == {"blocked", "review"}


def test_turns_of_sessions_and_sub_agents_are_written_when_asked(demo: Demo) -> None:
    demo.files.note_request(SESSIONS[8], "a1")
    demo.files.note_request(SESSIONS[8])
    demo.files.note_request("a stranger")
    demo.files.note_request("")
    demo.now += 60
    assert f"{SESSIONS[8]}/a1" not in demo.model().nodes
    demo.files.write_turns()
    model = demo.model()
    agent = model.nodes[f"{SESSIONS[8]}/a1"]
    assert agent.label == "find all callers of roundMoney"
    assert agent.parent == SESSIONS[8]
    assert model.nodes[SESSIONS[8]].idle == 0.0
    assert model.nodes[SESSIONS[9]].idle == 60.0


def test_a_tool_is_marked_as_executing(demo: Demo) -> None:
    demo.files.note_request(SESSIONS[0])
    demo.files.write_turns()
    assert demo.model().nodes[SESSIONS[0]].tool_running


def test_files_have_the_time_of_the_demos_clock(demo: Demo, tmp_path: Path) -> None:
    paths = list(tmp_path.glob("projects/*/*.jsonl"))
    assert len(paths) == 12
    assert {os.stat(path).st_mtime for path in paths} == {NOW}
