"""Restore a running server's config file when it is lost: its logins must not be lost with it.

Accounts leave a running server by an edit of its file: `teamclaude remove`, or an editor.  Three
contents are not an edit:
1. a deleted or empty file (0 bytes, or the NUL bytes that a crash leaves);
2. another file without accounts in its place, with another proxy key or none;
3. another file with other accounts, none of ours, and another proxy key.
In cases 1 and 2 the last good content is written again with the current tokens.  Case 3 is taken over, but
the replaced content is saved beside it, since nobody else has those tokens.  A file that can't be parsed is
left alone, as it may be a half-finished edit: the server goes on with what it has.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Optional

from ...errors import ConfigError, UsageError
from ..config.atomic_write import write_private
from ..config.config import Config, parse_config
from ..config.config_file import ConfigFile
from ..config.edits import edit_account
from ..config.json_file import decode, encode
from .token_pair import TokenPair

__all__ = ["LastGoodConfig"]

Pairs = Callable[[], Mapping[str, TokenPair]]


class LastGoodConfig:
    """The configuration in force and the bytes it was read from.

    `pairs` returns the current tokens by account key; `warn` gets one line about what was restored.
    One call at a time.
    """

    def __init__(self, file: ConfigFile, config: Config, pairs: Pairs, warn: Callable[[str], None]) -> None:
        self._file = file
        self._pairs = pairs
        self._warn = warn
        self._config, self._data = config, file.content  # just loaded, and no other thread runs yet
        self._loaded = self._config, self._data

    def load(self, settled: bool = True) -> Config:
        """Return the file's values as ConfigFile.load does, after restoring a lost file.

        If not `settled`, the file may be about to be written: raise ConfigError and restore nothing.
        """
        try:
            self._loaded = self._file.load_with_content()
        except ConfigError:
            if not settled or not self._restore():
                raise
            self._loaded = self._file.load_with_content()
        if self._is_other_file(self._loaded[0]):
            if not settled:
                raise ConfigError(f"{self._file.path}: is another file, with none of the accounts in use")
            if self._loaded[0].accounts:
                self._save_replaced()
            elif self._restore():
                self._loaded = self._file.load_with_content()
        return self._loaded[0]

    def accept(self) -> None:
        """Make the values loaded last the ones in force."""
        self._config, self._data = self._loaded

    def _is_lost(self, data: Optional[bytes]) -> bool:
        """Return whether the content is lost by rules 1 and 2; None: there is no file."""
        if not self._config.accounts:
            return False
        if data is None or not data.strip(b"\0 \t\r\n"):
            return True
        try:
            found = parse_config(decode(data, ""), "")
        except ConfigError:
            return False
        return not found.accounts and self._is_other_file(found)

    def _is_other_file(self, found: Config) -> bool:
        ours = {account.key for account in self._config.accounts}
        theirs = {account.key for account in found.accounts}
        return bool(ours) and not ours & theirs and found.proxy.api_key != self._config.proxy.api_key

    def _restore(self) -> bool:
        if not self._file.restore(self._current_content(), self._is_lost):
            return False
        count = len(self._config.accounts)
        self._warn(
            f"{self._file.path} was gone or empty: it is written again, with the {count} "
            f"account{'s' * (count != 1)} in use (teamclaude remove takes one out)"
        )
        return True

    def _save_replaced(self) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = os.path.realpath(self._file.path)
        saved_path = (
            f"{target[: -len('.json')] if target.endswith('.json') else target}.replaced-{stamp}.json"
        )
        try:
            write_private(saved_path, encode(self._current_content()))
        except OSError as error:
            raise ConfigError(
                f"{saved_path}: can't keep the accounts in use there: {error.strerror}"
            ) from None
        self._warn(f"another file took the place of {self._file.path}: what it was is kept as {saved_path}")

    def _current_content(self) -> dict[str, Any]:
        """Return the last good content with the current tokens."""
        raw = decode(self._data, str(self._file.path))
        # The tokens of these are kept elsewhere, and those of a credentialCommand must not get into the file.
        followed = {
            account.key
            for account in self._config.accounts
            if account.import_from or account.credential_command
        }
        for key, pair in self._pairs().items():
            if key not in followed and pair.access_token is not None:
                with contextlib.suppress(UsageError):  # an account of a reload that was rejected
                    edit_account(raw, key, **pair.to_account_fields())
        return raw
