"""What --fix does: take others' rights to a file, remove what a crash left, or run a command of ours.

Rules:
1. Nothing is done that was not shown, and agreed to on the terminal or by --yes.
2. A path is looked at again just before it is changed: only a regular file or directory of our own user is,
   never the target of a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence

from ...errors import TeamClaudeError
from .finding import Action, Finding, Fix

__all__ = ["fixes_of", "repair"]


def fixes_of(findings: Iterable[Finding]) -> list[Fix]:
    """Return what can be done about the findings, each thing once."""
    return list(dict.fromkeys(each.fix for each in findings if each.fix is not None))


def repair(fix: Fix, run: Callable[[Sequence[str]], int]) -> None:
    """Do it; `run` runs a command of ours and returns its exit status.  Raise TeamClaudeError."""
    action = fix.action
    try:
        if action.name == "chmod":
            _restrict(action)
        elif action.name == "remove":
            _check(action.path)
            os.unlink(action.path)
        elif run(action.words) != 0:
            raise TeamClaudeError(f"teamclaude {' '.join(action.words)} did not succeed")
    except OSError as error:
        raise TeamClaudeError(f"{action.path}: {error.strerror or error}") from error


def _restrict(action: Action) -> None:
    _check(action.path)
    os.chmod(action.path, action.mode)


def _check(path: str) -> None:
    found = os.stat(path, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        # The config file may be a link into a directory of dotfiles: what is meant is its target.
        found = os.stat(path)
    own = os.geteuid() if hasattr(os, "geteuid") else found.st_uid
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)) or found.st_uid != own:
        raise TeamClaudeError(f"{path} is not a file of yours any more: nothing was changed")
