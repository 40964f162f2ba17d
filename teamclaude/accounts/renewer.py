"""How an account's tokens become newer: by spending, or by another program that is followed."""

from __future__ import annotations

import time
from typing import Callable, Optional, Protocol

from ..errors import TeamClaudeError
from .config import AccountConfig, Config
from .freshness import RefreshNeed, refresh_need
from .intent import RefreshJournal, token_side_path
from .pair import TokenPair
from .refresh import Refresher, Renewal, Spend
from .store import ConfigFile
from .tokenstore import ConfigStore, TokenStore

__all__ = ["Follower", "Renewer", "renewer_of"]


class Renewer(Protocol):
    """Used by one thread at a time."""

    spends: bool
    """False: another program renews; what it stores is read."""

    def read(self) -> TokenPair:
        """The stored pair.  TeamClaudeError when it can't be had."""

    def changed(self) -> bool:
        """Whether to read again, as of TokenStore."""

    def renew(
        self, spend: Spend, condemned: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> Renewal:
        """As Refresher.renew."""

    def intent(self, token: str) -> Optional[RefreshJournal]:
        """What is noted of this refresh token; to look at only."""


class Follower:
    """A login that another program renews and stores at `place`."""

    spends = False

    def __init__(self, place: str, store: TokenStore, clock: Callable[[], float]) -> None:
        self._place = place
        self._store = store
        self._clock = clock

    def read(self) -> TokenPair:
        return self._store.read()

    def changed(self) -> bool:
        return self._store.changed()

    def renew(
        self, spend: Spend, condemned: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> Renewal:
        stored = self._store.read()
        refused = condemned is not None and stored.access_token == condemned
        if refused or refresh_need(stored, self._clock()) is RefreshNeed.MANDATORY:
            why = "was refused" if refused else "has expired"
            raise TeamClaudeError(
                f"the token in {self._place} {why}: run claude, which renews it, or set refreshImported"
            )
        return Renewal(stored)

    def intent(self, token: str) -> Optional[RefreshJournal]:
        return None


def renewer_of(
    file: ConfigFile, account: AccountConfig, config: Config, clock: Callable[[], float] = time.time
) -> Renewer:
    """The renewer for an account of the config file."""
    # One lock for one person: the key changes when an organisation becomes known.
    side = token_side_path(file.path, account.account_uuid or account.name)
    if not account.import_from:
        return Refresher(side, ConfigStore(file, account.key), clock)
    from .followed import FollowedFile  # reading Claude Code's file takes modules that few need

    store = FollowedFile(account.import_from)
    return Refresher(side, store, clock) if config.refresh_imported else Follower(store.path, store, clock)
