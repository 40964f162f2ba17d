"""The examination: a group that fails or hangs is a finding, and the others go on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli.doctor import examination
from teamclaude.cli.doctor.examination import examine
from teamclaude.cli.doctor.finding import Group
from teamclaude.cli.doctor.subject import Subject
from tests.cli.support import ALICE, free_port

LOCAL = [
    "python",
    "program",
    "config",
    "server",
    "claude",
    "network",
    "certificates",
    "logins",
    "records",
    "machine",
]
BESIDE_CONFIG = [name for name in LOCAL if name != "config"]  # where it fails, some are left out


@pytest.fixture
def subject(config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    path = config(ALICE, port=free_port())
    return Subject(dict(os.environ), tmp_path, time.time(), path)


def ids(groups: list[Group]) -> dict[str, list[str]]:
    return {group.name: [each.kind.id for each in group.findings] for group in groups}


def test_the_groups_are_in_order(subject: Subject) -> None:
    groups = examine(subject)
    assert [group.name for group in groups] == LOCAL
    assert [
        name for name, found in ids(groups).items() if any(each.startswith("doctor.") for each in found)
    ] == []


def test_without_a_config_the_groups_that_need_one_are_left_out(subject: Subject) -> None:
    groups = examine(subject._replace(path=subject.path.with_name("none.json")))
    assert [group.name for group in groups] == ["python", "program", "config", "claude", "records", "machine"]
    assert ids(groups)["config"] == ["config.missing"]


@pytest.mark.parametrize("names", [["config"], BESIDE_CONFIG[::2], BESIDE_CONFIG[1::2]])
def test_a_group_that_fails_is_a_finding_and_the_others_go_on(
    subject: Subject, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = examination._at_once

    def failing() -> Any:
        raise RuntimeError("first line\nsecond line")

    def at_once(jobs: Any, limit_s: Any = None) -> Any:
        return real({key: failing if key in names else job for key, job in jobs.items()}, limit_s)

    monkeypatch.setattr(examination, "_at_once", at_once)
    groups = {group.name: group for group in examine(subject)}
    assert set(groups) >= {*names, "machine"}
    for name in names:
        (finding,) = groups[name].findings
        assert (finding.kind.id, finding.text) == ("doctor.failed", f"{name}: RuntimeError: first line")
    kinds = {each.kind.id for name in set(groups) - set(names) for each in groups[name].findings}
    assert "doctor.failed" not in kinds


def test_a_check_that_fails_is_a_finding_too(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(facts: Any, *args: Any) -> Group:
        raise KeyError("x")

    monkeypatch.setattr("teamclaude.cli.doctor.checks.login_checks.check_logins", broken)
    assert ids(examine(subject))["logins"] == ["doctor.failed"]


@pytest.fixture
def hanging() -> Iterator[Callable[..., Any]]:
    """A function that returns when the test is over."""
    over = threading.Event()
    yield lambda *args: over.wait(60)
    over.set()


def test_a_group_that_hangs_is_a_finding(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, hanging: Callable[..., Any]
) -> None:
    monkeypatch.setattr(examination, "LIMIT_S", 0.2)
    monkeypatch.setattr("teamclaude.cli.doctor.facts.record_facts.record_facts", hanging)
    found = ids(examine(subject))
    assert found["records"] == ["doctor.slow"]


def test_without_a_thread_the_work_is_done_at_once(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "start_with_retry", lambda thread: False)
    assert [group.name for group in examine(subject)] == LOCAL
