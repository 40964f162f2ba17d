"""What this machine offers."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.cli.doctor.facts.machine_facts import MachineFacts, machine_facts
from teamclaude.cli.doctor.subject import Subject


def look(path: Path, env: dict[str, str] | None = None, **config: object) -> MachineFacts:
    parsed = parse_config(config, "")
    return machine_facts(Subject(env or {}, path.parent, time.time(), path, parsed), parsed)


def test_directories_of_one_disk_are_one_line(tmp_path: Path) -> None:
    (disk,) = look(tmp_path / "t.json", logDir=str(tmp_path / "logs" / "not yet")).disks
    assert disk.uses[0] == "config"
    assert "logs" in disk.uses
    assert disk.free_bytes is not None
    assert (disk.problem, disk.is_read_only) == ("", False)


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    disk = look(tmp_path / "a" / "b" / "t.json").disks[0]
    assert disk.path == str(tmp_path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert look(tmp_path / "t.json").disks[0].problem == "can't be written to"


def test_our_newest_file(tmp_path: Path) -> None:
    assert look(tmp_path / "t.json").newest == 0.0
    (tmp_path / "t.json").write_text("{}")
    os.utime(tmp_path / "t.json", (5000, 5000))
    assert look(tmp_path / "t.json").newest == 5000.0


@pytest.mark.parametrize(
    ("zone", "unknown"),
    [
        ("", ""),
        ("Europe/Berlin", ""),
        (":Europe/Berlin", ""),
        ("Europe/Berln", "Europe/Berln"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", ""),
        ("<+03>-3", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_zones(tmp_path: Path, zone: str, unknown: str) -> None:
    places = tmp_path / "zoneinfo" / "Europe"
    places.mkdir(parents=True)
    (places / "Berlin").write_bytes(b"TZif")
    env = {"TZ": zone, "TZDIR": str(places.parent)}
    assert look(tmp_path / "t.json", env).unknown_zone == unknown


def test_limits_are_numbers_or_none(tmp_path: Path) -> None:
    facts = look(tmp_path / "t.json")
    assert facts.descriptors is None or facts.descriptors > 0
    assert facts.zone.startswith("UTC")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_hard_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = {resource.RLIMIT_NOFILE: (64, 4096), resource.RLIMIT_NPROC: (64, 128)}
    monkeypatch.setattr("resource.getrlimit", limits.__getitem__)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert look(tmp_path / "t.json")[-2:] == (4096, 128)
    monkeypatch.setattr("os.geteuid", lambda: 0)  # root has no limit of processes
    assert look(tmp_path / "t.json")[-2:] == (4096, None)
    limits[resource.RLIMIT_NOFILE] = (64, resource.RLIM_INFINITY)
    assert look(tmp_path / "t.json").descriptors is None
