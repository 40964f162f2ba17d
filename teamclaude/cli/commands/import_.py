"""The `import` command: take over or follow a login that Claude Code made."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Optional

from ...errors import UsageError
from ..add_account import add_name_option, store_account
from ..arguments import add_port_option
from ..terminal import ask, confirm, is_interactive, note
from ..user_config import load_or_create_config

if TYPE_CHECKING:
    from ...accounts.config.config import AccountConfig, Config
    from ...accounts.importing.claude_login import LoginSource

PLATFORM = sys.platform


def import_login_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude import`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--from", dest="path", metavar="PATH", help="this credentials file, or the one in this directory"
    )
    what.add_argument("--json", metavar="TEXT", help="the login as JSON; - reads it from stdin")
    parser.add_argument(
        "--follow", action="store_true", help="follow the file, and never renew the login here"
    )
    add_name_option(parser)
    add_port_option(parser)


def import_login(args: argparse.Namespace) -> int:
    """Import the login of Claude Code, from its credentials file or the Keychain.

    The login is then shared: the second program that refreshes it is logged out.
    --follow reads Claude Code's file again whenever it changes, and leaves
    refreshing to Claude Code. teamclaude login makes a separate login instead.
    """
    from ...accounts.importing.claude_login import read_login
    from ...accounts.importing.enroll import enroll

    file, config = load_or_create_config()
    source = _source(args)
    account = read_login(source, time.time())
    if args.follow and source.path is None:
        raise UsageError(f"--follow needs a file to follow; {source.label} is none")
    account = _named(config, account, args.name)
    follow = args.follow or _warn_shared(source)
    entry = _followed_account(account, source) if follow else replace(account, source="import")
    # --follow always applies; a copy replaces only credentials that expire earlier.
    store_account(
        file, lambda raw: enroll(raw, entry, args.name, "imported", follow), entry, args.name, args.port
    )
    return 0


def _source(args: argparse.Namespace) -> LoginSource:
    from ...accounts.importing.claude_login import LoginSource, find_login

    if args.json is None:
        return find_login(os.environ, args.path, PLATFORM)
    if args.json != "-":
        return LoginSource(args.json.encode("utf-8", "replace"), "--json")
    if is_interactive():
        note("Paste the JSON, then press Ctrl-D:")
    return LoginSource(sys.stdin.buffer.read() if sys.stdin else b"", "stdin")


def _named(config: Config, account: AccountConfig, wanted: Optional[str]) -> AccountConfig:
    """Return the account with a name if one can be found; Claude Code's file mostly has ids only."""
    from ...accounts.oauth.login_flow import add_profile

    who = (account.account_uuid, account.org_uuid)
    known = who in [(other.account_uuid, other.org_uuid) for other in config.accounts]
    if None not in who and (wanted or known):
        return account
    note("asking whose login this is ...")
    account, missing = add_profile(config, account)
    if missing:
        note(f"teamclaude: that is not known: {missing}")
    if not (wanted or account.name) and is_interactive():
        return replace(account, name=ask("Name of this account [a number]:"))
    return account


def _warn_shared(source: LoginSource) -> bool:
    """Warn that the login now has two users; return whether to follow the file instead."""
    note("This login is now shared with Claude Code: the second program to renew it is logged out.")
    if source.path is None:
        note("teamclaude login makes one of its own.")
        return False
    if not is_interactive():
        note("--follow leaves the renewing to Claude Code; teamclaude login makes a login of its own.")
        return False
    return confirm(f"Follow {source.path} and leave the renewing to Claude Code?")


def _followed_account(account: AccountConfig, source: LoginSource) -> AccountConfig:
    """Return the account without tokens: of two copies of a login only one would stay valid."""
    return replace(
        account,
        import_from=source.path,
        access_token=None,
        refresh_token=None,
        expires_at=None,
        refresh_token_expires_at=None,
        source="import",
    )
