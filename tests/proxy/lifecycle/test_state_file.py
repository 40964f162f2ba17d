from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from teamclaude.accounts.config.atomic_write import write_private
from teamclaude.proxy.lifecycle import state_file
from teamclaude.proxy.lifecycle.state_file import StateFile
from teamclaude.proxy.lifecycle.state_saver import StateSaver
from teamclaude.routing.persistence import LazyRows

NOON = 1_795_435_200.0


class StateDirectory:
    """A state file in a temporary directory and what it warned."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.json"
        self.warnings: list[str] = []
        self.file = StateFile(str(self.path), self.warnings.append, clock=lambda: NOON)

    def saver(self, collect: Callable[[], dict[str, Any]], interval: float = 0.0) -> StateSaver:
        return StateSaver(self.file, collect, self.warnings.append, interval)


@pytest.fixture
def saved(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path)


def test_no_file_is_an_empty_state_without_a_word(saved: StateDirectory) -> None:
    assert saved.file.load() == {}
    assert saved.warnings == []


def test_a_saved_state_loads_with_its_unknown_fields(saved: StateDirectory) -> None:
    state = {"version": 99, "fromTheFuture": [1, {"a": None}], "name": "zoë"}
    assert saved.file.save(state)
    assert saved.file.load() == state
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
    assert os.listdir(saved.path.parent) == ["state.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'"text"', b"null", b"\xff\xfe{}", b"{}\0\0\0", b"[" * 200_000]
)
def test_a_corrupt_file_is_set_aside_with_one_warning(saved: StateDirectory, content: bytes) -> None:
    saved.path.write_bytes(content)
    assert saved.file.load() == {}
    (aside,) = saved.path.parent.iterdir()
    assert aside.name.startswith("state.json.corrupt-2026")
    assert aside.read_bytes() == content
    assert len(saved.warnings) == 1
    assert aside.name in saved.warnings[0]


@pytest.mark.parametrize("version", [2, 999, 1e308])
def test_the_file_of_a_newer_version_is_used_and_kept(saved: StateDirectory, version: float) -> None:
    content = json.dumps({"version": version, "lastAccount": "a", "fromTheFuture": 1}).encode()
    saved.path.write_bytes(content)
    assert saved.file.claim("me")["lastAccount"] == "a"
    saved.file.save({"version": 1})
    (aside,) = saved.path.parent.glob("state.json.newer-2026*")
    assert aside.read_bytes() == content
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    (line,) = saved.warnings
    assert f"is of a newer version ({version})" in line
    assert str(aside) in line


@pytest.mark.parametrize("version", [1, 0, None, "2", float("nan"), True])
def test_a_file_of_this_version_or_of_none_is_not_kept(saved: StateDirectory, version: object) -> None:
    saved.path.write_text(json.dumps({"version": version, "lastAccount": "a"}))
    assert saved.file.claim("me")["lastAccount"] == "a"
    assert saved.warnings == []


def test_a_newer_file_that_can_not_be_kept_is_said(
    saved: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.path.write_text('{"version": 2}')
    monkeypatch.setattr("teamclaude.proxy.lifecycle.state_file.write_private", full_disk)
    assert saved.file.claim("me") == {"version": 2}
    (line,) = saved.warnings
    assert line.endswith("and no copy is kept (No space left on device)")


def full_disk(path: str, data: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_a_second_corrupt_file_in_the_same_second_does_not_replace_the_first(saved: StateDirectory) -> None:
    for content in (b"one", b"two"):
        saved.path.write_bytes(content)
        saved.file.load()
    assert sorted(p.read_bytes() for p in saved.path.parent.iterdir()) == [b"one", b"two"]


def test_a_file_that_cannot_be_read_is_an_empty_state_and_stays(saved: StateDirectory) -> None:
    saved.path.mkdir()
    assert saved.file.load() == {}
    assert saved.path.is_dir()
    assert len(saved.warnings) == 1


def test_a_full_disk_is_one_warning_until_saving_works_again(
    saved: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved.file.save({"n": 1})
    real = write_private

    def full(path: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_file, "write_private", full)
    assert [saved.file.save({"n": 2}) for _ in range(3)] == [False] * 3
    assert len(saved.warnings) == 1
    assert "No space left" in saved.warnings[0]
    assert saved.file.load() == {"n": 1}

    monkeypatch.setattr(state_file, "write_private", real)
    assert saved.file.save({"n": 3})
    monkeypatch.setattr(state_file, "write_private", full)
    saved.file.save({"n": 4})
    assert len(saved.warnings) == 2


def test_a_state_that_is_not_json_is_a_warning_and_keeps_the_last_good_one(saved: StateDirectory) -> None:
    saved.file.save({"n": 1})
    assert not saved.file.save({"n": object()})
    assert saved.file.load() == {"n": 1}
    assert len(saved.warnings) == 1


class Collector:
    """Counts the saves and lets a test wait for one."""

    def __init__(self) -> None:
        self.calls = 0
        self.called = threading.Event()

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        self.called.set()
        return {"n": self.calls}


def test_the_saver_saves_after_a_change_by_itself(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect)
    saver.start()
    saver.changed.set()
    assert collect.called.wait(30)
    saver.stop()
    assert json.loads(saved.path.read_text())["n"] >= 1


def test_the_saver_leaves_the_disk_alone_while_nothing_changes(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect)
    saver.start()
    assert not collect.called.wait(0.05)
    saver.stop()


def test_changes_within_the_interval_are_one_save(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect, interval=0.05)
    saver.start()
    for _ in range(100):
        saver.changed.set()
    assert collect.called.wait(30)
    assert collect.calls == 1
    saver.stop()


def test_what_a_person_decided_is_saved_without_waiting_for_the_interval(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect, interval=3600.0)
    saver.start()
    saver.changed.set()
    assert not collect.called.wait(0.02)
    saver.save_soon()
    assert collect.called.wait(30)
    saver.stop()


def test_stop_saves_at_once_without_waiting_for_the_interval(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect, interval=3600.0)
    saver.start()
    saver.changed.set()
    saver.stop()
    assert json.loads(saved.path.read_text()) == {"n": 1}


def test_stop_saves_even_when_the_thread_never_ran(saved: StateDirectory) -> None:
    saved.saver(Collector()).stop()
    assert json.loads(saved.path.read_text()) == {"n": 1}


def test_a_defect_while_collecting_is_one_warning_and_the_next_save_works(saved: StateDirectory) -> None:
    calls: list[int] = []
    done = threading.Event()

    def collect() -> dict[str, Any]:
        calls.append(1)
        if len(calls) < 3:
            raise KeyError("window")
        done.set()
        return {"ok": True}

    saver = saved.saver(collect)
    saver.start()
    saver.changed.set()
    assert done.wait(30), "a failed save has to be tried again"
    saver.stop()
    assert saved.file.load() == {"ok": True}
    assert len(saved.warnings) == 1
    assert "KeyError" in saved.warnings[0]


def test_one_change_is_one_save(saved: StateDirectory) -> None:
    collect = Collector()
    saver = saved.saver(collect)
    saver.start()
    saver.changed.set()
    assert collect.called.wait(30)
    collect.called.clear()
    assert not collect.called.wait(0.05)
    saver.stop()


# --- in pieces ----------------------------------------------------------------------------------------

STATES: list[dict[str, Any]] = [
    {},
    {"version": 1, "accounts": {}, "bindings": [], "lastAccount": None},
    {"bindings": [{"session": f"é{n}", "usage": [n, 0.1]} for n in range(7)], "keyless": "ü"},
    {"accounts": {f"a{n}": {"windows": {"5h": [0.5, None]}, "burn": []} for n in range(5)}, "flag": True},
    {"deep": {"list": [[1, [2]], {"x": {}}]}, "list": [1, None, "x", [], {}]},
]


@pytest.mark.parametrize("state", STATES)
def test_the_pieces_are_the_json_of_the_whole(
    saved: StateDirectory, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "SLICE_ROWS", 3)
    assert saved.file.save(state)
    assert saved.path.read_bytes() == json.dumps(state, separators=(",", ":")).encode()


def test_other_threads_run_after_every_few_rows(
    saved: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    seen: list[int] = []

    def row(number: int) -> dict[str, Any]:
        made.append(number)
        return {"n": number}

    monkeypatch.setattr(time, "sleep", lambda sec: seen.append(len(made)))
    assert saved.file.save({"rows": LazyRows(range(120), row)})
    assert seen == [50, 100, 120]
    assert saved.file.load() == {"rows": [{"n": number} for number in range(120)]}
