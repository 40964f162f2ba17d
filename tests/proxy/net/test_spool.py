"""Uploads on disk: private, without a file name, and an error in words if the disk is full."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.errors import DiskFullError
from teamclaude.proxy.net.bodies.spool import DiskBody, Spool, is_spooled


def test_what_was_written_is_read_back_and_leaves_no_file(tmp_path: Path) -> None:
    home = tmp_path / "spool"
    file = Spool(str(home)).open(9)
    file.write(b"123")
    file.write(memoryview(b"456789"))
    body = file.content()
    assert (bytes(body), file.size, is_spooled(body)) == (b"123456789", 9, True)
    assert os.listdir(home) == [] or os.name != "posix"
    assert os.name != "posix" or stat.S_IMODE(home.stat().st_mode) == 0o700
    with pytest.raises(TypeError):
        body[0] = 0


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).open()
    assert stat.S_IMODE(os.fstat(file._file.fileno()).st_mode) == 0o600
    file.close()


def test_an_empty_body_can_be_spooled(tmp_path: Path) -> None:
    assert bytes(Spool(str(tmp_path)).open().content()) == b""


def test_what_was_sent_can_be_sent_again(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).open()
    file.write(b"x" * 300_000)
    body = file.content()
    assert isinstance(body.obj, DiskBody)
    body.obj.drop_pages(250_000)
    body.obj.drop_pages(0)
    assert bytes(body) == b"x" * 300_000


def test_a_full_disk_is_reported_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=(64 << 20) + 99))
    Spool(str(tmp_path)).open(99).close()
    with pytest.raises(DiskFullError, match="the disk is full") as refused:
        Spool(str(tmp_path)).open(100)
    assert (refused.value.status, list(refused.value.headers())) == (507, [("x-should-retry", "false")])
    assert str(tmp_path) in str(refused.value)


def test_a_disk_that_fills_up_meanwhile_is_reported(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).open()
    file._file.close()

    class Full:
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    file._file = Full()
    with pytest.raises(DiskFullError, match="No space left"):
        file.write(b"x")


def test_a_write_that_takes_only_part_goes_on(tmp_path: Path) -> None:
    file = Spool(str(tmp_path)).open()
    real = file._file

    class Slow:
        def write(self, data: Any) -> Any:
            return real.write(data[:2])

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    file._file = Slow()
    file.write(b"12345")
    assert bytes(file.content()) == b"12345"


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskFullError):
        Spool(str(tmp_path / "file" / "spool")).open()


def test_only_a_body_on_disk_is_spooled() -> None:
    assert [is_spooled(body) for body in (b"", bytearray(b"x"), memoryview(b"x"))] == [False] * 3
