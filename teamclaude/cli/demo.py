"""The whole thing with no account and no network: a fake API with quotas that
fill and reset, fake Claude Code sessions, and the real proxy between them.

Nothing of yours is read or changed.  It ends with a table; exit status 0
unless a session saw an error that an account could have kept from it."""

from __future__ import annotations

import argparse
import sys

from .ranges import number, whole

__all__ = ["arguments", "run"]

SECONDS = 20.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sessions", type=whole(1, 200), default=6, metavar="N", help="default: 6")
    parser.add_argument("--accounts", type=whole(1, 20), default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--speed", type=number(1, 3600), default=60.0, metavar="X", help="their seconds per second (60)"
    )
    parser.add_argument(
        "--seconds",
        type=number(0, 86400),
        default=SECONDS,
        metavar="S",
        help=f"how long it runs (default: {SECONDS:g}; 0: until Ctrl-C)",
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**31), default=1, metavar="N", help="another course of events"
    )
    parser.add_argument("--headless", action="store_true", help="plain lines also on a terminal")
    parser.add_argument("--snapshot", action="store_true", help="print the status page before the table")


def run(args: argparse.Namespace) -> int:
    from ..deck.activity import activity_line
    from ..deck.text import status_lines
    from ..demo.runner import DemoOptions, run_demo
    from .terminal import has_color, width

    color, columns = has_color(sys.stdout), width()
    options = DemoOptions(
        sessions=args.sessions,
        accounts=args.accounts,
        speed=args.speed,
        headless=args.headless,
        seconds=args.seconds or None,
        seed=args.seed,
        snapshot=args.snapshot,
    )
    return run_demo(
        options,
        sys.stdout,
        line=lambda record: activity_line(record, color),
        frame=lambda snapshot: status_lines(snapshot, columns, color),
    )
