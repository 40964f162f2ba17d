"""Find a program on the PATH, and on Windows never in the working directory.

There `shutil.which` and the start of a process by its name look into that directory first, and a repository
that somebody cloned may hold a `claude.cmd` or a `git.exe`.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Optional

__all__ = ["find_program"]


def find_program(name: str, platform: str = sys.platform) -> Optional[str]:
    """Return the path of a program, None if there is none; `name` has no directory."""
    if platform != "win32":
        return shutil.which(name)
    places = [entry.strip('"') for entry in os.environ.get("PATH", "").split(os.pathsep)]
    found = (shutil.which(os.path.join(place, name)) for place in places if os.path.isabs(place))
    return next(filter(None, found), None)
