"""Lines are printed in order, and a stuck or closed terminal stops nothing."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections import deque
from pathlib import Path

import pytest

from teamclaude.cli.server_log.line_printer import MAX_WAITING, PIECE, LinePrinter


def test_lines_come_out_in_order() -> None:
    out = io.StringIO()
    lines = LinePrinter(out, str)
    for number in range(50):
        lines.put(str(number))
    lines.close()
    assert out.getvalue().split() == [str(number) for number in range(50)]


class Stuck(io.StringIO):
    """A terminal after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go_on.wait(10)
        return super().write(text)


def test_a_stuck_terminal_blocks_no_one_and_memory_is_bounded() -> None:
    out = Stuck()
    lines = LinePrinter(out, str)
    lines.put("first")
    assert out.reached.wait(30)
    for number in range(MAX_WAITING + 10):
        lines.put(str(number))  # would wait for ever here
    out.go_on.set()
    lines.close()
    printed = out.getvalue().split()
    assert printed[0] == "first"
    assert printed[-1] == str(MAX_WAITING + 9)
    assert len(printed) == MAX_WAITING + 1


def test_items_are_formatted_by_the_printing_thread() -> None:
    out, threads = io.StringIO(), set()

    def line(number: int) -> str:
        threads.add(threading.get_ident())
        return f"{12 // number}"  # not of 0: that costs the line of 0 alone

    lines = LinePrinter(out, line)
    for number in (1, 0, 3):
        lines.put(number)
    lines.close()
    assert out.getvalue() == "12\n4\n"
    assert threads
    assert threading.get_ident() not in threads


def test_under_load_who_puts_formats_what_waits_and_it_is_written_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, written, formatted = io.StringIO(), list[str](), list[str]()
    monkeypatch.setattr(out, "write", written.append)

    def line(text: str) -> str:
        formatted.append(text)
        return text

    lines = LinePrinter(out, line)
    lines.close()
    lines._has_items.set()  # what waits will be printed in a moment
    texts = list(map(str, range(2 * PIECE)))
    with lines._formatting:  # by another thread
        for text in texts[: PIECE + 1]:
            lines.put(text)
        assert formatted == []
    for text in texts[PIECE + 1 :]:
        lines.put(text)
    assert formatted == texts[: PIECE + 2]
    assert written == []
    lines._print(lines._items)
    assert [text.split() for text in written] == [texts]


def test_lines_that_nobody_takes_are_bounded() -> None:
    out = io.StringIO()
    lines = LinePrinter(out, str)
    lines.close()
    lines._has_items.set()
    for number in range(MAX_WAITING + 3 * PIECE):
        lines.put(number)
    lines._print(lines._items)
    assert len(out.getvalue().split()) == MAX_WAITING
    assert out.getvalue().endswith(f"{MAX_WAITING + 3 * PIECE - 1}\n")


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_is_no_error() -> None:
    lines = LinePrinter(Closed(), str)
    lines.put("x")
    lines.close()
    lines.put("y")


# --- a real descriptor ----------------------------------------------------------------------------


def test_printing_resumes_when_the_disk_has_space_after_a_partial_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [3]

    def disk(descriptor: int, data: bytes) -> int:
        if descriptor != stream.fileno() or room[0] < 0:
            return write(descriptor, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, room[0] = write(descriptor, bytes(data[: room[0]])), 0
        return taken

    with open(tmp_path / "out", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(os, "write", disk)
        first = LinePrinter(stream, str)
        first.put("first")
        first.close()
        for _ in range(3):
            first._print(deque(["lost"]))
        room[0] = -1
        first._print(deque(["there is room"]))
        first._print(deque(["again"]))
    assert (tmp_path / "out").read_text() == "fir\nthere is room\nagain\n"


@pytest.mark.skipif(os.name == "nt", reason="FIFOs are POSIX")
def test_another_reader_of_a_fifo_gets_the_lines_from_then_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with open(tmp_path / "fifo", "w", encoding="utf-8") as stream:
        lines = LinePrinter(stream, str)
        lines.close()
        os.close(reader)
        lines._print(deque(["nobody reads"]))
        reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        lines._print(deque(["somebody does"]))
        assert os.read(reader, 100) == b"somebody does\n"
        os.close(reader)
