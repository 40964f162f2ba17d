"""Run the command that the words name, and turn every way it can end into an exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from ..errors import TeamClaudeError, UsageError
from . import command_table
from .streams import is_output_error, output_failed
from .terminal import note

__all__ = ["parser_for", "run_guarded"]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong word in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help)")


def run_guarded(words: Sequence[str]) -> int:
    """Run the command; every error becomes one line on stderr (TEAMCLAUDE_DEBUG=1: with a traceback)."""
    # A character that the terminal can't show becomes a question mark instead of an exception.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return _dispatch(list(words))
    except SystemExit as end:  # argparse after --help
        return end.code if isinstance(end.code, int) else OK
    except BrokenPipeError as error:
        return output_failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except TeamClaudeError as error:
        return _report(str(error), USAGE if isinstance(error, UsageError) else FAILED)
    except Exception as error:
        if isinstance(error, OSError) and is_output_error(error):
            return output_failed(error)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _report(f"internal error: {what} (TEAMCLAUDE_DEBUG=1 shows where)", FAILED)


def parser_for(command: command_table.Command) -> argparse.ArgumentParser:
    """Return the parser of one command, with the arguments that its module declares."""
    module = _module(command)
    parser = Parser(
        prog=f"teamclaude {command.name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    return parser


def _module(command: command_table.Command) -> ModuleType:
    return importlib.import_module(f".commands.{command.module}", __package__)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        words = ["help"]
    if words[0].startswith("-"):
        raise UsageError(f"a command comes before {words[0]} (teamclaude help)")
    command = command_table.find_command(words[0])
    module = _module(command)
    rest = words[1:]
    if hasattr(module, "own_words"):  # a command that passes words on says which are its own
        rest = module.own_words(rest)
    status: int = module.run(parser_for(command).parse_args(rest))
    return status


def _report(line: str, status: int) -> int:
    if os.environ.get("TEAMCLAUDE_DEBUG"):
        import traceback

        traceback.print_exc()
    note(f"teamclaude: {line}")
    return status
