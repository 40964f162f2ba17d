"""The `accounts` command: list the config file's accounts with their live status."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from ....errors import TeamClaudeError, UsageError
from ...account_rows import account_row
from ...arguments import add_port_option
from ...terminal import has_color, json_text, note, width
from ...user_config import read_config

if TYPE_CHECKING:
    from ....accounts.config.config import Config
    from ....accounts.config.config_file import ConfigFile
    from ....snapshot import Snapshot

# The list comes from the config; the proxy's status is optional, so don't wait long for it.
PATIENCE_S = 1.0
# A longer reason, as one that says what to do, has a line of its own: a terminal would cut it.
REASON_CELLS = 30

SCHEMA = 1  # of the JSON


def accounts_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude accounts`."""
    parser.add_argument(
        "action", nargs="?", choices=("export",), metavar="export", help="write one account to a file"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the account to export")
    parser.add_argument(
        "--move", action="store_true", help="of export: hand its login over, and remove the account here"
    )
    parser.add_argument(
        "--to", metavar="FILE", help="of export: a new file, readable by you alone; - is stdout (the default)"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also expiry times, organisation and ids"
    )
    parser.add_argument("--json", action="store_true", help="everything as JSON, for scripts")
    add_port_option(parser)


def accounts(args: argparse.Namespace) -> int:
    """List the accounts of the config file, or export one of them.

    If the proxy is running, each account is shown with its status there.

    The list never shows a token or a key. The export is for another machine,
    where teamclaude import --from takes it. API keys and setup tokens can be
    copied; a login is handed over with --move, since its refresh token works
    once (teamclaude help migrate).
    """
    if args.action is not None:
        from .export import export

        return export(args)
    if args.move or args.to is not None:
        raise UsageError("--move and --to go with: teamclaude accounts export NAME")
    file, config = read_config()
    for danger in file.permission_warnings():
        note(f"teamclaude: {danger}")
    live = _live(args.port)
    now, views = time.time(), {} if live is None else {account.name: account for account in live.accounts}
    rows = [account_row(account, views.get(account.name), now) for account in config.accounts]
    if args.json:
        print(json_text(SCHEMA, {"accounts": rows}))
        return 0
    if not rows:
        note(f"teamclaude: {file.path} has no accounts yet: teamclaude login adds one")
        _report_unfinished(file, config)
        return 0
    spending = "" if live is None else live.spending
    print("\n".join([*_lines(rows, args.verbose), *(_rule_lines(config, spending) if args.verbose else ())]))
    for row in rows:
        if row["endsSoon"]:
            note(f"teamclaude: the login of {row['name']} ends in {row['login']}: {_remedy(row)}")
    if live is None:
        note("teamclaude: no proxy is running: the status of the accounts is not known")
    _report_unfinished(file, config)
    return 0


def _rule_lines(config: Config, spending: str) -> list[str]:
    """Return a line on what all accounts may spend, on each route, and on each pin of a project."""
    from ....deck.text.cells import clean
    from ....routing.user_rules.routes import RouteTable, route_line

    names = {account.key: account.name for account in config.accounts}
    lines = [f"maxSpend: {spending}"] if spending else []
    lines += [
        route_line(route.place, match, [names[key] for key in route.accounts], route.words)
        for match, route in RouteTable(config.route_specs(), config.accounts).rows()
    ]
    lines += [f"pins: {directory}: {name}" for directory, name in config.pins.items()]
    return [clean(line) for line in lines]


def _report_unfinished(file: ConfigFile, config: Config) -> None:
    from ....accounts.tokens.hand_over import unfinished

    for move in unfinished(file, config):
        note(f"teamclaude: {move}")


def _remedy(row: Mapping[str, Any]) -> str:
    if row["source"] != "token":
        return "teamclaude login renews it"
    from ....accounts.tokens.refreshers import new_setup_token

    return new_setup_token(row["name"])


def _live(port: Optional[int]) -> Optional[Snapshot]:
    """Return the proxy's status; None when it gives none."""
    from ...proxy_client import configured_proxy

    try:
        answer = configured_proxy(port, PATIENCE_S).get("/teamclaude/status")
        from ....snapshot import Snapshot  # only now: it takes 25 ms to load

        return Snapshot.from_json(answer)
    except TeamClaudeError:
        return None


def _lines(rows: list[dict[str, Any]], verbose: bool) -> list[str]:
    from ....deck.text.cells import Column, table_lines
    from ....deck.text.format import UNKNOWN
    from ....deck.text.spans import colored

    columns = [
        Column("NAME", max_cells=40),
        Column("TIER"),
        Column("STATUS"),
        Column("PRIORITY", align_right=True),
        Column("SOURCE"),
        Column("TOKEN"),
        Column("LOGIN"),
    ]
    body = [
        [
            row["name"],
            row["tier"] or UNKNOWN,
            _status(row),
            str(row["priority"]),
            row["source"] or UNKNOWN,
            row["token"],
            row["login"] or UNKNOWN,
        ]
        for row in rows
    ]
    heading, *lines = table_lines(columns, body, width() if sys.stdout.isatty() else 1000)
    color = has_color(sys.stdout)
    out = [colored(heading, "dim", color)]
    for line, row in zip(lines, rows):
        out.append(colored(line, row["status"] or "", color))
        out += _long_reason(row)
        out += _failed_program(row, verbose)
        out += _details(row) if verbose else []
    return out


def _status(row: Mapping[str, Any]) -> str:
    from ....deck.text.format import UNKNOWN

    reason = _reason(row) if len(_reason(row)) <= REASON_CELLS else None
    parts = [_state(row), "last resort" if row["lastResort"] else None, reason]
    return ", ".join(part for part in parts if part) or UNKNOWN


def _state(row: Mapping[str, Any]) -> Optional[str]:
    """Return the status; of an account that its owner's limits keep from all work: which limit."""
    status: Optional[str] = row["status"]
    reason = _reason(row)
    if status != "active" or reason.startswith("refuses "):  # which is of some models alone
        return status
    if ", maxUsage " in reason:
        return "at its maxUsage"
    return "at its reserve" if " reserved for " in reason else status


def _long_reason(row: Mapping[str, Any]) -> list[str]:
    from ....deck.text.cells import clean

    return [f"    {clean(_reason(row))}"] if len(_reason(row)) > REASON_CELLS else []


def _failed_program(row: Mapping[str, Any], verbose: bool) -> list[str]:
    """Return why an account's program gave no credential, unless another line says so."""
    from ....deck.text.cells import clean

    why = row["tokenReason"] if row["credentialCommand"] and not verbose else None
    return [f"    {clean(why)}"] if why and why != _reason(row) else []


def _reason(row: Mapping[str, Any]) -> str:
    return "" if row["disabled"] else row["statusReason"] or ""


def _details(row: Mapping[str, Any]) -> list[str]:
    from ....deck.text.cells import clean

    facts = [
        ("rules", row["rules"]),
        ("follows", row["importFrom"]),
        ("runs", row["credentialCommand"]),
        ("token", row["tokenReason"]),
        ("token expires", _moment(row["expiresAt"])),
        ("login ends", _moment(row["refreshTokenExpiresAt"])),
        ("organisation", " ".join(v for v in (row["orgName"], row["orgUuid"]) if v)),
        ("account", row["accountUuid"]),
    ]
    return [f"    {name + ':':<15} {clean(str(value))}" for name, value in facts if value]


def _moment(ms: Optional[int]) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(ms / 1000)) if ms is not None else ""
