"""Prefer accounts with a smaller number: others serve only when none of a
smaller one can.  All begin with 0.
"""

from __future__ import annotations

import argparse

from ..address import add_port_option
from ..terminal import note

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the account, or the beginning of its name")
    parser.add_argument("number", metavar="N", type=int, help="a whole number, also a negative one")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    from ...accounts.config.edits import set_priority
    from ..account_edit import AccountEdit

    edit = AccountEdit(args.name, args.port)
    edit.update(lambda raw: set_priority(raw, edit.account.key, args.number))
    note(f"{edit.account.name} has priority {args.number}")
    return 0
