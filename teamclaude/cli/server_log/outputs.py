"""Which line of a running server goes where.

Rules that hold in this file:

1. Without a log file requests and notices go to stdout, warnings and messages to stderr; while the Deck is
   shown it has them instead.  In text the banner and a message tell that the server starts and stops.
2. A log file gets all of it, whether the Deck is shown or not.  Beside it stdout has only the banner, and
   stderr the warnings.
3. The chosen format is that of the log file; without one, that of stdout and stderr.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Optional, TextIO, cast

from ...proxy.records.notices import SERVER
from .line_printer import LinePrinter
from .lines import MESSAGE, TEXT, WARNING, Line, Message, Told, dated_line, json_line, text_line
from .log_file import LogFile

if TYPE_CHECKING:
    from ...proxy.records.exchange import Exchange
    from ...proxy.records.notices import Notice
    from ..deck_page import LocalDeck

__all__ = ["ServerLog"]

Format = Literal["text", "json"]


class ServerLog:
    """The lines of one server.  Any thread; no method waits for a terminal or a disk.

    `file`: the path of a log file.  Raises TeamClaudeError if it can't be written.
    """

    def __init__(
        self,
        deck: LocalDeck,
        format: Format = "text",
        file: Optional[str] = None,
        clock: Callable[[], float] = time.time,
        out: Optional[TextIO] = None,
        err: Optional[TextIO] = None,
    ) -> None:
        out, err = out or sys.stdout, err or sys.stderr
        self._deck, self._clock = deck, clock
        self._muted = False
        self._in_json = format == "json" and file is None
        self._file: Optional[LinePrinter[Line]] = None
        self._log_file = None if file is None else LogFile(file, self.warn)
        if self._log_file is not None:
            stream = cast(TextIO, self._log_file)
            self._file = LinePrinter(stream, json_line if format == "json" else dated_line(stream))
        self._out = LinePrinter(out, json_line if self._in_json else text_line(out))
        self._err = LinePrinter(err, json_line if self._in_json else text_line(err))
        self._put: Callable[[Line], None] = _drop  # prints requests and notices
        deck.on_switch = self._choose_printer
        self._choose_printer()

    def _choose_printer(self) -> None:
        """Choose where lines of requests and notices go: the Deck shows the requests and accounts itself."""
        has_terminal = not (self._deck.is_shown or self._muted)
        printer = self._file or (self._out if has_terminal else None)
        self._put = _drop if printer is None else printer.put

    def request(self, exchange: Exchange) -> None:
        """Log a request that has ended."""
        self._put(exchange)

    def notice(self, notice: Notice, at: float) -> None:
        """Log what happened to an account, a held request or the server."""
        if notice.kind != SERVER or self._in_json or self._file is not None:
            self._put(Told(notice, at))

    def mute(self) -> None:
        """Print nothing any more: the terminal is another process's.  A log file goes on."""
        self._muted = True
        self._choose_printer()

    def warn(self, text: str) -> None:
        """Log what a person has to know, also on the Deck or on stderr."""
        self._say(WARNING, text, self._deck.show_warning(text))

    def say(self, text: str) -> None:
        """Log a message; it is printed without the Deck only."""
        self._say(MESSAGE, text.removeprefix("teamclaude: "), False)

    def _say(self, kind: str, text: str, is_shown: bool) -> None:
        line = Message(kind, text, self._clock())
        if not is_shown and not self._muted:
            self._err.put(line)
        if self._file is not None:
            self._file.put(line)

    def banner(self, text: str) -> None:
        """Print a text for the person who has started the server; JSON has no place for it."""
        if not self._in_json:
            self._out.put(Message(TEXT, text, self._clock()))

    def close(self) -> None:
        """Write what waits; give up after 2 s for each output."""
        for printer in (self._out, self._file, self._err):
            if printer is not None:
                printer.close()
        if self._log_file is not None:
            self._log_file.close()


def _drop(line: Line) -> None:
    pass
