"""Whether the config file has changed, and what is said when it is read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...accounts.config.changes import changes_text
from ...accounts.config.config_file import ConfigFile
from ...errors import TeamClaudeError

__all__ = ["ConfigCheck"]


class ConfigCheck:
    """Used by one thread, but for `loaded`; `reload` is called with whether the file is settled."""

    def __init__(
        self, file: ConfigFile, reload: Callable[[bool], dict[str, Any]], warn: Callable[[str], None]
    ) -> None:
        self._file = file
        self._reload = reload
        self._warn = warn
        self._last_error = ""  # of the config file, until it is valid again
        self._loaded_stamp = self._seen_stamp = file.stamp()

    def loaded(self) -> None:
        """Note that the file, as it is now, is about to be read."""
        self._loaded_stamp = self._file.stamp()

    def check(self) -> None:
        """Read the file again when it has changed.

        An invalid or missing file has time until the next poll: editors truncate a file before they write it,
        or move it away first.
        """
        stamp = self._file.stamp()
        settled, self._seen_stamp = stamp == self._seen_stamp, stamp
        if stamp == self._loaded_stamp:
            return
        try:
            changes = self._reload(settled)
        except TeamClaudeError as error:
            if settled and str(error) != self._last_error:
                self._last_error = str(error)
                self._warn(self._last_error)
            return
        self._last_error = ""
        self._loaded_stamp = stamp
        text = changes_text(changes)
        if text:
            self._warn(f"config read again: {text}")
