"""What the running proxy is doing: its accounts and their quotas, the sessions
it serves, usage by issue.

A dash is an unknown value: an account tells its quota with its first answer."""

from __future__ import annotations

import argparse
import json
import sys

from .address import add_port

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same as JSON, for scripts")
    add_port(parser)


def run(args: argparse.Namespace) -> int:
    from ..deck.text import status_lines
    from . import terminal
    from .client import running_proxy

    snapshot = running_proxy(args.port).get("/teamclaude/status")
    if args.json:
        print(json.dumps(snapshot, indent=2))
        return 0
    for line in status_lines(snapshot, terminal.width(), terminal.has_color(sys.stdout)):
        print(line)
    return 0
