"""Findings about this machine."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.machine_checks import check_machine
from teamclaude.cli.doctor.facts.clock_facts import ClockFacts
from teamclaude.cli.doctor.facts.machine_facts import Disk, MachineFacts
from tests.cli.doctor.support import ids

DISK = Disk("/home/me", ("config", "state"), 50_000_000_000, 100_000)
GOOD = MachineFacts(1000.0, "UTC+01:00", newest=900.0, disks=(DISK,), descriptors=1_048_576)
ON_TIME = ClockFacts(0.2)


def found(facts: MachineFacts, clock: ClockFacts | None = ON_TIME, wanted: int = 4192) -> list[str]:
    return ids(check_machine(facts, clock, wanted))


def test_a_good_machine() -> None:
    assert check_machine(GOOD, ON_TIME, 4192) == ("machine", "UTC+01:00, clock +0 s, 50 GB free", [])


@pytest.mark.parametrize(
    ("offset", "wanted"),
    [
        (29.0, []),
        (-31.0, ["machine.clock-off"]),
        (31.0, ["machine.clock-off"]),
        (301.0, ["machine.clock"]),
        (-1e9, ["machine.clock"]),
        (None, []),
    ],
)
def test_the_clock_against_the_apis(offset: float | None, wanted: list[str]) -> None:
    assert found(GOOD, ClockFacts(offset)) == wanted


def test_the_api_is_asked_only_when_wanted() -> None:
    assert found(GOOD, None) == ["machine.not-asked"]
    assert found(GOOD, ClockFacts(problem="no connection")) == ["machine.api-unreachable"]


def test_files_of_the_future_tell_of_a_clock_that_went_back() -> None:
    assert found(GOOD._replace(newest=1121.0)) == ["machine.clock-behind"]
    assert found(GOOD._replace(newest=1119.0)) == []


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"free_bytes": 9_999_999}, "machine.disk-full"),
        ({"free_bytes": 199_000_000}, "machine.disk-low"),
        ({"free_files": 3}, "machine.disk-files"),
        ({"is_read_only": True, "free_bytes": 0}, "machine.read-only"),
        ({"problem": "can't be written to"}, "machine.read-only"),
    ],
)
def test_disks(changed: dict[str, object], wanted: str) -> None:
    assert found(GOOD._replace(disks=(DISK._replace(**changed),))) == [wanted]  # type: ignore[arg-type]


def test_what_is_not_known_is_not_wrong() -> None:
    nothing = MachineFacts(1000.0, "UTC+00:00", disks=(Disk("/x", ("config",)),))
    assert found(nothing) == []


def test_limits_and_zone() -> None:
    assert found(GOOD._replace(descriptors=4191)) == ["machine.open-files"]
    assert found(GOOD._replace(processes=100)) == ["machine.threads"]
    assert found(GOOD._replace(unknown_zone="Europe/Berln")) == ["machine.zone"]


def test_how_a_disk_is_told() -> None:
    low = DISK._replace(free_bytes=150_000_000)
    (finding,) = check_machine(GOOD._replace(disks=(low,)), ON_TIME, 1).findings
    assert finding.text == "150 MB are free where config and state are"
    (finding,) = check_machine(
        GOOD._replace(disks=(low._replace(uses=("logs",), free_bytes=5000),)), ON_TIME, 1
    ).findings
    assert finding.text == "5 kB are free where logs is"
