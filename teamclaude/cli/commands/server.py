"""Start the proxy and keep it running.  On a terminal it shows the Deck (? tells
its keys), otherwise a banner and one line for each request, and for each
hold, bench, full window and reset.

Ctrl-C (or SIGTERM) lets running answers finish; once more ends at once.
SIGHUP reads the config file again.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TextIO, Union

from ... import __version__
from ...accounts.config.config import Config
from ...errors import TeamClaudeError
from ..address import port_number
from ..deck_page import LocalDeck, claude_home, claude_sources, deck_screen, shows_ascii
from ..line_printer import LinePrinter
from ..ranges import number
from ..signals import serve_until_stopped
from ..terminal import has_color
from ..user_config import open_config
from ..words import plural

if TYPE_CHECKING:
    from ...deck.sources.reader import SourceReader
    from ...deck.terminal.screen import Screen
    from ...proxy.records.exchange import Exchange
    from ...proxy.records.notices import Notice
    from ...proxy.server import ProxyServer

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="listen here instead of proxy.port; 0: any free port"
    )
    parser.add_argument("--host", metavar="H", help="listen on this address instead of proxy.host")
    parser.add_argument("--log-to", metavar="DIR", help="write each request and answer to a file in DIR")
    parser.add_argument(
        "--drain",
        type=number(0, 86400),
        metavar="SEC",
        help="time for running answers at the end (drainSec)",
    )
    parser.add_argument("--headless", action="store_true", help="plain lines also on a terminal")


def run(args: argparse.Namespace) -> int:
    gc.disable()  # until all is loaded, which leaves nothing to collect: 4 % of the start
    try:
        return _serve(args)
    finally:
        gc.enable()


def _serve(args: argparse.Namespace) -> int:
    from ...proxy.server import ProxyServer

    file = open_config()
    deck = LocalDeck()
    lines, notes = LinePrinter(sys.stdout, _request_line(sys.stdout)), LinePrinter(sys.stderr, str)

    def tell(exchange: Exchange) -> None:
        if not deck.is_shown:
            lines.put(exchange)

    def tell_notice(notice: Notice, now: float) -> None:
        if not deck.is_shown:  # it shows holds, benches and windows as they are
            lines.put((notice, now))

    def warn(line: str) -> None:
        if not deck.show_warning(line):
            notes.put(f"teamclaude: {line}")

    service = ProxyServer(
        file,
        host=args.host,
        port=args.port,
        log_dir=args.log_to,
        drain_sec=args.drain,
        on_end=tell,
        warn=warn,
        on_notice=tell_notice,
    )

    config = service.runtime.context.config
    if not config.accounts:
        raise TeamClaudeError(_no_account_text(str(file.path)))

    def begin() -> bool:
        service.start()
        # Everything about the Deck after that: it takes 22 ms to load, and the first answer needs none of it.
        reader = claude_sources(claude_home())
        deck.attach(service, reader)
        _freeze_heap()
        on = None if args.headless else deck_screen()
        if on is not None and _show_deck(deck, on, service, reader, notes.put):
            return True
        lines.put(_banner(service, config, str(file.path)))
        return False

    try:
        serve_until_stopped(service, notes.put, begin)
    finally:
        lines.close()
        notes.close()
    return 0


Printable = Union["Exchange", "tuple[Notice, float]", str]


def _request_line(stream: TextIO) -> Callable[[Printable], str]:
    """What `stream` shows of a request, of what happened to an account, or of a line that is one already."""

    @cache
    def shown() -> Callable[[Exchange], str]:
        # Loaded for the first request, after the first answer: 1.5 ms.
        from ...deck.view.activity_line import activity_line
        from ...proxy.records.activity import activity_of

        color, ascii = has_color(stream), shows_ascii(stream)
        return lambda exchange: activity_line(activity_of(exchange), color, ascii)

    def noticed(notice: Notice, now: float) -> str:
        from ...deck.text.cells import ascii_text
        from ...proxy.records.notices import clock_line

        line = clock_line(notice, now)
        return ascii_text(line) if shows_ascii(stream) else line

    def line(of: Printable) -> str:
        if isinstance(of, str):
            return of
        return noticed(*of) if isinstance(of, tuple) else shown()(of)

    return line


def _show_deck(
    deck: LocalDeck, on: Screen, service: ProxyServer, reader: SourceReader, say: Callable[[str], None]
) -> bool:
    """Show the Deck until it is left; False when it broke: the proxy goes on without it."""
    from ...deck.controls import LocalControls
    from ...deck.feed import LocalFeed

    try:
        deck.show(LocalFeed(service, reader), LocalControls(service), on, lambda: service.wait(0))
    except Exception as error:
        if os.environ.get("TEAMCLAUDE_DEBUG"):
            import traceback

            say(traceback.format_exc())
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"teamclaude: the Deck broke ({what}); the proxy goes on with plain lines")
        return False
    return True


def _freeze_heap() -> None:
    """What is loaded by now stays: the garbage collector need not walk through it for ever.

    Nor so often: a request makes hundreds of objects that live as long as it.  Together 6 % of a small
    request; and with a thousand streams one walk took 50 to 80 ms, in which nobody else had a turn.
    """
    if hasattr(gc, "freeze"):  # PyPy collects in another way
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _banner(service: ProxyServer, config: Config, path: str) -> str:
    accounts = ", ".join(a.name + (" (disabled)" if a.disabled else "") for a in config.accounts)
    port = "" if service.port == config.proxy.port else f" --port {service.port}"
    return f"""TeamClaude {__version__} on {" and ".join(service.urls)}
{plural(len(config.accounts), "account")}: {accounts}
config: {path}
run Claude Code through it: teamclaude run{port}
   or: eval "$(teamclaude env{port})"; claude"""


def _no_account_text(path: str) -> str:
    return f"""{path} has no accounts yet. Add one, and start the server again:
  teamclaude login         a subscription, with the browser
  teamclaude import        the login of Claude Code on this machine
  teamclaude login --api   an API key, billed by use
To see it work without an account: teamclaude demo"""
