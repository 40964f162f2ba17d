"""This Python and this program: versions, modules, and who could change the files."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .... import __version__
from ....accounts.config.atomic_write import foreign_writer_warning
from ....values import NamedTuple

__all__ = ["ProgramFacts", "PythonFacts", "newest_file", "program_facts", "python_facts"]

PACKAGE = Path(__file__).resolve().parents[3]
WANTED = ("ssl", "sqlite3", "curses")


class PythonFacts(NamedTuple):
    """The interpreter; `openssl` is empty without the module ssl."""

    version: str
    implementation: str
    openssl: str
    openssl_version: tuple[int, ...]
    missing: tuple[str, ...]


class ProgramFacts(NamedTuple):
    """The files of this program; `dangers` are warnings about who can replace them.

    `changed_at`: when the newest of them was changed (epoch seconds), 0 where that can't be told.
    """

    version: str
    place: str
    dangers: tuple[str, ...]
    changed_at: float


def python_facts() -> PythonFacts:
    """Return what this interpreter is and has."""
    missing = tuple(name for name in WANTED if not _has_module(name))
    openssl = ""
    number: tuple[int, ...] = ()
    if "ssl" not in missing:
        import ssl

        openssl, number = ssl.OPENSSL_VERSION, tuple(ssl.OPENSSL_VERSION_INFO[:3])
    version = ".".join(str(part) for part in sys.version_info[:3])
    return PythonFacts(version, sys.implementation.name, openssl, tuple(number), missing)


def program_facts() -> ProgramFacts:
    """Return where this program is and who can change it."""
    place = next((path for path in (PACKAGE, *PACKAGE.parents) if path.exists()), PACKAGE)
    if place.is_file():  # one file holds it all
        return ProgramFacts(
            __version__, str(place), _dangers([str(place.parent)], [str(place)]), newest_file(place)
        )
    directories = [str(place.parent), *_directories(place)]
    files = [str(path) for path in place.rglob("*.py")]
    return ProgramFacts(__version__, str(place), _dangers(directories, files), newest_file(place))


def newest_file(place: Path) -> float:
    """Return when the newest Python file below a directory, or the one file, was changed; 0: unknown."""
    files = place.rglob("*.py") if place.is_dir() else [place]
    return max((_changed_at(path) for path in files), default=0.0)


def _has_module(name: str) -> bool:
    # The module itself may be there without its library, as in a Python that was built without it.
    try:
        if importlib.util.find_spec(name) is None:
            return False
        __import__(name)
    except (ImportError, ValueError):
        return False
    return True


def _directories(place: Path) -> Iterator[str]:
    for directory, below, _ in os.walk(place):
        below[:] = [name for name in below if name != "__pycache__"]
        yield directory


def _dangers(directories: list[str], files: list[str]) -> tuple[str, ...]:
    found = [line for line in map(foreign_writer_warning, directories) if line]
    found += [f"other users can change {path}" for path in files if _is_writable_by_all(path)]
    return tuple(found)


def _is_writable_by_all(path: str) -> bool:
    try:
        return os.name == "posix" and bool(os.stat(path).st_mode & 0o002)
    except OSError:
        return False


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
