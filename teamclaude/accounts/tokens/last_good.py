"""The logins of a running server outlive their file.

What takes an account out of a running server is an edit of its file: `teamclaude remove`, or an editor.
Three contents are no edit of it:
1. none (the file was deleted) and nothing (0 bytes, or what a crash leaves of a file: NULs);
2. another file that was made in its place and holds no account: its proxy key is another one, or none;
3. another file that holds other accounts, none of ours, and another proxy key.
In 1 and 2 the file is written again as it was, with the tokens of now.  3 is meant, but what it
replaced is kept beside it: nobody else has those tokens.  A file that can't be understood is left as it
is, for it may be half an edit: the server goes on with what it has.
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

    `pairs`: the tokens of now by account key; `warn` gets one line about what was put back.
    One call at a time.
    """

    def __init__(self, file: ConfigFile, config: Config, pairs: Pairs, warn: Callable[[str], None]) -> None:
        self._file = file
        self._pairs = pairs
        self._warn = warn
        self._config, self._data = config, file.content  # just loaded, and no other thread runs yet
        self._loaded = self._config, self._data

    def load(self, settled: bool = True) -> Config:
        """The file's values as of ConfigFile.load; what is no edit of the file is put right first.

        Not `settled`: somebody may be about to write the file; then it is a ConfigError and nothing is done.
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
        """What was loaded last is in force."""
        self._config, self._data = self._loaded

    def _is_lost(self, data: Optional[bytes]) -> bool:
        """Rules 1 and 2."""
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
        aside = f"{target[: -len('.json')] if target.endswith('.json') else target}.replaced-{stamp}.json"
        try:
            write_private(aside, encode(self._current_content()))
        except OSError as error:
            raise ConfigError(f"{aside}: can't keep the accounts in use there: {error.strerror}") from None
        self._warn(f"another file took the place of {self._file.path}: what it was is kept as {aside}")

    def _current_content(self) -> dict[str, Any]:
        """The last good content with the tokens of now."""
        raw = decode(self._data, str(self._file.path))
        followed = {account.key for account in self._config.accounts if account.import_from}
        for key, pair in self._pairs().items():
            if key not in followed and pair.access_token is not None:
                with contextlib.suppress(UsageError):  # an account of a reload that was not taken over
                    edit_account(raw, key, **pair.to_account_fields())
        return raw
