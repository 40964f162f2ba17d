"""The design page (`teamclaude help design`) names files and identifiers: each must exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.source_facts import facts_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "teamclaude"
PAGE = PACKAGE / "manual" / "design.md"
PATH = re.compile(r"(?<![\w./-])(?:[\w.]+/)*(?:\w+\.(?:py|md)\b|\w+/(?!\w))")
IN_FILE = re.compile(r"((?:\w+/)*\w+\.py),?:?\s+`([A-Za-z_][\w.]*)`")
QUOTED = re.compile(r"`([^`]+)`")


def tree_path(path: str) -> Path:
    """Return the file or folder that the page names, from teamclaude/ or from the repository."""
    inside = PACKAGE / path
    return inside if inside.exists() else ROOT / path


def definitions(path: Path) -> frozenset[str]:
    """Return what a module defines: functions, classes, constants, and `Class.member`."""
    return facts_of(path).definitions


def problems(text: str) -> list[str]:
    """Return what the text names and the tree does not have."""
    found = [f"no {path}" for path in PATH.findall(text) if not tree_path(path).exists()]
    for path, name in IN_FILE.findall(text):
        if tree_path(path).exists() and name not in definitions(tree_path(path)):
            found.append(f"{path} does not define {name}")
    everything = frozenset().union(*map(definitions, PACKAGE.rglob("*.py")))
    for quoted in QUOTED.findall(text):
        is_name = re.fullmatch(r"[A-Za-z_][\w.]*", quoted) and not PATH.fullmatch(quoted)
        if is_name and quoted not in everything:
            found.append(f"nothing defines {quoted}")
    return found


def test_every_file_and_identifier_exists() -> None:
    assert problems(PAGE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("see proxy/nowhere.py for it", "no proxy/nowhere.py"),
        ("all of nowhere/ is", "no nowhere/"),
        ("routing/fleet.py `Flotilla`", "routing/fleet.py does not define Flotilla"),
        ("routing/fleet.py: `Fleet.sail`", "routing/fleet.py does not define Fleet.sail"),
        ("by `Flotilla.sail`", "nothing defines Flotilla.sail"),
    ],
)
def test_the_check_sees_what_is_missing(text: str, problem: str) -> None:
    assert problem in problems(text)


def test_every_folder_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [folder for folder in folders if f"{folder}/" not in text] == []


def section(title: str) -> str:
    return PAGE.read_text("utf-8").partition(f"\n{title}\n---")[2].partition("\n---")[0]


def test_the_page_lists_every_lock() -> None:
    not_listed = {PACKAGE / "demo", PACKAGE / "fakeapi"}
    sources = [path for path in PACKAGE.rglob("*.py") if not not_listed & set(path.parents)]
    made: set[str] = set().union(*(facts_of(path).locks for path in sources))
    calls = sum(
        len(re.findall(r"\b(?:Lock|RLock|Condition)\(\)", path.read_text("utf-8"))) for path in sources
    )
    assert sorted(re.findall(r"^  `(\w+\.\w+)`", section("Locks"), re.M)) == sorted(made)
    assert len(made) == calls  # none is made outside of a class or under another name


def test_the_page_lists_every_thread_that_the_server_names() -> None:
    sources = [
        path for folder in ("proxy", "accounts", "deck", "dial") for path in (PACKAGE / folder).rglob("*.py")
    ]
    named = {
        name
        for path in sources
        for name in re.findall(r'(?:Thread\(.*\bname=|BackgroundQueue\()"([\w-]+)"', path.read_text("utf-8"))
    }
    listed = set(re.findall(r"[\w-]+", section("Threads")))
    assert "accept" in named
    assert named - listed == set()


def test_the_life_of_a_request_has_at_most_15_steps() -> None:
    steps = [
        int(number) for number in re.findall(r"^ {2,3}(\d+)  ", section("The life of one request"), re.M)
    ]
    assert steps == list(range(1, len(steps) + 1))
    assert 0 < len(steps) <= 15
