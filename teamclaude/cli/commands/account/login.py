"""The `login` command: log in with a browser or a pasted code; login_secret.py adds keys and tokens."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ....values import replace
from ...add_account import add_name_option, add_proxy_option, proxy_of, store_account
from ...arguments import add_port_option
from ...browser import has_browser, open_page
from ...terminal import note
from ...user_config import load_or_create_config

if TYPE_CHECKING:
    from ....accounts.config.config import AccountConfig, Config
    from ....accounts.oauth.login_flow import LoginFlow

LIMIT_S = 300.0
MAX_LINE_BYTES = 65536


def login_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude login`."""
    method = parser.add_mutually_exclusive_group()
    method.add_argument(
        "--no-browser", action="store_true", help="only print the address; you paste the code it ends with"
    )
    method.add_argument("--api", action="store_true", help="add an API key, billed by use")
    method.add_argument(
        "--token",
        metavar="VARIABLE",
        nargs="?",
        const="",
        help="add a token of claude setup-token: it asks, or reads stdin or this environment variable",
    )
    add_name_option(parser)
    add_proxy_option(parser)
    add_port_option(parser)


def login(args: argparse.Namespace) -> int:
    """Add an account by logging in with a browser, or renew an account's login.

      teamclaude login                the browser opens; log in there
      teamclaude login --no-browser   open a URL anywhere, paste the code
      teamclaude login --api          an API key instead: typed without echo,
                                      or on stdin
      teamclaude login --token        a token of claude setup-token: pasted
                                      without echo, or on stdin

    The same person in two organisations is two accounts.
    """
    if not args.api and args.token is None:
        return _log_in(args)
    from ...login_secret import add_key, add_token

    return add_key(args) if args.api else add_token(args)


def _log_in(args: argparse.Namespace) -> int:
    from ....accounts.importing.enroll import enroll
    from ....accounts.oauth.login_flow import MANUAL_REDIRECT, LoginFlow, account_from_grant
    from ....accounts.oauth.loopback_server import LoopbackServer
    from ....accounts.oauth.token_endpoint import OutboundRoute
    from ....dial.proxies import parse_proxy

    file, config = load_or_create_config()
    # A login that can't be stored would be lost: find out before the browser opens.
    file.update(lambda raw: None)
    proxy = proxy_of(config, args)
    route = OutboundRoute.from_config(config, parse_proxy(proxy, "--proxy") if proxy else None)
    route.check(config.oauth.token_url)
    with contextlib.ExitStack() as held:
        loopback = None if args.no_browser else held.enter_context(LoopbackServer())
        flow = LoginFlow(config.oauth, loopback.redirect_uri if loopback else MANUAL_REDIRECT, note)
        if loopback:
            loopback.serve(flow)
        _show_instructions(flow, loopback is not None)
        code = flow.wait_for_code(LIMIT_S, only_stdin=loopback is None)
        grant = flow.exchange(code, route)
        account = _with_profile(config, replace(account_from_grant(grant), proxy=proxy))
        account = replace(account, proxy=args.proxy)  # a known account keeps its own
        store_account(
            file, lambda raw: enroll(raw, account, args.name, "login", True), account, args.name, args.port
        )
        if loopback:
            loopback.report_result(True)
    return 0


def _with_profile(config: Config, account: AccountConfig) -> AccountConfig:
    """Return the account completed from its profile; the login is kept whatever fails here."""
    from ....accounts.oauth.login_flow import add_profile

    note("the code is good; asking whose login it is ...")
    missing = ""
    try:
        account, error = add_profile(config, account)
        missing = str(error or "")
    except KeyboardInterrupt:
        missing = "interrupted"
    if missing:
        note(f"teamclaude: the login works, but that is not known: {missing}")
    return account


def _show_instructions(flow: LoginFlow, listening: bool) -> None:
    """Print the URL, open the browser, and read pasted codes from stdin."""
    opens = listening and has_browser(os.environ)
    if opens:
        note("Log in with the browser that opens now. To use another one, open this address there:\n")
    else:
        note("Open this address in a browser, and log in:\n")
    print(flow.url, flush=True)
    if opens:
        open_page(flow.url, lambda: note("(no browser could be started: open the address yourself)"))
    limit = f"{LIMIT_S / 60:g} minutes, Ctrl-C ends it"
    if listening:
        note("\nIf its last page can't be loaded, paste the address of that page, or its code, here.")
        note(f"Waiting for the login ({limit}) ...")
    else:
        note(f"\nIt ends with a code. Paste all of it here ({limit}):")
    read_stdin_lines(flow.on_paste, flow.close_stdin)


def read_stdin_lines(take: Callable[[str], None], end: Callable[[], None]) -> None:
    """Pass each line of stdin to `take`, then call `end` once; both in a new thread."""
    try:
        handle = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is no stdin, or it is closed
        end()
        return
    threading.Thread(target=_read, args=(handle, take, end), name="typed", daemon=True).start()


def _read(handle: int, take: Callable[[str], None], end: Callable[[], None]) -> None:
    # Not sys.stdin.readline: a thread blocked there holds a lock that the interpreter needs to exit.
    line = b""
    while True:
        try:
            piece = os.read(handle, 4096)
        except OSError:
            piece = b""
        *complete, line = (line + piece).split(b"\n")
        for text in complete:
            take(text.decode("utf-8", "replace"))
        if not piece or len(line) > MAX_LINE_BYTES:
            break
    if line:
        take(line.decode("utf-8", "replace"))
    end()
