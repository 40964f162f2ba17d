"""The `demo` command: fake sessions and a fake API around the real proxy."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional

from ..arguments import number, whole_number

if TYPE_CHECKING:
    from ...deck.model.model import DeckModel
    from ...deck.sources.reader import SourceReader
    from ...deck.terminal.screen import Screen
    from ...deck.ui import CommandResult
    from ...deck.view.ui_state import Command
    from ...proxy.server import ProxyServer

SECONDS, SPEED = 20.0, 60.0
DECK_SPEED, DECK_RUN_SEC = 20.0, 150.0  # slow enough to be followed by eye


def demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude demo`."""
    parser.add_argument("--sessions", type=whole_number(1, 200), default=10, metavar="N", help="default: 10")
    parser.add_argument("--accounts", type=whole_number(1, 20), default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--speed",
        type=number(1, 3600),
        metavar="X",
        help=f"their seconds per second ({SPEED:g}; with the Deck {DECK_SPEED:g})",
    )
    parser.add_argument(
        "--seconds",
        type=number(0, 86400),
        metavar="S",
        help=f"how long it runs (default: {SECONDS:g}, with the Deck until q; 0: until Ctrl-C)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**31), default=1, metavar="N", help="another course of events"
    )
    parser.add_argument("--headless", action="store_true", help="plain lines also on a terminal")
    parser.add_argument(
        "--snapshot", action="store_true", help="print the Deck of the fullest moment before the table"
    )


def demo(args: argparse.Namespace) -> int:
    """Demonstrate the proxy with no account and no network.

    A fake API with quotas that fill and reset, fake Claude Code sessions, and the
    real proxy between them.

    On a terminal it shows the Deck until q, otherwise a line for each event. Its
    port is in the first line: teamclaude web --port N opens its page.
    Nothing of yours is read or changed. It ends with a table; the exit status is 0
    unless a session saw an error that another account could have prevented.
    """
    from ...deck.view.activity_line import activity_line
    from ...demo.runner import DemoOptions, run_demo
    from ..deck_page import deck_screen, shows_ascii
    from ..terminal import has_color

    on = None if args.headless else deck_screen()
    speed = args.speed or (SPEED if on is None else DECK_SPEED)
    options = DemoOptions(
        sessions=args.sessions,
        accounts=args.accounts,
        speed=speed,
        seconds=(SECONDS if on is None else None) if args.seconds is None else args.seconds or None,
        seed=args.seed,
        length_sec=None if on is None or args.seconds else DECK_RUN_SEC * speed,
    )
    color, ascii = has_color(sys.stdout), shows_ascii(sys.stdout)
    return run_demo(
        options,
        sys.stdout,
        render_request=lambda activity: activity_line(activity, color, ascii),
        sampler=FullestFrame() if args.snapshot else None,
        deck=None if on is None else lambda server, finished: _show(server, finished, on),
    )


def _show(server: ProxyServer, finished: threading.Event, on: Screen) -> None:
    from ...deck.feed import LocalFeed
    from ..deck_page import LocalDeck

    reader = _reader(server)
    deck = LocalDeck()
    deck.attach(server, reader)
    try:
        deck.show(LocalFeed(server, reader), DemoControls(server), on, finished.is_set)
    finally:
        reader.close()


def _reader(server: ProxyServer) -> SourceReader:
    """Return the reader of the fake sessions' files, by the demo's clock."""
    from ...deck.sources.reader import SourceReader

    return SourceReader(server.config_file.path.parent / "claude", server.runtime.clock)


class DemoControls:
    """The demo's controls: all except those that would add an account of the user's own."""

    def __init__(self, server: ProxyServer) -> None:
        from ...deck.controls import LocalControls

        self._controls = LocalControls(server)

    def execute(self, command: Command) -> CommandResult:
        """Run a command of the Deck, unless it would add an account."""
        from ...deck.ui import CommandResult

        if command.action in ("import", "add key"):
            return CommandResult("this is the demo: it takes no account of yours", "warn")
        return self._controls.execute(command)


class FullestFrame:
    """Keep the Deck of the moment with the most kinds of things to see."""

    EVERY = 4  # samples

    def __init__(self) -> None:
        self._reader: Optional[SourceReader] = None
        self._best: Optional[DeckModel] = None
        self._score = (0, 0)
        self._samples = 0

    def sample(self, server: ProxyServer) -> None:
        """Score every fourth sample, one each 0.4 s, and keep the best."""
        from ...deck.model.build import deck_model
        from ...deck.model.conversations import sessions_of

        self._samples += 1
        if self._samples % self.EVERY:
            return
        if self._reader is None:
            self._reader = _reader(server)
        snapshot = server.snapshot()
        self._reader.set_wanted(sessions_of(snapshot))
        model = deck_model(snapshot, self._reader.refresh())
        score = _fullness(model)
        if score > self._score:
            self._best, self._score = model, score

    def lines(self) -> Iterable[str]:
        """Return the best frame as lines of a page."""
        from ..deck_page import deck_page

        return [] if self._best is None else deck_page(self._best, sys.stdout)


def _fullness(model: DeckModel) -> tuple[int, int]:
    """Return (kinds of things to see, rows of conversations)."""
    nodes = model.nodes.values()
    bars = [bar for account in model.accounts for bar in account.bars if bar.used is not None]
    kinds = [
        len(model.trees) > 1,
        any(at.depth >= 2 for tree in model.trees for at in tree.lines),
        any(node.agent for node in nodes),
        any(node.agent and node.live for node in nodes),
        any(node.chip == "block" for node in nodes),
        any(node.chip == "review" for node in nodes),
        any(node.tool_running for node in nodes),
        any(node.inference for node in nodes),
        any(account.status == "benched" for account in model.accounts),
        any(bar.used is not None and bar.used >= 0.9 for bar in bars),
        any(row.running for row in model.activity),
    ]
    return sum(kinds), len(model.nodes)
