"""Lines are printed in order, and a stuck or closed terminal stops nothing."""

from __future__ import annotations

import io
import threading

from teamclaude.cli.lines import KEPT, Lines


def test_lines_come_out_in_order() -> None:
    out = io.StringIO()
    lines = Lines(out, str)
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


def test_a_stuck_terminal_holds_nobody_up_and_memory_is_bounded() -> None:
    out = Stuck()
    lines = Lines(out, str)
    lines.put("first")
    assert out.reached.wait(5)
    for number in range(KEPT + 10):
        lines.put(str(number))  # would wait for ever here
    out.go_on.set()
    lines.close()
    printed = out.getvalue().split()
    assert printed[0] == "first" and printed[-1] == str(KEPT + 9) and len(printed) == KEPT + 1


def test_what_was_put_becomes_a_line_by_the_thread_that_prints() -> None:
    out, threads = io.StringIO(), set()

    def line(number: int) -> str:
        threads.add(threading.get_ident())
        return f"{12 // number}"  # not of 0: that costs the line of 0 alone

    lines = Lines(out, line)
    for number in (1, 0, 3):
        lines.put(number)
    lines.close()
    assert out.getvalue() == "12\n4\n"
    assert threads and threading.get_ident() not in threads


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_closed_pipe_is_no_error() -> None:
    lines = Lines(Closed(), str)
    lines.put("x")
    lines.close()
    lines.put("y")
