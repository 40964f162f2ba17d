"""All commands as one page for man, made from the parsers.

A line of text never begins with a dot or an apostrophe, and backslashes and hyphens are escaped: a `-` of an
option must stay one that can be copied.
"""

from __future__ import annotations

import textwrap

from ... import __version__
from .command_words import CommandWords, Option, all_commands

__all__ = ["render_man_page"]

_END = [
    ".SH FILES",
    ".TP",
    r"\fI~/.config/teamclaude.json\fR",
    "The config file, or the one that TEAMCLAUDE_CONFIG names.",
    ".TP",
    r"\fI~/.local/state/teamclaude\fR",
    "What the server has observed: state, history, recordings.",
    ".SH EXIT STATUS",
    "0 ok, 1 failure, 2 wrong usage, 130 interrupted.",
    r"\fBcapacity\fR: 0 green, 10 yellow, 20 red.",
    r"\fBrun\fR: that of claude.",
    ".SH ENVIRONMENT",
    r"TEAMCLAUDE_CONFIG, TEAMCLAUDE_URL, TEAMCLAUDE_KEY, TEAMCLAUDE_DEBUG, NO_COLOR, FORCE_COLOR and the",
    r"variables of proxies; \fBteamclaude help config\fR tells of each.",
    ".SH SEE ALSO",
    r"\fBteamclaude help\fR lists the pages of the manual.",
]


def render_man_page() -> str:
    """Return the page teamclaude(1) as roff."""
    lines = [
        rf'.TH TEAMCLAUDE 1 "" "teamclaude {_escaped(__version__)}" "User Commands"',
        ".SH NAME",
        r"teamclaude \- a local proxy that serves Claude Code from several accounts of your own",
        ".SH SYNOPSIS",
        r"\fBteamclaude\fR \fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        "A server on your machine, and commands that manage its accounts, lead clients to it and tell",
        "what it does.",
        ".SH COMMANDS",
    ]
    for command in all_commands():
        lines += _command_lines(command)
    return "\n".join([*lines, *_END, ""])


def _command_lines(command: CommandWords) -> list[str]:
    usage = " ".join(command.usage.partition(":")[2].split())
    lines = [f'.SS "{_escaped(command.name)}"', _text(usage), ".PP"]
    lines += _description(command.description)
    for place in command.places:
        lines += [".TP", rf"\fI{_escaped(place.metavar)}\fR", _text(place.help)]
    for option in command.options:
        lines += [".TP", _heading(option), _text(option.help)]
    return [*lines, *([".PP", *_description(command.epilog)] if command.epilog else [])]


def _heading(option: Option) -> str:
    value = "" if option.value is None else rf" \fI{_escaped(option.metavar)}\fR"
    return ", ".join(rf"\fB{_escaped(name)}\fR{value}" for name in option.names)


def _description(text: str) -> list[str]:
    """Return paragraphs as running text, and those with indented lines as they are."""
    lines: list[str] = []
    for paragraph in textwrap.dedent(text).strip("\n").split("\n\n"):
        rows = paragraph.split("\n")
        if any(row.startswith(" ") for row in rows):
            lines += [".PP", ".nf", *(_text(row) for row in rows), ".fi"]
        else:
            lines += [".PP", *(_text(row) for row in rows)]
    return lines


def _text(line: str) -> str:
    """Return a line of text that is no request."""
    escaped = _escaped(" ".join(line.split()) if not line.startswith(" ") else line.rstrip())
    return rf"\&{escaped}" if escaped[:1] in (".", "'", "") else escaped


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
