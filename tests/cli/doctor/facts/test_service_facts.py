"""The installed service; without one no service manager is asked."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.accounts.config.config import Config
from teamclaude.cli.doctor.facts import service_facts as module
from teamclaude.cli.doctor.facts.service_facts import ServiceFacts, service_facts
from teamclaude.cli.doctor.subject import Subject
from teamclaude.cli.service.managers import Outcome


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, private_home: Path) -> list[list[str]]:
    """What systemctl is asked; it says that all units are active."""
    asked: list[list[str]] = []
    places = private_home / ".config" / "systemd" / "user"

    def run(words: Sequence[str], limit_sec: float, env: object) -> Outcome:
        asked.append([*words])
        if "--property=UnitPath" in words:
            return Outcome(0, str(places))
        if "--property=Version" in words:
            return Outcome(0, "252")
        return Outcome(0, "LoadState=loaded\nActiveState=active\nSubState=x\n")

    monkeypatch.setattr(module, "run_program", run)
    return asked


def look(private_home: Path) -> Optional[ServiceFacts]:
    path = private_home / ".config" / "teamclaude.json"
    return service_facts(Subject(dict(os.environ), path.parent, time.time(), path), Config(), "linux")


def test_none_is_installed(private_home: Path, asked: list[list[str]]) -> None:
    assert look(private_home) is None
    assert asked == []


def test_a_unit_of_somebody_else(private_home: Path, asked: list[list[str]]) -> None:
    place = private_home / ".config" / "systemd" / "user" / "teamclaude.service"
    place.parent.mkdir(parents=True)
    place.write_text("[Service]\nExecStart=/bin/true\n")
    facts = look(private_home)
    assert facts is not None
    assert dict(facts.files)[str(place)] == "FOREIGN"
    assert set(dict(facts.files).values()) == {"FOREIGN", "ABSENT"}
    assert (facts.idle, facts.problem) == ((), "")


def test_a_pipe_in_its_place(private_home: Path, asked: list[list[str]]) -> None:
    place = private_home / ".config" / "systemd" / "user" / "teamclaude.service"
    place.parent.mkdir(parents=True)
    os.mkfifo(place)
    facts = look(private_home)
    assert facts is not None
    assert "is no file" in facts.problem


def test_a_manager_that_cannot_be_asked(
    private_home: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = private_home / ".config" / "systemd" / "user" / "teamclaude.service"
    place.parent.mkdir(parents=True)
    place.write_text("")
    monkeypatch.setattr(module, "run_program", lambda words, limit, env: Outcome(1, "", "no bus\nmore"))
    facts = look(private_home)
    assert facts is not None
    assert (facts.problem, facts.idle) == ("no bus", ())
