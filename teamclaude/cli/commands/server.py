"""The `server` command: run the proxy in this process, with the Deck or plain lines."""

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
from ..arguments import number, port_number
from ..deck_page import LocalDeck, deck_screen, shows_ascii
from ..line_printer import LinePrinter
from ..own_proxy import drop_own_proxy, names_a_proxy
from ..signals import serve_until_stopped
from ..terminal import has_color, plural
from ..user_config import open_config

if TYPE_CHECKING:
    from ...deck.sources.reader import SourceReader
    from ...deck.terminal.screen import Screen
    from ...proxy.records.exchange import Exchange
    from ...proxy.records.notices import Notice
    from ...proxy.server import ProxyServer


def server_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude server`."""
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


def server(args: argparse.Namespace) -> int:
    """Start the proxy and keep it running.

    On a terminal it shows the Deck (? lists its keys), otherwise a banner and one
    line for each request and for each hold, bench, full window and reset.

    Ctrl-C (or SIGTERM) lets responses in progress finish; a second one stops at
    once. SIGHUP reloads the config file.
    """
    gc.disable()  # until everything is loaded, since nothing can be collected before: 4 % of the start
    try:
        return _serve(args)
    finally:
        gc.enable()


def _serve(args: argparse.Namespace) -> int:
    from ...proxy.server import ProxyServer

    file = open_config()
    deck = LocalDeck()
    lines, notes = LinePrinter(sys.stdout, _request_line(sys.stdout)), LinePrinter(sys.stderr, str)

    def print_request(exchange: Exchange) -> None:
        if not deck.is_shown:
            lines.put(exchange)

    def print_notice(notice: Notice, now: float) -> None:
        if not deck.is_shown:  # the Deck shows holds, benches and windows itself
            lines.put((notice, now))

    def warn(line: str) -> None:
        if not deck.show_warning(line):
            notes.put(f"teamclaude: {line}")

    if names_a_proxy(os.environ):
        settings = file.load_or_create().proxy
        port = settings.port if args.port is None else args.port
        for name in drop_own_proxy(os.environ, settings, port):
            warn(f"{name} leads to this proxy itself and is not used")
    proxy = ProxyServer(
        file,
        host=args.host,
        port=args.port,
        log_dir=args.log_to,
        drain_sec=args.drain,
        on_end=print_request,
        warn=warn,
        on_notice=print_notice,
    )

    config = proxy.runtime.context.config
    if not config.accounts:
        raise TeamClaudeError(_no_account_text(str(file.path)))

    def begin() -> bool:
        proxy.start()
        # Load the Deck afterwards: that takes 22 ms, and the first response needs none of it.
        from ...accounts.importing.find_login import claude_directory
        from ...deck.sources.reader import SourceReader

        reader = SourceReader(claude_directory(os.environ))
        deck.attach(proxy, reader)
        _freeze_heap()
        screen = None if args.headless else deck_screen()
        if screen is not None and _show_deck(deck, screen, proxy, reader, notes.put):
            return True
        lines.put(_banner(proxy, config, str(file.path)))
        return False

    try:
        serve_until_stopped(proxy, notes.put, begin)
    finally:
        lines.close()
        notes.close()
    return 0


Printable = Union["Exchange", "tuple[Notice, float]", str]


def _request_line(stream: TextIO) -> Callable[[Printable], str]:
    """Return the function that formats a request, an account's notice or a finished line for `stream`."""

    @cache
    def request_formatter() -> Callable[[Exchange], str]:
        # Loaded with the first request, after its response: 1.5 ms.
        from ...deck.view.activity_line import activity_line
        from ...proxy.records.journal import activity_of

        color, ascii = has_color(stream), shows_ascii(stream)
        return lambda exchange: activity_line(activity_of(exchange), color, ascii)

    def format_notice(notice: Notice, now: float) -> str:
        from ...deck.text.cells import ascii_text
        from ...proxy.records.notices import clock_line

        line = clock_line(notice, now)
        return ascii_text(line) if shows_ascii(stream) else line

    def line(of: Printable) -> str:
        if isinstance(of, str):
            return of
        return format_notice(*of) if isinstance(of, tuple) else request_formatter()(of)

    return line


def _show_deck(
    deck: LocalDeck, screen: Screen, proxy: ProxyServer, reader: SourceReader, say: Callable[[str], None]
) -> bool:
    """Show the Deck until it is left; return False if it failed: the proxy goes on without it."""
    from ...deck.controls import LocalControls
    from ...deck.feed import LocalFeed

    try:
        deck.show(LocalFeed(proxy, reader), LocalControls(proxy), screen, lambda: proxy.wait(0))
    except Exception as error:
        if os.environ.get("TEAMCLAUDE_DEBUG"):
            import traceback

            say(traceback.format_exc())
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"teamclaude: the Deck broke ({what}); the proxy goes on with plain lines")
        return False
    return True


def _freeze_heap() -> None:
    """Exempt everything loaded so far from garbage collection, and collect less often.

    A request makes hundreds of objects that live as long as it does.  Both together save 6 % of a small
    request; with a thousand streams one collection took 50 to 80 ms, during which no other thread ran.
    """
    if hasattr(gc, "freeze"):  # PyPy collects in another way
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _banner(proxy: ProxyServer, config: Config, path: str) -> str:
    accounts = ", ".join(a.name + (" (disabled)" if a.disabled else "") for a in config.accounts)
    port = "" if proxy.port == config.proxy.port else f" --port {proxy.port}"
    return f"""TeamClaude {__version__} on {" and ".join(proxy.urls)}
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
