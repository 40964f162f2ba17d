"""A config file that is lost, emptied or replaced under a running server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from tests.proxy.conftest import account_json

Build = Callable[..., Any]


@pytest.mark.parametrize("lost", ["gone", "with its directory", "empty", "spaces", "NULs", "made anew"])
def test_a_running_server_writes_a_lost_config_again(
    wait_for_polls: Callable[[Any], None], stage: Build, lost: str
) -> None:
    s = stage("a", "b", history=True)
    before = s.document()
    if lost == "gone":
        s.path.unlink()
    elif lost == "with its directory":
        while s.path.exists():  # the history may be written meanwhile
            shutil.rmtree(s.path.parent, ignore_errors=True)
    elif lost == "made anew":
        s.path.unlink()
        ConfigFile(s.path, s.warnings.append).load_or_create()
    else:
        s.path.write_bytes({"empty": b"", "spaces": b" \n", "NULs": b"\0" * 300}[lost])
    s.until(lambda: s.warnings and "is written again, with the 2 accounts in use" in s.warnings[-1])
    assert s.document() == before
    assert s.path.stat().st_mode & 0o777 == 0o600
    assert lost != "with its directory" or s.path.parent.stat().st_mode & 0o777 == 0o700
    wait_for_polls(s)
    assert s.ask().status == 200
    assert {a["name"] for a in s.status()["accounts"]} == {"a", "b"}
    told = [line for line in s.warnings if not line.startswith("the history ")]  # lies beside it
    assert len(told) == (2 if lost == "made anew" else 1), s.warnings


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_a_server_that_stops_just_then_writes_a_lost_config_again(stage: Build, lost: str) -> None:
    s = stage("a", "b")
    before = s.document()
    if lost == "gone":
        s.path.unlink()
    else:
        s.path.write_bytes(b"")
    s.service.stop(0)
    assert s.document() == before


def test_a_server_that_stops_just_then_keeps_what_another_config_replaced(stage: Build) -> None:
    s = stage("a")
    before, other = s.document(), s.document()
    other["accounts"], other["proxy"]["apiKey"] = [account_json("c")], "tc-another-key"
    s.write(other)
    s.service.stop(0)
    (aside,) = s.path.parent.glob("teamclaude.replaced-*.json")
    assert json.loads(aside.read_text()) == before
    assert s.document() == other


def test_a_server_that_stops_leaves_half_a_file_as_it_is(stage: Build) -> None:
    s = stage("a")
    s.path.write_text('{"accounts": [{"na')
    s.service.stop(0)
    assert s.path.read_text() == '{"accounts": [{"na'


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: raw["accounts"].pop(0),
        lambda raw: raw["accounts"].clear(),
        lambda raw: raw.update(accounts=raw["accounts"][1:], proxy={"port": 0, "apiKey": "tc-another-key"}),
    ],
)
def test_an_account_that_an_edit_removes_is_removed(
    wait_for_polls: Callable[[Any], None], stage: Build, edit: Callable[[Any], object]
) -> None:
    s = stage("a", "b")
    document = s.document()
    edit(document)
    s.write(document)
    s.until(lambda: any("removed a" in line for line in s.warnings))
    wait_for_polls(s)
    assert s.document() == document
    assert [a.name for a in s.service.snapshot().accounts] == [a["name"] for a in document["accounts"]]


def test_a_file_an_editor_empties_and_then_writes_is_never_taken_for_lost(stage: Build) -> None:
    s = stage("a")
    good = s.document()
    s.path.write_text("")
    s.service._check_config()
    assert s.warnings == []
    assert s.path.read_text() == ""
    good["accounts"][0]["priority"] = 3
    s.path.write_text(json.dumps(good))
    s.service._check_config()
    assert s.warnings == ["config read again: updated a"]
    assert s.document() == good


def test_half_a_file_is_a_warning_once_it_stays_so(stage: Build) -> None:
    s = stage("a")
    s.path.write_text('{"accounts": [{"na')
    s.service._check_config()
    assert s.warnings == []
    for _ in range(3):
        s.service._check_config()
    assert len(s.warnings) == 1
    assert "the running configuration stays" in s.warnings[0]
    assert s.path.read_text() == '{"accounts": [{"na', "it may be half an edit"


def test_a_config_that_cannot_be_written_again_is_one_warning_and_tried_again(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    s = stage("a")
    s.path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.replace_keeping_owner", full)
        for _ in range(4):
            s.service._check_config()
        assert len(s.warnings) == 1
        assert "No space left on device" in s.warnings[0]
    assert s.ask().account == "a"
    s.service._check_config()
    assert s.document()["accounts"][0]["name"] == "a"


def test_another_config_put_in_the_place_is_taken_and_what_it_replaced_is_kept(
    wait_for_polls: Callable[[Any], None], stage: Build
) -> None:
    s = stage("a", "b", "c", accounts=[account_json("a"), account_json("b")])
    before, other = s.document(), s.document()
    other["accounts"], other["proxy"]["apiKey"] = [account_json("c")], "tc-another-key"
    s.write(other)
    s.until(lambda: len(s.warnings) == 2)
    assert "what it was is kept as" in s.warnings[0]
    assert s.warnings[1:] == ["config read again: added c; removed a, b; changed proxy.apiKey"]
    (aside,) = s.path.parent.glob("teamclaude.replaced-*.json")
    assert json.loads(aside.read_text()) == before
    assert aside.stat().st_mode & 0o777 == 0o600
    wait_for_polls(s)
    assert s.document() == other
    assert len(list(s.path.parent.glob("teamclaude.replaced-*.json"))) == 1
