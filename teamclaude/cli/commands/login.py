"""Add an account by logging in with a browser, or renew the login of one you
have:

  teamclaude login                the browser opens; log in there
  teamclaude login --no-browser   open an address anywhere, paste the code
  teamclaude login --api          an API key instead: typed without echo,
                                  or on stdin

The same person in two organisations is two accounts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from ..add_account import add_name_option, store_account
from ..address import add_port_option
from ..browser import has_browser, open_page
from ..stdin_lines import read_stdin_lines
from ..terminal import note
from ..user_config import load_or_create_config

if TYPE_CHECKING:
    from ...accounts.config.config import AccountConfig, Config
    from ...accounts.oauth.login_flow import LoginFlow

__all__ = ["arguments", "run"]

LIMIT_S = 300.0


def arguments(parser: argparse.ArgumentParser) -> None:
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--no-browser", action="store_true", help="only print the address; you paste the code it ends with"
    )
    way.add_argument("--api", action="store_true", help="add an API key, billed by use")
    add_name_option(parser)
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    return _add_key(args) if args.api else _log_in(args)


def _log_in(args: argparse.Namespace) -> int:
    from ...accounts.importing.enroll import enroll
    from ...accounts.oauth.login_flow import MANUAL_REDIRECT, LoginFlow, account_from_grant
    from ...accounts.oauth.loopback_server import LoopbackServer
    from ...accounts.oauth.token_endpoint import OutboundRoute

    file, config = load_or_create_config()
    # A login that can't be written down would be lost: that is known before the browser opens.
    file.update(lambda raw: None)
    with contextlib.ExitStack() as held:
        loopback = None if args.no_browser else held.enter_context(LoopbackServer())
        attempt = LoginFlow(config.oauth, loopback.redirect_uri if loopback else MANUAL_REDIRECT, note)
        if loopback:
            loopback.serve(attempt)
        _show_instructions(attempt, loopback is not None)
        code = attempt.wait_for_code(LIMIT_S, only_stdin=loopback is None)
        grant = attempt.exchange(code, OutboundRoute.from_config(config))
        account = _with_profile(config, account_from_grant(grant))
        store_account(
            file, lambda raw: enroll(raw, account, args.name, "login", True), account, args.name, args.port
        )
        if loopback:
            loopback.report_result(True)
    return 0


def _with_profile(config: Config, account: AccountConfig) -> AccountConfig:
    """The account with what its profile says.  Whatever happens here, the login is kept."""
    from ...accounts.oauth.login_flow import add_profile

    note("the code is good; asking whose login it is ...")
    try:
        account, missing = add_profile(config, account)
    except KeyboardInterrupt:
        missing = "interrupted"
    if missing:
        note(f"teamclaude: the login works, but that is not known: {missing}")
    return account


def _show_instructions(attempt: LoginFlow, listening: bool) -> None:
    """Show the person where to go, and listen to the keyboard."""
    opens = listening and has_browser(os.environ)
    if opens:
        note("Log in with the browser that opens now. To use another one, open this address there:\n")
    else:
        note("Open this address in a browser, and log in:\n")
    print(attempt.url, flush=True)
    if opens:
        open_page(attempt.url, lambda: note("(no browser could be started: open the address yourself)"))
    limit = f"{LIMIT_S / 60:g} minutes, Ctrl-C ends it"
    if listening:
        note("\nIf its last page can't be loaded, paste the address of that page, or its code, here.")
        note(f"Waiting for the login ({limit}) ...")
    else:
        note(f"\nIt ends with a code. Paste all of it here ({limit}):")
    read_stdin_lines(attempt.on_paste, attempt.close_stdin)


def _add_key(args: argparse.Namespace) -> int:
    from ...accounts.config.config import AccountConfig
    from ...accounts.importing.enroll import check_api_key, enroll_key

    file, _ = load_or_create_config()
    key = check_api_key(_read_key())
    about = AccountConfig(name="", type="apikey")
    store_account(file, lambda raw: enroll_key(raw, key, args.name), about, args.name, args.port)
    return 0


def _read_key() -> str:
    if not (sys.stdin and sys.stdin.isatty()):
        return sys.stdin.readline() if sys.stdin else ""
    import getpass

    try:
        return getpass.getpass("API key (it is not shown): ")
    except EOFError:
        return ""
