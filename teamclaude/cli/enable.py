"""Let an account serve requests again.  A running proxy does so at once; the
config file remembers it.
"""

from __future__ import annotations

import argparse

from .address import add_port
from .terminal import note

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the account, or the beginning of its name")
    add_port(parser)


def run(args: argparse.Namespace) -> int:
    from .accountedit import AccountEdit

    edit = AccountEdit(args.name, args.port)
    edit.enable(True)
    note(f"{edit.account.name} is enabled")
    return 0
