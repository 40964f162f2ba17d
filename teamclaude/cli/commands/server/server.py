"""The `server` command: run the proxy in this process, with the Deck or plain lines."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Optional

from .... import __version__
from ....accounts.config.config import Config
from ....errors import TeamClaudeError
from ....own_program import is_archive, load_folders
from ...arguments import number, port_number
from ...deck_page import LocalDeck
from ...own_proxy import drop_own_proxy, names_a_proxy
from ...server_log.outputs import ServerLog
from ...server_processes import ServerProcesses
from ...signals import serve_until_stopped
from ...terminal import plural
from ...user_config import open_config

if TYPE_CHECKING:
    import socket

    from ....accounts.config.config_file import ConfigFile
    from ....deck.sources.reader import SourceReader
    from ....deck.terminal.screen import Screen
    from ....proxy.server import ProxyServer


def server_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude server`."""
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="listen here instead of proxy.port; 0: any free port"
    )
    parser.add_argument(
        "--host",
        metavar="H",
        help="listen on this address of the machine instead of proxy.host; 0.0.0.0: on all (IPv4)",
    )
    parser.add_argument("--log-to", metavar="DIR", help="write each request and answer to a file in DIR")
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line for each request, notice and warning",
    )
    parser.add_argument(
        "--log-file", metavar="PATH", help="log to this file, also beside the Deck; it is rotated at 10 MB"
    )
    parser.add_argument(
        "--drain",
        type=number(0, 86400),
        metavar="SEC",
        help="time for running answers at the end (drainSec)",
    )
    parser.add_argument("--headless", action="store_true", help="plain lines also on a terminal")
    parser.add_argument(
        "--wait-for-account",
        action="store_true",
        help="start also without an account, and wait until one is added",
    )


def server(args: argparse.Namespace) -> int:
    """Start the proxy and keep it running.

    On a terminal it shows the Deck (? lists its keys), otherwise a banner and one
    line for each request and for each hold, bench, full window, reset and change
    of a login (teamclaude help alerts).

    Ctrl-C (or SIGTERM) lets responses in progress finish; a second one stops at
    once. SIGHUP reloads the config file.

    Without an account it ends with exit status 1. With --wait-for-account it starts
    all the same, says what is missing to everybody who asks, and serves as soon as
    an account is added; a service manager starts it so (teamclaude help service).
    """
    gc.disable()  # until everything is loaded, since nothing can be collected before: 4 % of the start
    try:
        return _serve(args)
    finally:
        gc.enable()


def _serve(args: argparse.Namespace) -> int:
    from ....proxy.lifecycle.service_manager import ServiceManager, sockets_of_manager
    from ....proxy.restart.own_command import OwnCommand
    from ....proxy.restart.predecessor import Predecessor
    from ....proxy.server import ProxyServer

    predecessor = Predecessor.from_environment(os.environ)
    command = OwnCommand.of_this_process()
    manager = ServiceManager.from_environment(os.environ, os.getpid())
    inherited = sockets_of_manager(os.environ, os.getpid())
    file = open_config()
    deck = LocalDeck()
    log = ServerLog(deck, args.log_format, args.log_file)
    warn = log.warn
    _use_no_own_proxy(file, args.port, warn)
    proxy = ProxyServer(
        file,
        host=args.host,
        port=args.port,
        log_dir=args.log_to,
        drain_sec=args.drain,
        on_end=log.request,
        warn=warn,
        on_notice=log.notice,
        manager=manager,
        inherited=inherited,
        command=command,
        predecessor=predecessor,
    )
    processes = ServerProcesses(proxy, manager.present, predecessor)

    config = proxy.runtime.context.config
    if not config.accounts and not args.wait_for_account:
        raise TeamClaudeError(_no_account_text(str(file.path)))

    port = config.proxy.port if args.port is None else args.port
    _check_passed(inherited, port, warn)

    def begin() -> bool:
        if is_archive():
            _load_the_rest()  # before it serves: who waits for it may replace the archive at once
        if predecessor is not None:
            _load_restart()  # before it serves: whatever is broken is found while the other one goes on
        proxy.start()
        # Load the Deck afterwards: that takes 22 ms, and the first response needs none of it.
        from ....accounts.importing.claude_files import claude_directory
        from ....deck.sources.reader import SourceReader

        reader = SourceReader(claude_directory(os.environ))
        deck.attach(proxy, reader)
        _load_restart()
        _load_rarely_used()
        _freeze_heap()
        screen = None if args.headless else processes.screen()
        if screen is not None and _show_deck(deck, screen, proxy, reader, log.say):
            if not processes.left_terminal():
                processes.stopped_in_deck()
                return True
            log.mute()
            return False
        processes.left_terminal()
        log.banner(_banner(proxy, config, args.host or config.proxy.host, str(file.path)))
        return False

    try:
        serve_until_stopped(proxy, log.say, begin, processes)
    except BaseException:
        processes.ended(1)
        raise
    finally:
        log.close()
    return processes.ended(0)


def _use_no_own_proxy(file: ConfigFile, port: Optional[int], warn: Callable[[str], None]) -> None:
    """Remove the proxy variables that lead to this server itself."""
    if names_a_proxy(os.environ):
        settings = file.load_or_create().proxy
        for name in drop_own_proxy(os.environ, settings, settings.port if port is None else port):
            warn(f"{name} leads to this proxy itself and is not used")


def _check_passed(inherited: Sequence[socket.socket], port: int, warn: Callable[[str], None]) -> None:
    """Warn if a service manager listens on other ports than clients are led to."""
    passed = {sock.getsockname()[1] for sock in inherited}
    if passed and port not in passed:
        others = " and ".join(map(str, sorted(passed)))
        warn(f"the service manager listens on {others}, not on {port}: teamclaude service install")


def _show_deck(
    deck: LocalDeck, screen: Screen, proxy: ProxyServer, reader: SourceReader, say: Callable[[str], None]
) -> bool:
    """Show the Deck until it is left, or its terminal is closed; return False if it failed.

    Then the proxy goes on without it.
    """
    from ....deck.controls import LocalControls
    from ....deck.feed import LocalFeed

    try:
        deck.show(
            LocalFeed(proxy, reader),
            LocalControls(proxy),
            screen,
            lambda: proxy.is_over,
        )
    except Exception as error:
        if not os.isatty(0):  # EIO, where the end of input was not seen first; nobody would see plain lines
            return True
        if os.environ.get("TEAMCLAUDE_DEBUG"):
            import traceback

            say(traceback.format_exc())
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"teamclaude: the Deck broke ({what}); the proxy goes on with plain lines")
        return False
    return True


def _load_the_rest() -> None:
    """Load what requests and the end will need: a newer archive may be put in this one's place (0.2 s)."""
    from ....web.document import page_document

    load_folders("accounts", "alerts", "cli.remote", "deck", "dial", "forecast", "history", "metrics")
    load_folders("proxy", "routing", "web")
    page_document()


def _load_restart() -> None:
    """Load what a restart will need: when that follows an upgrade, the files are of another version."""
    from ....proxy.restart import departure, handover  # noqa: F401


def _load_rarely_used() -> None:
    """Load what few connections need, which is not there before the first answer: as for a restart."""
    from ....dial import http_tunnel, socket_pair, socks5  # noqa: F401
    from ....proxy.balancer import header_reader  # noqa: F401
    from ....proxy.connect import handshake, target  # noqa: F401
    from ....routing import switch_price  # noqa: F401
    from ....routing.user_rules import route_notes  # noqa: F401


def _freeze_heap() -> None:
    """Exempt everything loaded so far from garbage collection, and collect less often.

    A request makes hundreds of objects that live as long as it does.  Both together save 6 % of a small
    request; with a thousand streams one collection took 50 to 80 ms, during which no other thread ran.
    """
    if hasattr(gc, "freeze"):  # PyPy collects in another way
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _banner(proxy: ProxyServer, config: Config, host: str, path: str) -> str:
    from ...remote.reach import Listening, reach_lines, shown_urls

    accounts = ", ".join(a.name + (" (disabled)" if a.disabled else "") for a in config.accounts)
    listening = Listening(host, proxy.port, tuple(proxy.urls))
    found = f"{plural(len(config.accounts), 'account')}: {accounts}" if config.accounts else _WAITS
    first = f"TeamClaude {__version__} on {' and '.join(shown_urls(listening))}"
    return "\n".join([first, found, f"config: {path}", *reach_lines(listening, config.proxy, path)])


_WAITS = "no account yet: waiting for one (teamclaude login, teamclaude import), which then serves at once"


def _no_account_text(path: str) -> str:
    return f"""{path} has no accounts yet. Add one, and start the server again:
  teamclaude login         a subscription, with the browser
  teamclaude import        the login of Claude Code on this machine
  teamclaude login --api   an API key, billed by use
To see it work without an account: teamclaude demo"""
