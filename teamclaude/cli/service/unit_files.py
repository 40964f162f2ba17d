"""Files that `service install` wrote, told from those of others and from edited ones.

The first comment of each says who wrote it and has a checksum of the rest.  Rules that hold in this file:

1. A file without that comment is somebody else's: it is neither replaced nor removed.
2. A file with another checksum was edited: it is replaced or removed only with `force`.
3. Variables that a shell happens to have make no file outdated: another shell has others.
"""

from __future__ import annotations

import enum
import hashlib
import os
import re
from pathlib import Path
from typing import Optional

from ...accounts.config.atomic_write import write_private
from ...errors import TeamClaudeError
from ...values import NamedTuple
from .spec import PASSED_ON

__all__ = ["FileState", "UnitFile", "marked"]

_MARK = "written by `teamclaude service install`, removed by `teamclaude service uninstall`; sum "
_LINE = re.compile(rf"^(?:# |<!-- ){re.escape(_MARK)}([0-9a-f]{{16}})(?: -->)?\n", re.M)
_SHELL = "|".join(PASSED_ON)
_OF_A_SHELL = re.compile(
    rf'^Environment="?(?:{_SHELL})=.*\n|^\t\t<key>(?:{_SHELL})</key>\n\t\t<string>[^<]*</string>\n', re.M
)
MAX_BYTES = 1 << 20


class FileState(enum.Enum):
    """What is at the place of a file."""

    ABSENT = "absent"
    CURRENT = "as it should be"
    OUTDATED = "outdated: teamclaude service install writes it anew"
    EDITED = "edited since it was installed"
    FOREIGN = "not written by teamclaude"


class UnitFile(NamedTuple):
    """A file and the text that it should have (with its mark)."""

    path: Path
    text: str

    def state(self) -> FileState:
        """Return what is there; raise TeamClaudeError when it can't be read."""
        found = _read(self.path)
        if found is None:
            return FileState.ABSENT
        mark = _LINE.search(found)
        if mark is None:
            return FileState.FOREIGN
        rest = found[: mark.start()] + found[mark.end() :]
        if _sum(rest) != mark[1]:
            return FileState.EDITED
        return FileState.CURRENT if _essence(rest) == _essence(self.text) else FileState.OUTDATED

    def differs(self) -> bool:
        """Return whether writing would change anything."""
        return _read(self.path) != self.text

    def check(self, force: bool) -> None:
        """Raise TeamClaudeError when the file must not be replaced or removed."""
        state = self.state()
        if state is FileState.FOREIGN:
            raise TeamClaudeError(
                f"{self.path} was not written by teamclaude: move it away, or choose another --name"
            )
        if state is FileState.EDITED and not force:
            raise TeamClaudeError(
                f"{self.path} was edited since it was installed: --force replaces or removes it all the same"
            )

    def write(self) -> None:
        """Replace the file; raise TeamClaudeError when that is impossible."""
        try:
            write_private(str(self.path), self.text.encode("utf-8"))
        except OSError as error:
            raise TeamClaudeError(f"{self.path} can't be written: {error.strerror or error}") from error

    def remove(self) -> bool:
        """Remove the file; return whether there was one.  Raise TeamClaudeError when that is impossible."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TeamClaudeError(f"{self.path} can't be removed: {error.strerror or error}") from error
        return True


def marked(text: str) -> str:
    """Return a text with the comment that says who wrote it, in the syntax of units or of XML."""
    mark = f"{_MARK}{_sum(text)}"
    if not text.startswith("<?xml"):
        return f"# {mark}\n{text}"
    first, _, rest = text.partition("\n")
    return f"{first}\n<!-- {mark} -->\n{rest}"


def _read(path: Path) -> Optional[str]:
    try:
        if not path.is_file():  # also a broken link, and what would never end
            if os.path.lexists(path):
                raise TeamClaudeError(f"{path} is no file: move it away")
            return None
        with open(path, "rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise TeamClaudeError(f"{path} can't be read: {error.strerror or error}") from error


def _essence(text: str) -> str:
    return _OF_A_SHELL.sub("", _LINE.sub("", text, count=1))


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
