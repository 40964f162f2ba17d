"""The last answers: kept for their owner alone, bounded, never in a place of somebody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from teamclaude.cli.status_line import memory
from teamclaude.cli.status_line.memory import directory, recall, remember


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def test_what_is_remembered_comes_back_with_its_age(where: Path) -> None:
    remember(str(where), "s-1", b'{"a": 1}')
    remember(str(where), "s-2", b"2")
    changed = os.stat(where / "s-1.json").st_mtime
    data, age = recall(str(where), "s-1", changed + 5)
    assert (data, round(age, 3)) == (b'{"a": 1}', 5.0)
    assert recall(str(where), "s-1", changed - 5)[1] == 0.0
    assert recall(str(where), "s-3") == (b"", 0.0)


def test_only_its_owner_can_read_it(where: Path) -> None:
    remember(str(where), "s-1", b"1")
    assert stat.S_IMODE(os.stat(where).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(where / "s-1.json").st_mode) == 0o600


def test_the_oldest_of_too_many_go(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_FILES", 3)
    for number in range(6):
        remember(str(where), f"s-{number}", b"1")
        os.utime(where / f"s-{number}.json", (number, number))
    assert sorted(path.name for path in where.iterdir()) == ["s-3.json", "s-4.json", "s-5.json"]


def test_no_path_is_made_of_a_session(where: Path) -> None:
    remember(str(where), "../x", b"1")
    assert not where.exists()
    assert recall(str(where), "../x") == (b"", 0.0)


def test_too_much_is_not_kept(where: Path) -> None:
    remember(str(where), "s-1", b"1" * 65537)
    assert not where.exists()


def test_a_directory_that_others_can_write_to_is_not_used(where: Path) -> None:
    where.mkdir()
    (where / "s-1.json").write_bytes(b"forged")
    where.chmod(0o777)
    remember(str(where), "s-2", b"1")
    assert [path.name for path in where.iterdir()] == ["s-1.json"]
    assert recall(str(where), "s-1") == (b"", 0.0)


def test_a_link_in_its_place_is_not_followed(where: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    where.symlink_to(target)
    remember(str(where), "s-1", b"1")
    assert list(target.iterdir()) == []
    assert recall(str(where), "s-1") == (b"", 0.0)


def test_a_full_disk_or_a_missing_parent_is_no_error(tmp_path: Path) -> None:
    remember(str(tmp_path / "no" / "such"), "s-1", b"1")
    (tmp_path / "file").write_text("")
    remember(str(tmp_path / "file"), "s-1", b"1")
    assert recall(str(tmp_path / "file"), "s-1") == (b"", 0.0)


def test_where_it_is(tmp_path: Path) -> None:
    own = f"teamclaude-statusline-{os.getuid()}"
    assert directory({"XDG_RUNTIME_DIR": str(tmp_path)}) == str(tmp_path / "teamclaude-statusline")
    assert directory({"XDG_RUNTIME_DIR": str(tmp_path / "none"), "TMPDIR": "/t"}) == f"/t/{own}"
    assert directory({"XDG_RUNTIME_DIR": "relative"}) == f"/tmp/{own}"
