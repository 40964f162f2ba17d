"""How an account's tokens become newer: by spending, or by another program that is followed."""

from __future__ import annotations

import time
from typing import Callable, Optional, Protocol

from ...errors import TeamClaudeError
from ..config.config import AccountConfig, Config
from ..config.config_file import ConfigFile
from .expiry import RefreshNeed, refresh_need
from .refresh import RefreshResult, Spend, SpendingRefresher
from .refresh_journal import RefreshJournal, token_side_path
from .token_pair import TokenPair
from .token_store import ConfigStore, TokenStore

__all__ = ["FollowingRefresher", "TokenRefresher", "refresher_for"]


class TokenRefresher(Protocol):
    """Used by one thread at a time."""

    spends: bool
    """False: another program renews; what it stores is read."""

    def read(self) -> TokenPair:
        """The stored pair.  TeamClaudeError when it can't be had."""

    def changed(self) -> bool:
        """Whether to read again, as of TokenStore."""

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """As Refresher.renew."""

    def journal(self, token: str) -> Optional[RefreshJournal]:
        """What is noted of this refresh token; to look at only."""


class FollowingRefresher:
    """A login that another program renews and stores at `place`."""

    spends = False

    def __init__(self, place: str, store: TokenStore, clock: Callable[[], float]) -> None:
        self._path = place
        self._store = store
        self._clock = clock

    def read(self) -> TokenPair:
        return self._store.read()

    def changed(self) -> bool:
        return self._store.changed()

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        stored = self._store.read()
        refused = rejected_token is not None and stored.access_token == rejected_token
        if refused or refresh_need(stored, self._clock()) is RefreshNeed.MANDATORY:
            why = "was refused" if refused else "has expired"
            raise TeamClaudeError(
                f"the token in {self._path} {why}: run claude, which renews it, or set refreshImported"
            )
        return RefreshResult(stored)

    def journal(self, token: str) -> Optional[RefreshJournal]:
        return None


def refresher_for(
    file: ConfigFile, account: AccountConfig, config: Config, clock: Callable[[], float] = time.time
) -> TokenRefresher:
    """The renewer for an account of the config file."""
    # One lock for one person: the key changes when an organisation becomes known.
    side = token_side_path(file.path, account.account_uuid or account.name)
    if not account.import_from:
        return SpendingRefresher(side, ConfigStore(file, account.key), clock)
    from .claude_credentials import (
        ClaudeCredentialsFile,  # reading Claude Code's file takes modules that few need
    )

    store = ClaudeCredentialsFile(account.import_from)
    return (
        SpendingRefresher(side, store, clock)
        if config.refresh_imported
        else FollowingRefresher(store.path, store, clock)
    )
