"""Two servers with one state file: one begins while the other one ends, and gets what that one learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teamclaude.proxy.lifecycle.state_file import StateFile
from teamclaude.proxy.lifecycle.state_saver import StateSaver
from teamclaude.routing.state_merge import LateChanges


def state(requests: int) -> dict[str, Any]:
    return {"accounts": {"a": {"requests": requests}}}


class Server:
    def __init__(self, home: Path) -> None:
        self.warned: list[str] = []
        self.file = StateFile(str(home / "x.state.json"), self.warned.append)
        self.state = state(0)
        self.saver = StateSaver(self.file, lambda: self.state, self.warned.append)

    def begin(self) -> int:
        self.state = self.file.claim(self.saver.name) or state(0)
        return self.requests

    @property
    def requests(self) -> int:
        return int(self.state["accounts"]["a"]["requests"])


def saved(home: Path) -> Any:
    return json.loads((home / "x.state.json").read_text())["accounts"]["a"]["requests"]


def test_alone_the_last_state_is_saved(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.begin()
    server.state = state(3)
    server.saver.begin_end()
    assert saved(tmp_path) == 3, "when the end begins"
    server.state = state(5)
    server.saver.stop()
    assert saved(tmp_path) == 5
    assert not (tmp_path / "x.state.late").exists()
    assert Server(tmp_path).begin() == 5


def test_the_one_that_has_the_state_is_left_what_the_other_one_learned(tmp_path: Path) -> None:
    old, new = Server(tmp_path), Server(tmp_path)
    old.begin()
    old.state = state(3)
    old.saver.begin_end()
    assert new.begin() == 3
    old.state = state(5)
    old.saver.stop()
    assert saved(tmp_path) == 3, "the file is the other one's"
    (changes,) = new.file.take_left()
    assert (changes.base["accounts"], changes.late["accounts"]) == (
        state(3)["accounts"],
        state(5)["accounts"],
    )
    assert new.file.take_left() == [], "once"
    assert not (tmp_path / "x.state.late").exists()


def test_where_that_one_has_ended_too_the_next_one_takes_it(tmp_path: Path) -> None:
    old, new = Server(tmp_path), Server(tmp_path)
    old.begin()
    old.state = state(3)
    old.saver.begin_end()
    new.begin()
    new.state = state(10)
    new.saver.begin_end()
    new.saver.stop()
    old.state = state(5)
    old.saver.stop()
    assert Server(tmp_path).begin() == 12
    assert Server(tmp_path).begin() == 12, "it was taken once, and saved"


def test_nothing_new_leaves_nothing(tmp_path: Path) -> None:
    old, new = Server(tmp_path), Server(tmp_path)
    old.begin()
    old.saver.begin_end()
    new.begin()
    old.saver.stop()
    assert not (tmp_path / "x.state.late").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"base": 1, "late": {}}', '{"late": {}}', "[" * 100_000])
def test_a_file_that_cannot_be_read_is_dropped(tmp_path: Path, text: str) -> None:
    late = tmp_path / "x.state.late"
    late.mkdir()
    (late / "1.json").write_text(text)
    assert Server(tmp_path).file.take_left() == []
    assert not late.exists()


def test_wrong_contents_are_one_warning(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.file.save(state(3))
    server.file.leave(LateChanges({}, {"accounts": {"a": 7}}))
    assert server.begin() == 3
    assert server.warned == ["what an earlier server learned late is not counted: it can't be read"]


def test_a_full_disk_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "x.state.late").write_text("no directory")
    server = Server(tmp_path)
    server.file.leave(LateChanges({}, state(1)))
    assert len(server.warned) == 1
    assert "what the last answers told is lost" in server.warned[0]
