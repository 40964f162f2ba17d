"""Show the Deck for a command: on a capable terminal, otherwise as plain text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, TextIO

from . import terminal

if TYPE_CHECKING:
    from ..deck.controls import Controls
    from ..deck.feed import LocalFeed
    from ..deck.loop import DeckLoop, ExitReason
    from ..deck.model.model import DeckModel
    from ..deck.sources.reader import SourceReader
    from ..deck.terminal.screen import Screen
    from ..proxy.server import ProxyServer
    from ..snapshot import Snapshot

MAX_REQUESTS = 10  # on a page of text

__all__ = ["LocalDeck", "deck_page", "deck_screen", "shows_ascii"]


def deck_screen() -> Optional[Screen]:
    """Return the terminal ready for the Deck; None if stdin or stdout is not one, or it can't show it."""
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return None
        from ..deck.terminal.screen import open_screen
    except (ImportError, ValueError):  # Windows has no curses; a closed stream
        return None
    return open_screen(sys.stdout.fileno(), os.environ)


def shows_ascii(stream: TextIO) -> bool:
    """Return whether box characters and emoji must be avoided on `stream`."""
    from ..deck.text.cells import supports_unicode

    encoding = getattr(stream, "encoding", None) or "ascii"
    if not stream.isatty():
        return not supports_unicode({"LANG": "C.UTF-8"}, encoding)  # a file or pipe has no locale of its own
    return not supports_unicode(_initial_environment(), encoding)


def _initial_environment() -> Mapping[str, str]:
    """Return the environment before Python set LC_CTYPE for itself (PEP 538), where that is known (Linux)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return os.environ
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def deck_page(model: DeckModel, stream: TextIO, requests: int = MAX_REQUESTS) -> list[str]:
    """Return the whole Deck as lines for a stream, coloured if it shows colours.

    `requests`: how many finished requests are listed.
    """
    from ..deck.text.spans import ansi_text, plain_text
    from ..deck.view.frame import render_lines
    from ..deck.view.ui_state import FrameOptions, UiState

    color = terminal.has_color(stream)
    options = FrameOptions(
        width=max(40, terminal.width()),
        state=UiState(issues_open=True),
        max_requests=requests,
        ascii=shows_ascii(stream),
        percent=not color,
    )
    lines = render_lines(model, options)
    return [ansi_text(line, 8).rstrip() if color else plain_text(line) for line in lines]


class LocalDeck:
    """The Deck of a proxy in this process."""

    def __init__(self) -> None:
        self._loop: Optional[DeckLoop] = None
        self.is_shown = False  # the Deck is on the terminal
        self.on_switch: Callable[[], None] = lambda: None  # called after each change of that

    def show_warning(self, line: str) -> bool:
        """Show a warning on the Deck; return False while no Deck is shown."""
        loop = self._loop
        if loop is not None:
            loop.warn(line)
        return loop is not None

    def attach(self, service: ProxyServer, reader: SourceReader) -> None:
        """Add what `reader` finds on disk to GET /teamclaude/deck and to the page; count usage under issues.

        Every snapshot then also tells who waits for a person.
        """
        from ..deck.model.conversations import sessions_of
        from ..deck.model.needs_you import needs_you
        from ..deck.sources_provider import SourcesProvider

        def nodes_of(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
            from ..deck.model.page_nodes import page_nodes  # only once somebody opens the page

            reader.set_wanted(sessions_of(snapshot))
            return page_nodes(snapshot, reader.sources)

        rows = SourcesProvider(reader)
        service.runtime.sessions_on_disk = rows
        service.runtime.issue_of = reader.issue_of
        service.runtime.project_of = reader.directory_of
        service.runtime.needs_you_of = lambda snapshot: needs_you(reader.sources, snapshot, snapshot.at)
        service.runtime.page.nodes_of = nodes_of
        service.runtime.page.nodes_revision = lambda: id(reader.sources)
        rows.start()

    def show(
        self, feed: LocalFeed, controls: Controls, screen: Screen, is_over: Callable[[], bool]
    ) -> ExitReason:
        """Run the Deck until it is left; return how it ended."""
        from ..deck.loop import DeckLoop

        self._loop = DeckLoop(screen, feed, controls, ascii=shows_ascii(sys.stdout), is_over=is_over)
        self.is_shown = True
        self.on_switch()
        try:
            return self._loop.run()
        finally:
            self._loop, self.is_shown = None, False
            self.on_switch()
