"""Durable storage of an account's tokens: the interface, and the account's entry in the config file."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Optional, Protocol

from ...errors import ConfigError, UsageError
from ..config.config_file import ConfigFile
from ..config.edits import swap_tokens
from ..config.identity import index_of
from .token_pair import TokenPair

__all__ = ["ConfigStore", "TokenStore"]


class TokenStore(Protocol):
    """Durable storage of one pair; the refresher holds the account's lock around reading and writing."""

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        """Return a context that excludes programs which don't use our lock."""

    def changed(self) -> bool:
        """Return whether the content may have changed since the last call, if nothing else reports that."""

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """Return the stored tokens.  Raise TeamClaudeError when they can't be read.

        `held`: the caller's pair, returned in place of the stored one if the store is missing or can't be
        parsed and belongs to us alone.
        """

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Durably replace the pair whose refresh token is `spent`; return the pair stored afterwards.

        That is another one if the owner logged in meanwhile: a newer login is never overwritten.
        Raise TeamClaudeError or OSError, and keep the old pair, when it can't be written.
        """


class ConfigStore:
    """The TokenStore in the config file, of the account with this key."""

    def __init__(self, file: ConfigFile, key: str) -> None:
        self._file = file
        self._key = key

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        """Return an empty context: every program that writes the config file uses our lock."""
        return nullcontext()

    def changed(self) -> bool:
        """Return False: a config reload reports changes."""
        return False

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """Return the entry's pair; `held` if the file is missing or invalid; UsageError if removed."""
        try:
            accounts = self._file.load().accounts
        except ConfigError:
            if held is None:
                raise
            return held
        place = index_of(accounts, self._key)
        if place is None:
            raise UsageError("the account is not in the config file any more")
        return TokenPair.from_account(accounts[place])

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Replace the entry's pair if its refresh token is still `spent`; return the pair in the file."""

        def change(raw: dict[str, Any]) -> TokenPair:
            stored = TokenPair.from_account(swap_tokens(raw, self._key, spent, pair.to_account_fields()))
            return stored if stored.refresh_token != spent else pair

        try:
            return self._file.update(change)
        except UsageError:  # the account was removed meanwhile: there is no place to store it
            return pair
