"""The sources as JSON for a Deck on another machine, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.deck.sources.sources import (
    NO_SOURCES,
    AgentTranscript,
    ClientProcess,
    IssuePin,
    MachineLoad,
    RegistryRow,
    Sources,
    Transcript,
    sources_from_json,
    sources_to_json,
)

SID = "3f2a91c0-1111-4222-8333-444444444444"
EVERYTHING = Sources(
    registry={SID: RegistryRow("🦊", "port the tests", True, "ENG-7", 12.5)},
    pins={SID: IssuePin("ENG-7", "Rounding", "In Progress", "id-7", "id-1")},
    tools={SID: 99.0},
    clients={SID: ClientProcess("me", "waiting", "/home/me", 0.0)},
    transcripts={
        SID: Transcript(
            5.0, None, True, "A title", "a prompt", "/src/shop", "main",
            {"a1": AgentTranscript("Explore", "find it", "", 4.0, 3.0, False, True)},
        )
    },
    machine=MachineLoad(0.0, 0.5),
)  # fmt: skip


def test_it_comes_back_as_it_was() -> None:
    sent = json.loads(json.dumps(sources_to_json(EVERYTHING)))
    assert sources_from_json(sent) == EVERYTHING
    assert sources_from_json(json.loads(json.dumps(sources_to_json(NO_SOURCES)))) == NO_SOURCES


def test_empty_and_unknown_are_not_sent_but_zero_is() -> None:
    sent = sources_to_json(EVERYTHING)
    assert sent["machine"] == {"ram": 0.0, "cpu": 0.5}
    assert "lastTurn" not in sent["transcripts"][SID]
    assert "registry" not in sources_to_json(NO_SOURCES)


@pytest.mark.parametrize(
    "junk", [None, 3, "x", [], [1], True, {"machine": 3}, {"pins": [1]}, {"tools": {"a": "b"}}]
)
def test_an_answer_of_another_kind_is_nothing(junk: Any) -> None:
    assert sources_from_json(junk) == NO_SOURCES


def test_what_does_not_fit_is_left_out_and_the_rest_is_kept() -> None:
    sent = {
        "registry": {SID: {"emoji": 3, "intent": "work", "started": "soon", "solo": "yes"}, "b": 7},
        "transcripts": {SID: {"title": "no mtime"}, "b": {"changed": 1, "agents": {"a": [], "b": {}}}},
    }
    found = sources_from_json(sent)
    assert found.registry == {SID: RegistryRow(intent="work")}
    assert found.transcripts == {"b": Transcript(1.0, agents={"b": AgentTranscript()})}


def test_texts_from_another_machine_are_cleaned_and_cut() -> None:
    sent = {"pins": {"\x1b[2Jkey": {"title": "\x1b]0;x\x07a\nb" + "c" * 9999}}}
    ((key, pin),) = sources_from_json(sent).pins.items()
    assert key == "key"
    assert pin.title.startswith("a bccc")
    assert len(pin.title) == 500
    many = {"tools": {str(number): 1.0 for number in range(5000)}}
    assert len(sources_from_json(many).tools) == 2000
