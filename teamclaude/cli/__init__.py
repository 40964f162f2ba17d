"""The command line: one door, one file per command.

`main` imports the module of the command it was asked for and nothing else: `--version` loads neither
argparse nor sockets.  A command module has `arguments(parser)`, which declares its words, and `run(args)
-> int`, which does the work and returns the exit status.  Only this floor prints: data on stdout, notes
on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Optional

__all__ = ["main"]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; returns the exit status: 0 ok, 1 failure, 2 usage, 130 interrupted."""
    from .streams import flush_streams, output_failed, reopen_closed_streams

    reopen_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        from .. import __version__

        try:
            print(f"teamclaude {__version__}")
        except OSError as error:  # unbuffered; else `finish` meets it
            return flush_streams(output_failed(error))
        return flush_streams(0)
    from .dispatch import run_guarded

    return flush_streams(run_guarded(words))
