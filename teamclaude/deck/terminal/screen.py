"""The terminal: paint lines, read bytes, and restore everything at the end.

Only the terminal database of curses is used.  One `write` paints all lines that have changed.  The cursor is
placed before each line, and again after each character that terminals measure differently (joined emoji, East
Asian ambiguous width), so columns stay aligned.

The terminal is opened a second time, non-blocking: a terminal that takes no more bytes (a dead connection)
stops the painting and nothing else, and the shell's own file description keeps its flags.
"""

from __future__ import annotations

import contextlib
import curses
import os
import re
import select
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...color import wants_color
from ..text.cells import width
from ..text.spans import Line, ansi_text

__all__ = ["Screen", "open_screen"]

# xterm's ctlseqs: mouse buttons and wheel as SGR sequences, pasted text between marks.
MODES_ON, MODES_OFF = b"\x1b[?1000h\x1b[?1006h\x1b[?2004h", b"\x1b[?2004l\x1b[?1006l\x1b[?1000l"
PADDING = re.compile(rb"\$<[^>]*>")
# Besides ASCII, only box-drawing and block characters are one cell wide in every terminal.
AMBIGUOUS_WIDTH = re.compile("[^\x00-\x7f\u2500-\u259f]")
LEAVE_SEC = 0.5  # to write the last bytes
BELL = b"\x07"


class Screen:
    """A terminal that can place the cursor; use as a context manager, from one thread."""

    def __init__(self, handle: int, env: Mapping[str, str]) -> None:
        """Raise curses.error or OSError when `handle` is no terminal, or one that cannot place its cursor."""
        _setup_term(handle, env)
        place, clear = _capability("cup"), _capability("clear")
        if not place or not clear:
            raise curses.error("the terminal cannot place its cursor")
        self._cursor_address, self._clear, self._erase = place, clear, _capability("el")
        self._enter_sequence = _capability("smcup") + _capability("civis") + _capability("rmam") + MODES_ON
        self._leave_sequence = MODES_OFF + _capability("smam") + _capability("cnorm") + _capability("sgr0")
        self._restore_screen = _capability("rmcup") or clear
        self.color_depth = _color_depth(env)
        self._tty = os.open(os.ttyname(handle), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        self._settings: Optional[list[Any]] = None  # the terminal's settings before `enter`
        self._shown: list[Optional[Line]] = []
        self._size = (0, 0)
        self._pending = b""

    # --- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Screen:
        self.enter()
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()
        os.close(self._tty)

    def enter(self) -> None:
        """Take the terminal: no echo, unbuffered keys, the alternate screen; also after a suspension."""
        if self._settings is None:
            self._settings = termios.tcgetattr(self._tty)
        raw = termios.tcgetattr(self._tty)
        raw[0] &= ~(termios.ICRNL | termios.IXON)
        raw[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
        raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._tty, termios.TCSANOW, raw)
        self._pending = self._enter_sequence
        self.invalidate()

    def settings(self) -> list[Any]:
        """Return the terminal's settings, for `leave` in another process's place."""
        return termios.tcgetattr(self._tty)

    def leave(self, before: Optional[list[Any]] = None) -> None:
        """Restore the terminal's screen and settings; `before`: those that another process found."""
        settings, self._settings = before or self._settings, None
        if settings is None:
            return
        # Output that is still pending is dropped.
        self._pending = self._leave_sequence + self._restore_screen
        deadline = time.monotonic() + LEAVE_SEC
        with contextlib.suppress(OSError):
            while not self.flush() and time.monotonic() < deadline:
                select.select([], [self._tty], [], 0.05)
        self._pending = b""
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._tty, termios.TCSANOW, settings)

    def in_foreground(self) -> bool:
        """Return whether this process may use the terminal: False after Ctrl-Z and `bg`."""
        try:
            return os.tcgetpgrp(self._tty) == os.getpgrp()
        except OSError:
            return True

    # --- size and input -----------------------------------------------------------------------

    def fileno(self) -> int:
        """Return the descriptor to select on for input."""
        return self._tty

    def size(self) -> tuple[int, int]:
        """Return (columns, lines); (80, 24) when unknown."""
        try:
            columns, lines = os.get_terminal_size(self._tty)
        except OSError:
            return (80, 24)
        return (columns or 80, lines or 24)

    def read(self) -> Optional[bytes]:
        """Return what was typed (empty: nothing yet); None when the terminal is gone."""
        try:
            return os.read(self._tty, 1 << 16) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    # --- painting -----------------------------------------------------------------------------

    @property
    def has_pending_output(self) -> bool:
        """Whether the terminal has not taken all output yet."""
        return bool(self._pending)

    def invalidate(self) -> None:
        """Paint the next frame as a whole, whatever is on the screen."""
        self._size = (0, 0)

    def paint(self, lines: Sequence[Line], size: tuple[int, int]) -> None:
        """Show these lines, drawn for a screen of this `size()`; write only those that changed.

        Asked here, the size may be another than the lines were drawn for: the next frame would not clear
        what they left beyond the edge.
        """
        out: list[bytes] = []
        if size != self._size:
            self._size, self._shown = size, [None] * len(lines)
            out.append(self._clear)
        for row, line in enumerate(lines):
            if row < len(self._shown) and line == self._shown[row]:
                continue
            out.append(self._move_to(row, 0) + self._erase + self._line_bytes(row, line))
        self._shown = list(lines)
        self._pending += b"".join(out)
        self.flush()

    def _line_bytes(self, row: int, line: Line) -> bytes:
        """Return the line's bytes; the cursor is placed again after each character of ambiguous width."""
        out: list[bytes] = []
        column, start = 0, 0
        for place, span in enumerate(line):
            column += width(span.text)
            if AMBIGUOUS_WIDTH.search(span.text):
                out += [ansi_text(line[start : place + 1], self.color_depth).encode("utf-8", "replace")]
                out += [self._move_to(row, column)] if place + 1 < len(line) else []
                start = place + 1
        return b"".join(out) + ansi_text(line[start:], self.color_depth).encode("utf-8", "replace")

    def _move_to(self, row: int, column: int) -> bytes:
        return PADDING.sub(b"", curses.tparm(self._cursor_address, row, column))

    def bell(self) -> None:
        """Ring the terminal's bell."""
        self._pending += BELL
        self.flush()

    def flush(self) -> bool:
        """Write what the terminal takes now; return whether nothing is left."""
        while self._pending:
            try:
                written = os.write(self._tty, self._pending)
            except BlockingIOError:
                return False
            self._pending = self._pending[written:]
        return True


def open_screen(handle: int, env: Mapping[str, str]) -> Optional[Screen]:
    """Return the terminal of `handle`; None when it can show plain text only."""
    if env.get("TERM", "dumb") in ("", "dumb"):
        return None
    try:
        return Screen(handle, env)
    except (curses.error, OSError, termios.error):
        return None


def _setup_term(handle: int, env: Mapping[str, str]) -> None:
    """Look up the terminal in the database; curses allows this once per process.

    Terminals that are too new for the machine's database are compatible with xterm, and tell it by their name
    or by COLORTERM.
    """
    name = env.get("TERM", "")
    try:
        curses.setupterm(name, handle)
    except curses.error:
        if "xterm" not in name and not env.get("COLORTERM"):
            raise
        curses.setupterm("xterm-256color", handle)


def _capability(name: str) -> bytes:
    return PADDING.sub(b"", curses.tigetstr(name) or b"") if name != "cup" else curses.tigetstr(name) or b""


def _color_depth(env: Mapping[str, str]) -> int:
    """Return the number of colors; 1: bold and reverse only, 0: not even those."""
    if b"\x1b[" not in (curses.tigetstr("sgr0") or b""):
        return 0
    return max(1, curses.tigetnum("colors")) if wants_color(env, True) else 1
