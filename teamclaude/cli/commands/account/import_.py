"""The `import` command: take over or follow a login that Claude Code made."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Optional

from ....errors import LoginRefusedError, TeamClaudeError, UsageError
from ....values import NamedTuple, replace
from ...add_account import add_name_option, store_account
from ...arguments import add_port_option
from ...terminal import ask, confirm, is_interactive, note
from ...user_config import load_or_create_config
from .import_config import add_config_options, config_in, import_config

if TYPE_CHECKING:
    from ....accounts.config.config import AccountConfig, Config
    from ....accounts.config.config_file import ConfigFile
    from ....accounts.config.edits import Placement
    from ....accounts.importing.claude_login import LoginSource
    from ....accounts.importing.find_login import FoundLogin

PLATFORM = sys.platform
NOT_SHARED = "it is renewed; the tokens that Claude Code has of this login are worthless now"


def import_login_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude import`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--from",
        dest="path",
        metavar="PATH",
        help="this file, or the one in this directory; - is stdin",
    )
    what.add_argument("--json", metavar="TEXT", help="the login as JSON; - reads it from stdin")
    parser.add_argument(
        "--follow", action="store_true", help="follow the file, and never renew the login here"
    )
    add_name_option(parser)
    add_port_option(parser)
    add_config_options(parser)


def import_login(args: argparse.Namespace) -> int:
    """Import the login of Claude Code, from its credentials file or the Keychain.

    The login is then shared: the second program that refreshes it is logged out.
    --follow reads Claude Code's file again whenever it changes, and leaves
    refreshing to Claude Code. teamclaude login makes a separate login instead.

    A login whose access token has lapsed is renewed at once.

    --from takes a config file, too: of this program (teamclaude accounts export),
    or of one that it succeeds (teamclaude help migrate). It reports what becomes of
    each key, and takes over the accounts.
    """
    source = _given(args)
    raw = config_in(source) if source is not None else None
    if source is not None and raw is not None:
        return import_config(args, source, raw)
    if args.dry_run or args.settings or args.drop:
        what = f"{source.label} is none" if source is not None else "--from FILE"
        raise UsageError(f"--dry-run, --settings and --drop go with a config file ({what})")
    found = _find(source)
    file, config = load_or_create_config()
    if found.note:
        note(found.note)
    if args.follow and not os.path.isfile(found.source.path or ""):
        raise UsageError(f"--follow needs a file to follow; {found.source.label} is none")
    follow = args.follow or _warn_shared(found)
    login = _Import(file, config, found, args.name)
    if follow:
        login.follow(str(found.source.path))
    else:
        login.copy()
    store_account(file, login.place, login.account, args.name, args.port)
    return 0


def _given(args: argparse.Namespace) -> Optional[LoginSource]:
    """Return the text that the words name; None: Claude Code's own login is looked for."""
    from ....accounts.importing.claude_login import MAX_BYTES, LoginSource
    from ....accounts.importing.find_login import named_source

    if args.json is None and args.path != "-":
        return named_source(args.path) if args.path else None
    if args.json not in (None, "-"):
        if os.path.exists(args.json):
            raise UsageError("--json takes the JSON itself; --from takes a file")
        return LoginSource(args.json.encode("utf-8", "replace"), "--json")
    if is_interactive():
        note("Paste the JSON, then press Ctrl-D:")
    return LoginSource(sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b"", "stdin")


def _find(source: Optional[LoginSource]) -> FoundLogin:
    from ....accounts.importing.find_login import find_login, login_in

    now = time.time()
    return find_login(os.environ, None, PLATFORM, now) if source is None else login_in(source, now)


def _warn_shared(found: FoundLogin) -> bool:
    """Warn that the login now has two users; return whether to follow the file instead."""
    if not found.account.refresh_token:
        return False
    path = found.source.path
    note("This login is now shared with Claude Code: the second program to renew it is logged out.")
    if path is None:
        note("teamclaude login makes one of its own.")
        return False
    if not is_interactive():
        note("--follow leaves the renewing to Claude Code; teamclaude login makes a login of its own.")
        return False
    return confirm(f"Follow {path} and leave the renewing to Claude Code?")


class _Added(NamedTuple):
    """An account that was added when its tokens were renewed, perhaps before its owner was known."""

    name: str
    owner_known: bool


class _Import:
    """One import: `follow` or `copy` makes the account, `place` puts it into the config file's JSON."""

    def __init__(self, file: ConfigFile, config: Config, found: FoundLogin, wanted: Optional[str]) -> None:
        from ....accounts.importing.enroll import recognized

        self.account = recognized(config.accounts, found.account, found.source.path)
        self._file, self._config, self._source, self._wanted = file, config, found.source, wanted
        self._now = time.time()
        # A copy replaces only credentials that expire earlier.
        self._fresh = found.account.expires_at is None
        self._added: Optional[_Added] = None

    def place(self, raw: dict[str, Any]) -> Placement:
        """Put the account into the config file's JSON (for ConfigFile.update)."""
        from ....accounts.config.edits import remove_account
        from ....accounts.importing.enroll import enroll

        added = self._added
        if added is not None and not added.owner_known:
            remove_account(raw, added.name)
        placed = enroll(raw, self.account, self._wanted, "imported", self._fresh)
        return placed if added is None else placed._replace(outcome="added")

    def follow(self, path: str) -> None:
        """Make it an account that reads the login from `path`."""
        from ....accounts.importing.enroll import followed

        live = self._is_live()
        self._ask_profile()
        self._ask_name()
        self.account, self._fresh = followed(self.account, path), True
        if not live:
            note("its access token has lapsed: it serves once Claude Code has renewed it (run claude once)")

    def copy(self) -> None:
        """Make it an account with tokens of its own, which are renewed now if they have to be."""
        live = self._is_live()
        if not live:
            self._renew()
        refused = self._ask_profile()
        if refused and live and self.account.expires_at is None and self.account.refresh_token:
            self._renew(self.account.access_token)
            self._ask_profile()
        self._ask_name()
        self.account = replace(self.account, source="import")
        if not self.account.refresh_token:
            note(f"it has no refresh token: it can't be renewed, and ends {self._end()}")

    def _is_live(self) -> bool:
        from ....accounts.importing.claude_login import is_live

        return is_live(self.account, self._now)

    def _end(self) -> str:
        from ....deck.text.format import format_duration

        ends = self.account.expires_at
        return "at a time that is not known" if ends is None else f"in {format_duration(ends - self._now)}"

    def _renew(self, rejected_token: Optional[str] = None) -> None:
        """Replace the tokens; if the authorization server can't be asked now, leave it to the proxy."""
        from ....accounts.oauth.token_endpoint import OutboundRoute, refresh_tokens
        from ....accounts.tokens.import_renewal import renew_login

        # New tokens that can't be stored would be lost: find out before they are asked for.
        self._file.update(lambda raw: None)
        note("its access token has lapsed: renewing it ...")
        route = OutboundRoute.from_config(self._config)
        try:
            renewed = renew_login(
                self._file,
                self._source,
                self.account,
                lambda token: refresh_tokens(self._config.oauth, token, route=route),
                self._place_renewed,
                rejected_token,
            )
        except LoginRefusedError as error:
            raise TeamClaudeError(f"{self._source.label}: {error}") from None
        except TeamClaudeError as error:
            note(f"teamclaude: it can't be renewed now, the proxy tries it again: {error}")
            return
        self.account, self._fresh = renewed.account, True
        if renewed.issued:
            note("it is renewed, for Claude Code too" if renewed.is_shared else NOT_SHARED)

    def _place_renewed(self, account: AccountConfig) -> None:
        from ....accounts.importing.enroll import enroll

        placed = self._file.update(lambda raw: enroll(raw, account, self._wanted, "imported", True))
        if placed.outcome == "added":
            self._added = _Added(placed.name, account.account_uuid is not None)

    def _ask_profile(self) -> bool:
        """Complete the account from its profile; return whether the API refused its token.

        Claude Code's file mostly has ids only.
        """
        from ....accounts.oauth.login_flow import add_profile

        who = (self.account.account_uuid, self.account.org_uuid)
        known = who in [(other.account_uuid, other.org_uuid) for other in self._config.accounts]
        if (None not in who and (self._wanted or known)) or not self._is_live():
            return False
        note("asking whose login this is ...")
        self.account, error = add_profile(self._config, self.account)
        if error:
            note(f"teamclaude: that is not known: {error}")
        return isinstance(error, LoginRefusedError)

    def _ask_name(self) -> None:
        if not (self._wanted or self.account.name) and is_interactive():
            self.account = replace(self.account, name=ask("Name of this account [a number]:"))
