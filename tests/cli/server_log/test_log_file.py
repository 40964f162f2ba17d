"""A log file: private, of bounded size, and no harm to anybody when it can't be written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from teamclaude.cli.server_log import log_file
from teamclaude.cli.server_log.log_file import LogFile
from teamclaude.errors import TeamClaudeError


def opened(path: Path, warnings: list[str], **limits: int) -> LogFile:
    return LogFile(str(path), warnings.append, **limits)


def test_the_file_and_its_directories_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "server.log"
    made = opened(path, [])
    made.write("one\ntwo\n")
    made.write("three\n")
    made.close()
    assert path.read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_size_and_number_are_bounded_and_lines_stay_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "PIECE_CHARS", 50)
    path = tmp_path / "server.log"
    made = opened(path, [], max_bytes=200, kept_files=2)
    for batch in range(20):
        made.write("".join(f"line {batch:02d} {number:02d}\n" for number in range(10)))
    made.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "server.log",
        "server.log.1",
        "server.log.2",
    ]
    lines: list[str] = []
    for name in ("server.log.2", "server.log.1", "server.log"):
        assert (tmp_path / name).stat().st_size <= 200
        lines += (tmp_path / name).read_text().splitlines()
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    everything = [f"line {batch:02d} {number:02d}" for batch in range(20) for number in range(10)]
    assert lines == everything[-len(lines) :]


def test_a_line_that_a_crash_has_cut_off_gets_its_end(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text('{"a":1}\n{"a":')
    for _ in range(2):
        made = opened(path, [])
        made.write('{"a":2}\n')
        made.close()
    assert path.read_text() == '{"a":1}\n{"a":\n{"a":2}\n{"a":2}\n'


@pytest.mark.skipif(os.name == "nt", reason="directories have no modes")
def test_a_rotation_that_fails_loses_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    made = opened(tmp_path / "server.log", warnings, max_bytes=10)
    made.write("first line\n")
    rename = os.rename

    def refused(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "rename", refused)
    for _ in range(2):
        with pytest.raises(PermissionError):
            made.write("lost\n")
    monkeypatch.setattr(os, "rename", rename)
    made.write("second line\n")
    made.close()
    assert (tmp_path / "server.log.1").read_text() == "first line\n"
    assert (tmp_path / "server.log").read_text() == "second line\n"
    assert len(warnings) == 1


def test_a_line_longer_than_a_piece_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "PIECE_CHARS", 5)
    made = opened(tmp_path / "log", [])
    made.write("a longer line\nb\nand another\n")
    made.close()
    assert (tmp_path / "log").read_text() == "a longer line\nb\nand another\n"


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be moved")
def test_a_file_that_is_moved_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    made = opened(path, [])
    made.write("one\n")
    path.rename(tmp_path / "moved")
    made.write("two\n")
    path.unlink()
    made.write("three\n")
    made.close()
    assert (tmp_path / "moved").read_text() == "one\n"
    assert path.read_text() == "three\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs")
@pytest.mark.parametrize("is_read", [False, True])
def test_a_pipe_in_its_place_is_neither_waited_for_nor_written(tmp_path: Path, is_read: bool) -> None:
    warnings: list[str] = []
    path = tmp_path / "server.log"
    made = opened(path, warnings)
    path.unlink()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if is_read else None
    with pytest.raises(OSError, match="regular" if is_read else "No such device"):
        made.write("one\n")
    assert len(warnings) == 1
    if reader is not None:
        os.close(reader)
    path.unlink()
    made.write("two\n")
    made.close()
    assert path.read_text() == "two\n"


def test_a_full_disk_is_one_warning_until_it_has_space_and_tears_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    path = tmp_path / "server.log"
    made = opened(path, warnings)
    made.write("one\n")
    write, room = os.write, [4]

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            made.write("half a line\n")
    room[0] = 1000
    made.write("whole\n")
    made.close()
    assert path.read_text() == "one\nhalf\nwhole\n"
    assert len(warnings) == 1
    assert warnings[0].endswith("server.log (No space left on device); lines are missing from it")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(TeamClaudeError, match=r"can't write the log file .*: Permission denied$"):
        opened(closed / "server.log", [])


def test_a_path_that_is_no_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TeamClaudeError, match="it is not a regular file"):
        opened(tmp_path, [])
    with pytest.raises(
        TeamClaudeError, match=r"can't write the log file .*/file/log: (Not a dir|File exists)"
    ):
        opened(tmp_path / "file" / "log", [])


def test_a_file_that_another_process_has_just_rotated_is_not_rotated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    one, other = opened(path, [], max_bytes=100), opened(path, [], max_bytes=100)
    one.write("x" * 90 + "\n")
    other.write("y\n")
    size = log_file._Appended.size

    def late(stream: log_file._Appended) -> int:
        monkeypatch.setattr(log_file._Appended, "size", size)
        one.write("a" * 50 + "\n")
        return size(stream)

    monkeypatch.setattr(log_file._Appended, "size", late)
    other.write("b" * 40 + "\n")
    assert path.read_text() == "a" * 50 + "\n" + "b" * 40 + "\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1"]
    one.close()
    other.close()
