"""Keep an account out of service: it gets no new request, those it is serving
end in peace.

A running proxy does so at once; the config file remembers it.
"""

from __future__ import annotations

import argparse

from ..terminal import note
from .enable import arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from ..account_edit import AccountEdit

    edit = AccountEdit(args.name, args.port)
    edit.set_enabled(False)
    note(f"{edit.account.name} is disabled")
    return 0
