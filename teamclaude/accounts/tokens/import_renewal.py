"""Renew a login while it is imported, because its access token has lapsed or is missing.

The order is that of every refresh (refresh.py), so that a crash loses nothing: the new pair is stored as an
account of the config file, then in Claude Code's own file, if the login is from there: Claude Code goes on
with it, instead of being logged out.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Callable, Optional

from ...errors import TeamClaudeError
from ...values import NamedTuple, replace
from ..config.config import AccountConfig
from ..config.config_file import ConfigFile
from ..importing.claude_files import FILE_NAME
from ..importing.claude_login import LoginSource, parse_login
from ..oauth.token_response import TokenGrant
from .claude_credentials import ClaudeCredentialsFile
from .refresh import Spend, SpendingRefresher
from .token_pair import TokenPair

__all__ = ["RenewedLogin", "renew_login"]

Place = Callable[[AccountConfig], None]


class RenewedLogin(NamedTuple):
    """The account with its new tokens.

    `issued`: by the authorization server, just now; False when Claude Code was first.  `is_shared`: Claude
    Code's own file has them too.
    """

    account: AccountConfig
    issued: bool
    is_shared: bool


def renew_login(
    file: ConfigFile,
    source: LoginSource,
    account: AccountConfig,
    spend: Spend,
    place: Place,
    rejected_token: Optional[str] = None,
) -> RenewedLogin:
    """Spend the login's refresh token; `place` puts the account with the new tokens into the config file.

    `rejected_token`: the access token that the API refused, if it did.
    Raise LoginRefusedError, TokenEndpointUnavailableError, or another TeamClaudeError when a file can't be
    read, locked or written; the journal then keeps tokens that were issued for the next attempt.
    """
    store = _ImportStore(source, account, place)
    refresher = SpendingRefresher(file.path, account.account_uuid or source.label, store)
    result = refresher.refresh(store.watched(spend), rejected_token)
    if result.unsaved is not None:
        result.unsaved.discard()
        raise TeamClaudeError(result.note)
    return RenewedLogin(store.account_with(result.pair), result.spent is not None, store.is_shared)


class _ImportStore:
    """The TokenStore of one import; used by one thread."""

    def __init__(self, source: LoginSource, account: AccountConfig, place: Place) -> None:
        self._source = source
        self._account = account
        self._place = place
        self._theirs = _claudes_own(source.path)
        self.is_shared = False

    def watched(self, spend: Spend) -> Spend:
        """Return `spend`, which also notes whose login the answer says it is."""

        def spend_and_note(token: str) -> TokenGrant:
            grant = spend(token)
            known = self._account
            self._account = replace(
                known,
                name=known.name or grant.email or "",
                account_uuid=known.account_uuid or grant.account_uuid,
                org_uuid=known.org_uuid or grant.org_uuid,
                org_name=known.org_name or grant.org_name,
            )
            return grant

        return spend_and_note

    def account_with(self, pair: TokenPair) -> AccountConfig:
        """Return the account with these tokens."""
        return replace(self._account, source="import", **pair.to_account_fields())

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        """Hold Claude Code's locks if the login is in its file; raise ConfigError if it does not let go."""
        return nullcontext() if self._theirs is None else self._theirs.exclude_other_programs()

    def changed(self) -> bool:
        """Return False: nobody asks."""
        return False

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """Return the pair as the source has it now; Claude Code may have renewed it meanwhile."""
        if self._theirs is not None:
            return self._theirs.read()
        return TokenPair.from_account(parse_login(self._source))

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Put the account into the config file, then the pair into Claude Code's file if that is possible."""
        self._place(self.account_with(pair))
        if self._theirs is not None:
            try:
                self.is_shared = self._theirs.write(spent, pair).tokens == pair.tokens
            except (TeamClaudeError, OSError):  # the login is kept; Claude Code has to log in again
                self.is_shared = False
        return pair


def _claudes_own(path: Optional[str]) -> Optional[ClaudeCredentialsFile]:
    """Return the file if Claude Code can be using it and its locks can be taken there; else None.

    Claude Code locks its directory with a directory inside of it and one beside it.
    """
    if path is None or os.path.basename(path) != FILE_NAME:
        return None
    directory = os.path.dirname(os.path.realpath(path))
    writable = os.access(directory, os.W_OK) and os.access(os.path.dirname(directory), os.W_OK)
    return ClaudeCredentialsFile(path) if writable else None
