"""Remove an account and its credentials from the config file.  Asks first,
unless told not to.
"""

from __future__ import annotations

import argparse

from ..address import add_port_option
from ..terminal import confirm, note

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the account, or the beginning of its name")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    from ...accounts.config.edits import remove_account
    from ..account_edit import AccountEdit

    edit = AccountEdit(args.name, args.port)
    if not args.yes and not confirm(f"Remove {edit.account.name} and its credentials from {edit.file.path}?"):
        note("nothing was removed")
        return 1
    edit.update(lambda raw: remove_account(raw, edit.account.key))
    note(f"{edit.account.name} is removed")
    return 0
