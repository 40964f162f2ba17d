"""The `switch` command: pin all work, one session or a project to an account, or unpin it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Optional

from ...errors import UsageError
from ...routing.user_rules.patterns import normalized_path
from ...routing.user_rules.routes import route_line
from ...typed_json import to_json
from ..remote.chosen import add_proxy_arguments, chosen_proxy
from ..terminal import json_text, note

if TYPE_CHECKING:
    from ...snapshot import Snapshot

SCHEMA = 1  # of the JSON


def switch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude switch`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the account, or the beginning of its name")
    parser.add_argument("--session", metavar="SID", help="id of one session, or the beginning of it")
    parser.add_argument(
        "--project",
        metavar="DIR",
        nargs="?",
        const=".",
        help="the work in a directory (without DIR: in this one)",
    )
    parser.add_argument("--auto", action="store_true", help="remove the pin")
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    add_proxy_arguments(parser)


def switch(args: argparse.Namespace) -> int:
    """Pin the work to one account, or let routing decide again.

    teamclaude switch                      list the accounts and pins
    teamclaude switch NAME                 new and unpinned work goes to NAME
                                           for as long as it can serve
    teamclaude switch NAME --session SID   only this session
    teamclaude switch NAME --project DIR   the work in a directory and below it
    teamclaude switch --auto               remove the pin (--session, --project:
                                           of this one)
    """
    from ...accounts.config.identity import find_name
    from ...deck.text.cells import clean
    from ...snapshot import SCHEMA, Snapshot
    from ..remote.newer import note_if_newer

    if args.auto and args.name:
        raise UsageError("--auto removes the pin, NAME sets one: give one of them")
    if args.json and (args.auto or args.name):
        raise UsageError("--json is for the list: leave NAME and --auto out")
    if (args.session or args.project) and not (args.auto or args.name):
        option = "--session" if args.session else "--project"
        raise UsageError(f"{option} needs the NAME of an account, or --auto")
    if args.session and args.project:
        raise UsageError("--session is for one session, --project for a directory: give one of them")
    proxy = chosen_proxy(args)
    answer = proxy.get("/teamclaude/status")
    status = Snapshot.from_json(answer)
    note_if_newer(proxy.url, answer, SCHEMA)
    if not (args.auto or args.name):
        print(json_text(SCHEMA, _facts(status)) if args.json else "\n".join(_lines(status)))
        return 0
    account = None if args.auto else find_name(_names(status), args.name)
    session = _session(status, args.session) if args.session else None
    project = os.path.abspath(os.path.expanduser(args.project)) if args.project else None
    of = {"session": session} if session else {"project": project} if project else {}
    changed = proxy.post("/teamclaude/switch", {"account": account, **of})
    what = f"session {session}" if session else f"project {project}" if project else "all work"
    if account or _is_pinned(status, session, project):
        note(clean(f"{what} is pinned to {account}" if account else f"{what} is routed automatically again"))
    else:
        note(clean(f"{what} was not pinned: nothing has changed"))
    if account and session and session not in _known_sessions(status):
        note(clean(f"no session with this id is known yet: {session} goes to {account} when it comes"))
    if account and project and "*" in project:
        note('its "*" is no wildcard: a pin is of one directory and all below it, only routes take wildcards')
    forbidden_by = changed.get("forbiddenBy") if isinstance(changed, dict) else None
    if account and isinstance(forbidden_by, str):
        note(f"without effect: {forbidden_by} of the config file does not allow {account} there")
    if project and not account:
        _note_configured(Snapshot.from_json(changed), project)
    return 0


def _is_pinned(status: Snapshot, session: Optional[str], project: Optional[str]) -> bool:
    """Return whether there is a pin of the session, of the project, or else of all work."""
    if project is not None:
        return any(pin.project == normalized_path(project) for pin in status.project_pins)
    return any(pin.session == session for pin in status.pins)


def _note_configured(status: Snapshot, project: str) -> None:
    """Say what still pins the directory: a pin of the config file stays."""
    for pin in status.project_pins:
        if pin.configured and pin.project == project:
            note(f"the config file still pins it to {pin.account} (pins)")


def _facts(status: Snapshot) -> dict[str, Any]:
    """Return the accounts and the pins; a pin without a session is that of all work."""
    accounts = [{"name": account.name, "status": account.status} for account in status.accounts]
    pins = [{"session": pin.session, "account": pin.account} for pin in status.pins]
    projects = [to_json(pin) for pin in status.project_pins]
    return {
        "currentAccount": status.current_account,
        "accounts": accounts,
        "pins": pins,
        "projectPins": projects,
        "routes": [to_json(route) for route in status.routes],
    }


def _names(status: Snapshot) -> list[str]:
    """Return the accounts' names; what could not be shown is no account that a person means."""
    return [account.name for account in status.accounts if account.name.isprintable()]


def _session(status: Snapshot, wanted: str) -> str:
    """Return the whole id; one that the proxy does not know (yet) is pinned as it is."""
    known = _known_sessions(status)
    matches = sorted(sid for sid in known if sid.startswith(wanted))
    if len(matches) > 1 and wanted not in matches:
        raise UsageError(f'session "{wanted}" could be any of: {", ".join(matches)}')
    return matches[0] if len(matches) == 1 else wanted


def _known_sessions(status: Snapshot) -> set[str]:
    """Return the ids of the sessions that it serves, and of those that are pinned."""
    ids = [row.sid for row in status.session_bindings] + [pin.session for pin in status.pins if pin.session]
    return {sid for sid in ids if sid.isprintable()}


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
    lines += [clean(f"session {session} is pinned to {name}") for session, name in pins.items()]
    lines += [
        clean(f"project {pin.project} is pinned to {pin.account}{' (config file)' if pin.configured else ''}")
        for pin in status.project_pins
    ]
    lines += [clean(route_line(each.place, each.match, each.accounts, each.block)) for each in status.routes]
    return lines
