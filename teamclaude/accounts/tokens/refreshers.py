"""Choose how an account's tokens are refreshed: by us, or by another program whose file is followed."""

from __future__ import annotations

import re
import time
from typing import Callable, Optional, Protocol

from ...errors import TeamClaudeError
from ..config.config import AccountConfig, Config
from ..config.config_file import ConfigFile
from .refresh import LOGIN_AGAIN, RefreshResult, Spend, SpendingRefresher
from .refresh_journal import RefreshJournal
from .token_pair import RefreshNeed, TokenPair, refresh_need
from .token_store import ConfigStore, TokenStore

__all__ = ["FollowingRefresher", "TokenRefresher", "new_setup_token", "refresher_for"]

PLAIN_NAME = re.compile(r"[\w@.+-]+", re.ASCII)


class TokenRefresher(Protocol):
    """A way to refresh one account's tokens; used by one thread at a time."""

    spends: bool
    """Whether a refresh spends a refresh token; False: another program refreshes, and its file is read."""
    ahead: bool
    """Whether it is refreshed before the token's end, while that still serves."""
    store: TokenStore
    remedy: str
    """What the owner can do before the login ends, and after."""

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """Return a fresh pair; arguments and errors as for SpendingRefresher.refresh."""

    def journal(self, token: str) -> Optional[RefreshJournal]:
        """Return this refresh token's journal for reading only; None when we never spend it."""


class FollowingRefresher:
    """The login that another program refreshes and stores at `path`."""

    spends = False
    ahead = False
    remedy = "log in again in Claude Code, or with teamclaude login"

    def __init__(self, path: str, store: TokenStore, clock: Callable[[], float]) -> None:
        self._path = path
        self.store = store
        self._clock = clock

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """Return the stored pair; raise TeamClaudeError if its access token is expired or rejected."""
        stored = self.store.read()
        refused = rejected_token is not None and stored.access_token == rejected_token
        if refused or refresh_need(stored, self._clock()) is RefreshNeed.MANDATORY:
            why = "was refused" if refused else "has expired"
            raise TeamClaudeError(
                f"the token in {self._path} {why}: run claude, which renews it, or set refreshImported"
            )
        return RefreshResult(stored)

    def journal(self, token: str) -> Optional[RefreshJournal]:
        """Return None: nothing is spent here."""
        return None


def new_setup_token(name: str) -> str:
    """Say how to give the account another setup token; the name is quoted for a shell if it has to be."""
    quoted = name if PLAIN_NAME.fullmatch(name) else f'"{name}"'
    return f"make a new one: claude setup-token, then teamclaude login --token --name {quoted}"


def refresher_for(
    file: ConfigFile,
    account: AccountConfig,
    config: Config,
    clock: Callable[[], float] = time.time,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> TokenRefresher:
    """Return the refresher for an account of the config file; `is_cancelled`: a program is to be killed."""
    if account.credential_command:
        from .credential_command import CommandRefresher  # subprocess: most configs need none of it

        ttl = account.credential_ttl_sec
        return CommandRefresher(account.credential_command, account.type, ttl, clock, is_cancelled)
    # One lock per person: the account key changes when an organisation becomes known.
    identity = account.account_uuid or account.name
    if not account.import_from:
        remedy = new_setup_token(account.name) if account.source == "token" else LOGIN_AGAIN
        return SpendingRefresher(file.path, identity, ConfigStore(file, account.key), clock, remedy)
    from .claude_credentials import ClaudeCredentialsFile  # most configs need none of its modules

    store = ClaudeCredentialsFile(account.import_from)
    if config.refresh_imported:
        return SpendingRefresher(file.path, identity, store, clock)
    return FollowingRefresher(store.path, store, clock)
