"""The `help` command: the list of commands, a command's help, or a manual page."""

from __future__ import annotations

import argparse

from ...errors import UsageError
from ...manual import page, topics
from ..dispatch import COMMANDS, find_command, parser_for
from ..terminal import did_you_mean


def help_on_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude help`."""
    parser.add_argument(
        "topic", nargs="?", metavar="TOPIC", help=f"a command, or one of: {', '.join(topics())}"
    )


def help_on(args: argparse.Namespace) -> int:
    """Print the list of commands, the help of one command, or a manual page."""
    if args.topic is None:
        print("\n".join(_overview()))
    elif args.topic in topics():
        print(page(args.topic).rstrip())
        if args.topic == "config":
            print("\n".join(_settings()))
        elif args.topic == "metrics":
            print("\n".join(_metrics()))
    elif args.topic in [command.name for command in COMMANDS]:
        parser_for(find_command(args.topic)).print_help()
    else:
        known = [*topics(), *(command.name for command in COMMANDS)]
        near = did_you_mean(args.topic, known)
        raise UsageError(f'no help on "{args.topic}"{near or " (teamclaude help lists the topics)"}')
    return 0


def _overview() -> list[str]:
    import textwrap

    rows = [(f"{command.name} {command.words}".rstrip(), command.help) for command in COMMANDS]
    width = max(len(left) for left, _ in rows)
    return [
        "usage: teamclaude COMMAND [OPTIONS]      (listed by teamclaude COMMAND --help)",
        "",
        *(f"  {left:<{width}}  {right}" for left, right in rows),
        "",
        "manual: teamclaude help TOPIC, where TOPIC is a command or one of",
        *textwrap.wrap(", ".join(topics()), 78, break_on_hyphens=False),
        "exit status: 0 ok, 1 failure, 2 wrong usage, 130 interrupted",
        "TEAMCLAUDE_DEBUG=1 shows tracebacks",
    ]


def _settings() -> list[str]:
    """Return the table of all keys of the config file, generated from their declarations."""
    import textwrap

    from ...accounts.config.settings_table import settings_table

    lines = ["", "All settings", "------------"]
    for row in settings_table():
        about = [row.type, row.unit, f"default {row.default}" if row.default else "not set by default"]
        lines += ["", row.name]
        lines += textwrap.wrap(row.why, 76, initial_indent="    ", subsequent_indent="    ")
        lines += textwrap.wrap(
            f"({', '.join(part for part in about if part)})",
            76,
            initial_indent="    ",
            subsequent_indent="     ",
        )
    return lines


def _metrics() -> list[str]:
    """Return the list of all metrics, generated from their declarations."""
    import textwrap

    from ...metrics.families import all_families

    lines = ["", "All metrics", "-----------"]
    for family in all_families():
        labels = f": {', '.join(family.labels)}" if family.labels else ""
        lines += ["", f"{family.sample_name}"]
        lines += textwrap.wrap(family.help, 76, initial_indent="    ", subsequent_indent="    ")
        lines.append(f"    ({family.kind}{labels})")
    return lines
