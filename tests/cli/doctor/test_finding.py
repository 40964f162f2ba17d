"""Kinds of findings: stable ids, one level each, all on the manual page, all in use."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

from teamclaude.cli.doctor import checks, examination
from teamclaude.cli.doctor.finding import Finding, Group, Kind, Level, worst
from teamclaude.manual import page

MODULES = [
    *(
        importlib.import_module(f"{checks.__name__}.{each.name}")
        for each in pkgutil.iter_modules(checks.__path__)
    ),
    examination,
]
KINDS = {name: kind for module in MODULES for name, kind in vars(module).items() if isinstance(kind, Kind)}
ALL = [kind for module in MODULES for kind in vars(module).values() if isinstance(kind, Kind)]


def test_every_id_is_there_once_and_well_formed() -> None:
    ids = [kind.id for kind in ALL]
    assert sorted(set(ids)) == sorted(ids)
    assert [each for each in ids if not re.fullmatch(r"[a-z]+\.[a-z0-9-]+", each)] == []


def test_the_manual_has_every_finding_and_no_other() -> None:
    table = page("doctor").partition("\nAll findings\n---")[2]
    listed = re.findall(r"^  ([a-z]+\.[a-z0-9-]+)  +\S", table, re.M)
    assert sorted(listed) == sorted(kind.id for kind in ALL)


def test_the_manual_says_which_findings_can_be_mended() -> None:
    marked = set(
        re.findall(r"^  ([a-z]+\.[a-z0-9-]+)  +[^\n]*(?:\n {20,}[^\n]*)*\(--fix\)", page("doctor"), re.M)
    )
    assert marked == {
        *("config.mode", "records.mode", "records.temporary"),
        *("server.version", "server.outdated"),
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_kind_is_used(module: object) -> None:
    source = inspect.getsource(module)  # type: ignore[arg-type]
    names = [name for name, value in vars(module).items() if isinstance(value, Kind)]
    assert [name for name in names if len(re.findall(rf"\b{name}\b", source)) < 2] == []


def test_why_is_a_sentence() -> None:
    assert [kind.id for kind in ALL if not re.fullmatch(r"[A-Z].*\.", kind.why)] == []


def test_the_exit_status_is_that_of_the_worst() -> None:
    kinds = {level: Kind(f"a.{level.name.lower()}", level, "Because.") for level in Level}
    statuses = {
        level: worst([kinds[Level.NOTE].found("x"), kind.found("y")]).exit_status
        for level, kind in kinds.items()
    }
    assert statuses == {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 1, Level.ERROR: 2}
    assert worst([]) is Level.OK
    assert Group("g", "", [Finding(kinds[Level.ERROR], "z")]).level is Level.ERROR
