"""How this program was started, so that it can be started again, after an upgrade too."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...values import NamedTuple

__all__ = ["OwnCommand", "command_line"]

# Of one process: its successor gets its own, or none.
_OF_ONE_PROCESS = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID")


class OwnCommand(NamedTuple):
    """The words, the directory and the environment of the start; the first three as of `command_line`."""

    original: tuple[str, ...]
    module: Optional[str]
    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]

    @classmethod
    def of_this_process(cls) -> OwnCommand:
        """Return the command of this process; call it before anything changes directory or environment."""
        main = sys.modules.get("__main__")
        spec = getattr(main, "__spec__", None)
        original = tuple(getattr(sys, "orig_argv", ()))
        try:
            directory = os.getcwd()
        except OSError:  # it was removed
            directory = os.sep
        environment = {name: value for name, value in os.environ.items() if name not in _OF_ONE_PROCESS}
        environment = _with_first_locale(environment)
        return cls(original, getattr(spec, "name", None), tuple(sys.argv), directory, environment)

    @property
    def words(self) -> list[str]:
        """What starts the program again."""
        flags: Any = () if self.original else _interpreter_flags()
        return command_line(sys.executable, self.original, flags, self.module, self.argv)


def _with_first_locale(environment: dict[str, str]) -> dict[str, str]:
    """Take back the LC_CTYPE that Python sets in a C locale (PEP 538), where the first one is known (Linux).

    By it the Deck of a new process would take the terminal for one that shows UTF-8.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            first = [entry for entry in file.read().split(b"\0") if entry.startswith(b"LC_CTYPE=")]
    except OSError:
        return environment
    environment.pop("LC_CTYPE", None)
    if first:
        environment["LC_CTYPE"] = os.fsdecode(first[0].partition(b"=")[2])
    return environment


def command_line(
    interpreter: str,
    original: Optional[Sequence[str]],
    flags: Sequence[str],
    module: Optional[str],
    argv: Sequence[str],
) -> list[str]:
    """Return the command line that starts the same program with the same interpreter.

    `original` is sys.orig_argv, which Python has since 3.10.  Without it: `flags` are the interpreter's
    options, `module` is the name of __main__'s spec (None: a script; `__main__`: a directory or a zip file),
    `argv` is sys.argv.
    """
    if original:
        return [interpreter, *original[1:]]
    if module is not None and module != "__main__":
        return [interpreter, *flags, "-m", module.removesuffix(".__main__"), *argv[1:]]
    return [interpreter, *flags, *argv]


def _interpreter_flags() -> Any:
    import subprocess  # 6 ms, and only for a restart under Python 3.9

    # What the interpreter starts its own child processes with; there is no public name for it.
    return getattr(subprocess, "_args_from_interpreter_flags", list)()
