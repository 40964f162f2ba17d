"""The commands with their options and values, as plain data that scripts and pages are made of.

A new metavar needs a row in VALUES (a test says so): it decides what a shell offers there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Optional

from ...values import NamedTuple
from ..dispatch import COMMANDS, Command, parser_for

__all__ = ["NOTHING", "CommandWords", "Option", "Place", "Value", "all_commands"]

# Kinds of values: WORDS are known now; ACCOUNTS and SESSIONS are asked for at the time (names.py).
WORDS, ACCOUNTS, SESSIONS, FILES, DIRECTORIES, ANY = (
    *("words", "accounts", "sessions", "files", "directories", "any"),
)
VALUES = {
    "NAME": ACCOUNTS,
    "SID": SESSIONS,
    "FILE": FILES,
    "PATH": FILES,
    "DIR": DIRECTORIES,
    **dict.fromkeys(("ARGS", "COMMAND", "ID", "JSON", "KEY", "TEXT", "URL", "VARIABLE"), ANY),
    **dict.fromkeys(("A,B,...", "D", "F", "H", "M", "N", "R", "S", "SEC", "T", "TIME", "X"), ANY),
    **dict.fromkeys(("A=V,B=V", "NAME=F", "NAME=HOURS:F"), ANY),
}


class Value(NamedTuple):
    """What can stand at a place; `words` for WORDS alone."""

    kind: str
    words: tuple[str, ...] = ()


NOTHING = Value(ANY)


class Option(NamedTuple):
    """An option by its names; `value` is None for a flag.

    `is_many`: all words up to the next option belong to it.
    """

    names: tuple[str, ...]
    value: Optional[Value]
    is_many: bool
    metavar: str
    help: str


class Place(NamedTuple):
    """A word that is no option, by its place."""

    value: Value
    metavar: str
    help: str


class CommandWords(NamedTuple):
    """A command; `passes_on`: from the first word that is no option on, all is for another program."""

    name: str
    help: str
    usage: str
    description: str
    options: tuple[Option, ...]
    places: tuple[Place, ...]
    epilog: str
    passes_on: bool


def all_commands() -> list[CommandWords]:
    """Return every command, in the order of `teamclaude help`; imports all of them (0.2 s)."""
    return [_words_of(command) for command in COMMANDS]


def _words_of(command: Command) -> CommandWords:
    parser = parser_for(command)
    parser.__dict__["color"] = False  # 3.14: its usage is for scripts and pages
    formatter = parser._get_formatter()
    options, places = [], []
    for action in parser._actions:
        if action.help is argparse.SUPPRESS:
            continue
        text = formatter._expand_help(action) if action.help else ""
        metavar = _metavar(action)
        if action.option_strings:
            value = None if action.nargs == 0 else _value(command.name, action)
            options.append(
                Option(tuple(action.option_strings), value, action.nargs in ("*", "+"), metavar, text)
            )
        else:
            places.append(Place(_value(command.name, action), metavar, text))
    return CommandWords(
        command.name,
        command.help,
        parser.format_usage(),
        parser.description or "",
        tuple(options),
        tuple(places),
        parser.epilog or "",
        passes_on=any(action.dest == "words" for action in parser._actions),
    )


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(str(choice) for choice in action.choices)
    return "" if action.nargs == 0 else action.dest.upper()


def _value(command: str, action: argparse.Action) -> Value:
    known = _known_words(command, action)
    if known:
        return Value(WORDS, tuple(known))
    if command == "api" and not action.option_strings:
        return NOTHING  # a path of the API
    return Value(VALUES[action.metavar]) if isinstance(action.metavar, str) else NOTHING


def _known_words(command: str, action: argparse.Action) -> Sequence[str]:
    """Return the words that the place takes, where they are known now."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if (command, action.dest) == ("help", "topic"):
        from ...manual import topics

        return sorted({*topics(), *(each.name for each in COMMANDS)})
    if (command, action.dest) == ("lab", "policy"):
        from ...lab.run import LAB_POLICIES

        return ["all", *LAB_POLICIES]
    if (command, action.dest) == ("lab", "world"):
        from ...lab.study.worlds import WORLDS

        return list(WORLDS)
    if (command, action.dest) == ("lab", "without"):
        from ...lab.study.changes import known_values

        return list(known_values())
    if (command, action.dest) == ("usage", "by"):
        from ...history.reports.question import GROUPINGS

        return GROUPINGS
    return []
