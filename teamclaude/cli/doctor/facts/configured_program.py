"""Whether a program that the config file names can be run; it is not started."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ....programs import find_program

__all__ = ["why_unusable"]


def why_unusable(command: Sequence[str]) -> str:
    """Return why the program can't be run, empty if it can; its arguments are not shown."""
    name = os.path.expanduser(command[0])
    found = name if os.path.isabs(name) else find_program(name)
    if found is None:
        return f"{command[0]} is not on the PATH"
    if not (os.path.isfile(found) and os.access(found, os.X_OK)):
        return f"{found} can't be run"
    return ""
