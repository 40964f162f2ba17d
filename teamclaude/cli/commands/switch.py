"""The `switch` command: pin all work or one session to an account, or unpin it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..arguments import add_port_option
from ..terminal import note

if TYPE_CHECKING:
    from ...snapshot import Snapshot


def switch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude switch`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the account, or the beginning of its name")
    parser.add_argument("--session", metavar="SID", help="id of one session, or the beginning of it")
    parser.add_argument("--auto", action="store_true", help="remove the pin")
    add_port_option(parser)


def switch(args: argparse.Namespace) -> int:
    """Pin the work to one account, or let routing decide again.

    teamclaude switch                      list the accounts and pins
    teamclaude switch NAME                 new and unpinned work goes to NAME
                                           for as long as it can serve
    teamclaude switch NAME --session SID   only this session
    teamclaude switch --auto               remove the pin (--session: of this one)
    """
    from ...accounts.config.identity import find_name
    from ...snapshot import Snapshot
    from ..proxy_client import configured_proxy

    if args.auto and args.name:
        raise UsageError("--auto removes the pin, NAME sets one: give one of them")
    if args.session and not (args.auto or args.name):
        raise UsageError("--session needs the NAME of an account, or --auto")
    proxy = configured_proxy(args.port)
    status = Snapshot.from_json(proxy.get("/teamclaude/status"))
    if not (args.auto or args.name):
        print("\n".join(_lines(status)))
        return 0
    account = None if args.auto else find_name([account.name for account in status.accounts], args.name)
    session = _session(status, args.session) if args.session else None
    proxy.post("/teamclaude/switch", {"account": account, **({"session": session} if session else {})})
    what = f"session {session}" if session else "all work"
    note(f"{what} is pinned to {account}" if account else f"{what} is routed automatically again")
    return 0


def _session(status: Snapshot, wanted: str) -> str:
    """Return the whole id; one that the proxy does not know (yet) is pinned as it is."""
    matches = sorted({row.sid for row in status.session_bindings if row.sid.startswith(wanted)})
    if len(matches) > 1 and wanted not in matches:
        raise UsageError(f'session "{wanted}" could be any of: {", ".join(matches)}')
    return matches[0] if len(matches) == 1 else wanted


def _lines(status: Snapshot) -> list[str]:
    from ...deck.text.cells import clean

    pins = {pin.session: pin.account for pin in status.pins}
    everything = pins.pop(None, None)
    lines = []
    for account in status.accounts:
        marks = [account.status]
        marks += ["all work is pinned to it"] if account.name == everything else []
        marks += ["used last"] if account.name == status.current_account else []
        lines.append(f"{clean(account.name)}  {', '.join(clean(mark) for mark in marks if mark)}")
    return lines + [clean(f"session {session} is pinned to {name}") for session, name in pins.items()]
