"""The `watch` command: the Deck of a running proxy, local or remote."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...errors import UsageError
from ..arguments import add_port_option, number

if TYPE_CHECKING:
    from ...deck.feed import RemoteFeed
    from ...deck.terminal.screen import Screen
    from ..proxy_client import ProxyClient

FIRST_ANSWER_SEC = 1.0  # before the screen is shown without one
PATIENCE_SEC = 5.0  # for one answer


def watch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude watch`."""
    parser.add_argument(
        "--interval", type=number(0.2, 3600), default=1.0, metavar="S", help="seconds between two looks (1)"
    )
    parser.add_argument(
        "--url", metavar="U", help="another server's address; its key is taken from TEAMCLAUDE_KEY, or asked"
    )
    add_port_option(parser)


def watch(args: argparse.Namespace) -> int:
    """Show the Deck of a running server: the one of the config file, or any other.

      teamclaude watch
      TEAMCLAUDE_KEY=... teamclaude watch --url https://host:3456

    It is read-only. If stdout is not a terminal, it prints the page whenever it
    has changed.
    """
    from ..deck_page import deck_screen
    from ..proxy_client import ProxyDownError

    on = deck_screen()
    proxy = _proxy(args)
    try:
        proxy.get("/teamclaude/capacity")  # report a wrong key before the screen changes
    except ProxyDownError:
        if on is None:
            raise
        # The server may be started later: the Deck says so and keeps trying.
    return _print_pages(proxy, args.interval) if on is None else _show(proxy, args.interval, on)


def _proxy(args: argparse.Namespace) -> ProxyClient:
    from ..proxy_client import (
        KEY_VARIABLE,
        ProxyDownError,
        ProxyRefusedError,
        RemoteProxyClient,
        configured_proxy,
        parse_address,
    )

    if args.url is None:
        return configured_proxy(args.port, PATIENCE_SEC)
    if args.port is not None:
        raise UsageError("--url names the port: leave --port out")
    at = parse_address(args.url)
    key = os.environ.get(KEY_VARIABLE, "")
    proxy = RemoteProxyClient(at, key, PATIENCE_SEC)
    try:
        proxy.get("/teamclaude/capacity")
    except ProxyDownError:
        pass
    except ProxyRefusedError as refused:
        if key or refused.status != 401 or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        import getpass

        typed = getpass.getpass(f"Key of {proxy.url} (it is not shown): ")
        return RemoteProxyClient(at, typed.strip(), PATIENCE_SEC)
    return proxy


def _feed(proxy: ProxyClient, interval: float) -> RemoteFeed:
    from ...deck.feed import RemoteFeed

    return RemoteFeed(lambda: proxy.get("/teamclaude/deck"), interval)


def _show(proxy: ProxyClient, interval: float, on: Screen) -> int:
    from ...deck.controls import ReadOnlyControls
    from ...deck.loop import DeckLoop
    from ..deck_page import shows_ascii

    def explain(request: str) -> Any:
        return proxy.get(f"/teamclaude/explain/{quote(request, safe='')}")

    feed = _feed(proxy, interval)
    feed.start()
    feed.first_fetch_done.wait(FIRST_ANSWER_SEC)
    try:
        console = DeckLoop(
            on,
            feed,
            ReadOnlyControls(explain),
            ascii=shows_ascii(sys.stdout),
            read_only=True,
            where=proxy.url,
        )
        return 0 if console.run() == "quit" else 130
    finally:
        feed.close()


def _print_pages(proxy: ProxyClient, interval: float) -> int:
    """Print a page whenever it differs from the one before, until Ctrl-C or a closed pipe."""
    from ..deck_page import deck_page

    feed = _feed(proxy, interval)
    before: list[str] = []
    while True:
        feed.fetch_once()
        news = feed.take_notice()
        if news:
            print(f"teamclaude: {news}", file=sys.stderr, flush=True)
        lines = deck_page(feed.model(), sys.stdout)
        if lines != before:
            print("\n".join([*([""] if before else []), *lines]), flush=True)
            before = lines
        time.sleep(interval)
