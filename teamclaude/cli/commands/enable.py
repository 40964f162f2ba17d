"""Let an account serve requests again.  A running proxy does so at once; the
config file remembers it.
"""

from __future__ import annotations

import argparse

from ..address import add_port_option
from ..terminal import note

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the account, or the beginning of its name")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    from ..account_edit import AccountEdit

    edit = AccountEdit(args.name, args.port)
    edit.set_enabled(True)
    note(f"{edit.account.name} is enabled")
    return 0
