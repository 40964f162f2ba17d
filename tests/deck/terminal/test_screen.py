"""The terminal: its colors, painting of changed lines, and a stalled one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.deck.text.spans import line

pytest.importorskip("curses")
pty = pytest.importorskip("pty")
from teamclaude.deck.terminal.screen import Screen, open_screen  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tty() -> Iterator[tuple[int, int]]:
    """(the person's side, the program's side) of a terminal."""
    master, slave = pty.openpty()
    yield master, slave
    for handle in (master, slave):
        os.close(handle)


def screen(slave: int) -> Screen:
    made = open_screen(slave, {"TERM": "xterm-256color"})
    assert made is not None
    return made


def painted(master: int) -> str:
    out = b""
    while select.select([master], [], [], 0.05)[0]:
        out += os.read(master, 1 << 16)
    return out.decode()


@pytest.mark.parametrize(
    ("env", "depth"),
    [
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm"}, 8),
        ({"TERM": "linux"}, 8),
        ({"TERM": "vt100"}, 1),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 1),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
        ({"TERM": "xterm-of-tomorrow"}, 256),
        ({"TERM": "tomorrow", "COLORTERM": "truecolor"}, 256),
        ({"TERM": "no-such-terminal"}, None),
        ({"TERM": "dumb"}, None),
        ({"TERM": ""}, None),
        ({}, None),
    ],
)
def test_the_colours_of_a_terminal(tty: tuple[int, int], env: dict[str, str], depth: Optional[int]) -> None:
    # In a subprocess: curses looks up a terminal once per process.
    script = (
        "from teamclaude.deck.terminal.screen import open_screen\n"
        f"on = open_screen({tty[1]}, {env!r})\n"
        "print(None if on is None else on.color_depth)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        pass_fds=[tty[1]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == f"{depth}\n"


def test_a_file_is_no_terminal() -> None:
    with open(os.devnull) as file:
        assert open_screen(file.fileno(), {"TERM": "xterm-256color"}) is None


def test_only_changed_lines_are_painted(tty: tuple[int, int]) -> None:
    master, slave = tty
    with screen(slave) as on:
        on.paint([line("one"), line("two"), line(("three", "bad"))], on.size())
        first = painted(master)
        assert "one" in first
        assert "two" in first
        assert "\x1b[38;5;196mthree\x1b[0m" in first
        on.paint([line("one"), line("TWO"), line(("three", "bad"))], on.size())
        assert painted(master) == "\x1b[2;1H\x1b[KTWO"
        on.paint([line("one"), line("TWO"), line(("three", "bad"))], on.size())
        assert painted(master) == ""
        on.invalidate()
        on.paint([line("one"), line("TWO"), line(("three", "bad"))], on.size())
        assert "one" in painted(master)


def test_a_frame_drawn_for_another_size_is_cleared_by_the_next(tty: tuple[int, int]) -> None:
    master, slave = tty
    with screen(slave) as on:
        columns, lines = on.size()
        on.paint([line("wide " * 40)], (columns + 100, lines))  # the terminal became narrower meanwhile
        painted(master)
        on.paint([line("narrow")], on.size())
        assert painted(master).startswith("\x1b[H\x1b[2J")


def test_text_after_a_character_of_ambiguous_width_is_placed_again(tty: tuple[int, int]) -> None:
    master, slave = tty
    with screen(slave) as on:
        on.paint(
            [line("── ", "🦊", " fox ", "漢字", "!"), line("██ plain", " text"), line("at the end ►")],
            on.size(),
        )
        shown = painted(master)
    assert "── 🦊\x1b[1;6H fox 漢字\x1b[1;15H!" in shown
    assert "██ plain text" in shown
    assert shown.count("at the end ►\x1b[3;") == 0


def test_a_stalled_terminal_stops_nothing_and_catches_up(tty: tuple[int, int]) -> None:
    master, slave = tty
    with screen(slave) as on:
        began = time.monotonic()
        for number in range(60):
            if not on.has_pending_output:
                on.paint([line(f"{number} " * 500) for _ in range(40)], on.size())
        assert on.has_pending_output
        assert time.monotonic() - began < 2
        while not on.flush():
            painted(master)
        assert not on.has_pending_output
        painted(master)
        on.paint([line("after") for _ in range(40)], on.size())
        assert "after" in painted(master)


def test_leaving_a_stalled_terminal_takes_a_moment_only(tty: tuple[int, int]) -> None:
    on = screen(tty[1])
    began = time.monotonic()
    with on:
        while not on.has_pending_output:
            on.invalidate()
            on.paint([line("x" * 4000) for _ in range(40)], on.size())
    assert time.monotonic() - began < 3


def test_reading_tells_nothing_bytes_and_the_end(tty: tuple[int, int]) -> None:
    master, slave = tty
    with screen(slave) as on:
        assert on.read() == b""
        os.write(master, b"q\x1b[A")
        select.select([on], [], [], 5)
        assert on.read() == b"q\x1b[A", "not a line at a time, and Enter stays what it is"
