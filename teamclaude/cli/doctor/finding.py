"""What an examination finds: a kind with a stable id, a line about this machine, and what mends it.  Pure.

Rules:
1. The id of a kind never changes its meaning: scripts and the manual page `doctor` name it.
2. A kind says why it matters, a finding what is so here.  Neither holds a credential.
3. A fix is data: what is to be done, not the doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Optional

from ...values import NamedTuple

__all__ = ["RESTART", "Action", "Finding", "Fix", "Group", "Kind", "Level", "worst"]


RESTART = "teamclaude restart"  # what mends several findings


class Level(IntEnum):
    """How bad it is; the exit status is that of the worst finding."""

    OK = 0
    NOTE = 1  # worth knowing, nothing is wrong: exit status 0
    WARNING = 2  # works, but not as it should, or not for long: 1
    ERROR = 3  # does not work: 2

    @property
    def exit_status(self) -> int:
        """The exit status of a command whose worst finding has this level."""
        return max(0, self - 1)


class Action(NamedTuple):
    """One thing to do: `chmod` a path to `mode`, `remove` a file, or run a command of ours (`words`)."""

    name: str
    path: str = ""
    mode: int = 0
    words: tuple[str, ...] = ()


class Fix(NamedTuple):
    """What --fix does about a finding, in words and as data."""

    what: str
    action: Action


class Finding(NamedTuple):
    """One finding; `mend` is a command, or a sentence where no command can do it."""

    kind: Kind
    text: str
    mend: str = ""
    fix: Optional[Fix] = None


class Kind(NamedTuple):
    """What findings have in common that have the same id."""

    id: str
    level: Level
    why: str

    def found(self, text: str, mend: str = "", fix: Optional[Fix] = None) -> Finding:
        """Return a finding of this kind."""
        return Finding(self, text, mend, fix)


class Group(NamedTuple):
    """One group of checks: in a few words what is there, and what was found."""

    name: str
    summary: str
    findings: Sequence[Finding] = ()

    @property
    def level(self) -> Level:
        """The level of its worst finding."""
        return worst(self.findings)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the highest level, OK without findings."""
    return max((each.kind.level for each in findings), default=Level.OK)
