"""Where an account's tokens are kept for good: its entry in the config file."""

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
    """Read and replaced under the account's lock, which is the refresher's business."""

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        """Keeps out programs that know nothing of our lock."""

    def changed(self) -> bool:
        """Whether what is stored may differ since the last time this was asked, and nobody else says so."""

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """The stored tokens.  TeamClaudeError when they can't be had.

        `held`: what the caller has of them; taken for the stored ones where the place itself is gone or
        can't be understood, and it is ours alone.
        """

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Durably replace the pair whose refresh token is `spent`; the pair that is there afterwards.

        That is another one when the owner logged in meanwhile: a newer login is never overwritten.
        TeamClaudeError or OSError, and the old pair in its place, when it can't be written.
        """


class ConfigStore:
    """The account with this key in a config file."""

    def __init__(self, file: ConfigFile, key: str) -> None:
        self._file = file
        self._key = key

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def changed(self) -> bool:
        return False  # a reload of the config tells

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
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
        def change(raw: dict[str, Any]) -> TokenPair:
            there = TokenPair.from_account(swap_tokens(raw, self._key, spent, pair.to_account_fields()))
            return there if there.refresh_token != spent else pair

        try:
            return self._file.update(change)
        except UsageError:  # its owner removed the account meanwhile: there is nothing to keep it for
            return pair
