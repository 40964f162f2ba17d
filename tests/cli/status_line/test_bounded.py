"""Every wait ends: stdin that goes on, functions that hang, commands that do not stop."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamclaude.cli.status_line import bounded
from teamclaude.cli.status_line.bounded import OtherCommand, in_time, read_stdin

FOREVER = 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for number in (read, write):
        with contextlib.suppress(OSError):
            os.close(number)


def test_stdin_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"{}")
    os.close(pipe[1])
    assert read_stdin(FOREVER, pipe[0]) == b"{}"


def test_stdin_that_does_not_end_gives_what_has_come(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"{}")
    assert read_stdin(0.02, pipe[0]) == b"{}"


def test_huge_stdin_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_INPUT_BYTES", 100_000)
    number = os.open("/dev/zero", os.O_RDONLY)
    try:
        assert 100_000 <= len(read_stdin(FOREVER, number)) < 200_000
    finally:
        os.close(number)


def test_a_terminal_is_not_read() -> None:
    there, here = pty.openpty()
    try:
        assert read_stdin(FOREVER, here) == b""
    finally:
        os.close(there)
        os.close(here)


def test_closed_stdin_is_empty(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    assert read_stdin(FOREVER, pipe[0]) == b""


def test_where_select_knows_no_pipes_a_thread_reads(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "name", "nt")
    os.write(pipe[1], b"{}")
    assert read_stdin(0.02, pipe[0]) == b"", "the end has not come"
    os.close(pipe[1])
    monkeypatch.undo()


def test_in_time() -> None:
    hangs = threading.Event()

    def fail() -> int:
        raise OSError

    assert in_time(lambda: 7, FOREVER) == 7
    assert in_time(fail, FOREVER) is None
    assert in_time(lambda: hangs.wait(FOREVER), 0.02) is None
    hangs.set()


# --- the other command --------------------------------------------------------------------------


def test_it_gets_the_same_stdin_in_a_shell() -> None:
    assert OtherCommand("cat; echo ' two' | tr t T", b"one").output(FOREVER) == b"one Two"


@pytest.mark.parametrize("command", ["echo x; exit 3", "no-such-program-here", "kill -9 $$", "'"])
def test_what_fails_says_nothing(command: str) -> None:
    assert OtherCommand(command, b"").output(FOREVER) == b""


def test_one_that_reads_nothing_works() -> None:
    assert OtherCommand("exec 0<&-; echo x", b"y" * 300_000).output(FOREVER) == b"x"


def test_its_stderr_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert OtherCommand("echo a; echo b >&2", b"").output(FOREVER) == b"a"
    assert capfd.readouterr() == ("", "")


def test_one_that_does_not_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    command = OtherCommand(f"sleep 60 & echo $! > {file}; echo $$ >> {file}; wait", b"")
    wait_for(lambda: file.exists() and len(file.read_text().split()) == 2)
    assert command.output(0.01) == b""
    for pid in map(int, file.read_text().split()):
        wait_for(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
