"""The `watch` command: the Deck of a running proxy, local or remote."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

from ..arguments import number
from ..remote.chosen import add_proxy_arguments, chosen_proxies
from ..terminal import note

if TYPE_CHECKING:
    from ...deck.feed import Feed, RemoteFeed
    from ...deck.terminal.screen import Screen
    from ..proxy_client import ProxyClient

FIRST_ANSWER_SEC = 1.0  # before the screen is shown without one
PATIENCE_SEC = 5.0  # for one answer


def watch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude watch`."""
    parser.add_argument(
        "--interval", type=number(0.2, 3600), default=1.0, metavar="S", help="seconds between two looks (1)"
    )
    add_proxy_arguments(parser, several=True)


def watch(args: argparse.Namespace) -> int:
    """Show the Deck of a running server: the one of the config file, or any other.

      teamclaude watch
      TEAMCLAUDE_KEY=... teamclaude watch --url https://host:3456
      teamclaude watch --url http://a:3456 --url http://b:3456

    Several servers are shown as one pool, with the name of the server before each
    account; one that does not answer is marked, and the others go on.
    It is read-only. If stdout is not a terminal, it prints the page whenever it
    has changed.
    """
    from ..deck_page import deck_screen
    from ..proxy_client import ProxyDownError

    on = deck_screen()
    proxies = chosen_proxies(args, PATIENCE_SEC)
    if len(proxies) > 1:
        return _watch_pool(proxies, args.interval, on)
    proxy = _with_key(proxies[0])
    try:
        proxy.get("/teamclaude/capacity")  # report a wrong key before the screen changes
    except ProxyDownError:
        if on is None:
            raise
        # The server may be started later: the Deck says so and keeps trying.
    return _print_pages(proxy, args.interval) if on is None else _show(proxy, args.interval, on)


def _watch_pool(proxies: Sequence[ProxyClient], interval: float, on: Optional[Screen]) -> int:
    """Show several servers; report refused keys, and a pool that is down as a whole, before that."""
    from ...deck.pool.feed import PoolFeed
    from ..proxy_client import ProxyRefusedError
    from ..remote.ask_all import ask_all

    failures = [each.failure for each in ask_all(proxies, "/teamclaude/capacity") if each.failure]
    refusals = [each for each in failures if isinstance(each, ProxyRefusedError)]
    if refusals or (on is None and len(failures) == len(proxies)):
        raise (refusals or failures)[0]
    feed = PoolFeed([(proxy.url, proxy.get) for proxy in proxies], interval)
    feed.start()
    feed.wait_first(FIRST_ANSWER_SEC if on else PATIENCE_SEC)
    try:
        if on is None:
            return _print_models(feed, interval)
        return _show_feed(feed, feed.explain, on, " ".join(proxy.url for proxy in proxies))
    finally:
        feed.close()


def _with_key(proxy: ProxyClient) -> ProxyClient:
    """Return the client; ask a person for the key that a server elsewhere wants."""
    from ..proxy_client import ProxyDownError, ProxyRefusedError
    from ..remote.client import RemoteProxyClient
    from ..remote.keys import check_key

    if not isinstance(proxy, RemoteProxyClient):
        return proxy
    try:
        proxy.get("/teamclaude/capacity")
    except ProxyDownError:
        pass
    except ProxyRefusedError as refused:
        if proxy.key or refused.status != 401 or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        import getpass

        typed = getpass.getpass(f"Key of {proxy.url} (it is not shown): ")
        key = check_key(typed.strip(), "the typed key")
        return RemoteProxyClient(proxy.address, key, PATIENCE_SEC, proxy.ca_file)
    return proxy


def _feed(proxy: ProxyClient, interval: float) -> RemoteFeed:
    from ...deck.feed import RemoteFeed

    return RemoteFeed(lambda: proxy.get("/teamclaude/deck"), interval)


def _show(proxy: ProxyClient, interval: float, on: Screen) -> int:
    feed = _feed(proxy, interval)
    feed.start()
    feed.first_fetch_done.wait(FIRST_ANSWER_SEC)
    try:
        return _show_feed(feed, proxy.get, on, proxy.url)
    finally:
        feed.close()


def _show_feed(feed: Feed, ask: Callable[[str], Any], on: Screen, where: str) -> int:
    from ...deck.controls import ReadOnlyControls
    from ...deck.loop import DeckLoop
    from ..deck_page import shows_ascii

    def explain(request: str) -> Any:
        return ask(f"/teamclaude/explain/{quote(request, safe='')}")

    console = DeckLoop(
        on, feed, ReadOnlyControls(explain), ascii=shows_ascii(sys.stdout), read_only=True, where=where
    )
    return 0 if console.run() == "quit" else 130


def _print_pages(proxy: ProxyClient, interval: float) -> int:
    feed = _feed(proxy, interval)
    return _print_models(feed, interval, feed.fetch_once)


def _print_models(feed: Feed, interval: float, before_each: Callable[[], None] = lambda: None) -> int:
    """Print a page whenever it differs from the one before, until Ctrl-C or a closed pipe."""
    from ..deck_page import deck_page

    before: list[str] = []
    while True:
        before_each()
        news = feed.take_notice()
        if news:
            note(f"teamclaude: {news}")
        lines = deck_page(feed.model(), sys.stdout)
        if lines != before:
            print("\n".join([*([""] if before else []), *lines]), flush=True)
            before = lines
        time.sleep(interval)
