"""How this program is started again: by a service manager, in the background, by another program.

The one place that knows in which form it runs.  A copied directory, an installation by pip or pipx and a
checkout have a file `__main__.py`; `teamclaude.pyz` is a zip archive that Python runs as a whole.  Each
command works from any directory and needs no PYTHONPATH.

An archive that is replaced can't be read any more: Python remembers where in it each module was.  What runs
for long loads at its start what it will ever need, so that a newer version can be put in its place.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

__all__ = ["is_archive", "load_folders", "own_command", "program_path"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def program_path(package: str = _PACKAGE) -> str:
    """Return what an interpreter is given to run this program: an archive, or the package's `__main__.py`."""
    outside = os.path.dirname(package)
    return outside if os.path.isfile(outside) else os.path.join(package, "__main__.py")


def own_command(
    *words: str, options: Sequence[str] = (), executable: Optional[str] = None, package: str = _PACKAGE
) -> list[str]:
    """Return the command that runs this program with `words`; `options` are the interpreter's.

    The interpreter is the one that runs now: that of a virtual environment stays that.
    """
    return [executable or sys.executable or "python3", *options, program_path(package), *words]


def is_archive(package: str = _PACKAGE) -> bool:
    """Return whether this program runs from a zip archive."""
    return os.path.isfile(os.path.dirname(package))


def load_folders(*folders: str, root: str = __package__ or "teamclaude") -> None:
    """Import the modules of these folders and of those below them; `deck.view` is a folder.

    A module that this system has no use for (curses on Windows) is left out.
    """
    import pkgutil  # 3 ms

    for folder in folders:
        name = f"{root}.{folder}"
        for found in pkgutil.iter_modules(importlib.import_module(name).__path__):
            if found.ispkg:
                load_folders(f"{folder}.{found.name}", root=root)
            else:
                with suppress(ImportError):
                    importlib.import_module(f"{name}.{found.name}")
