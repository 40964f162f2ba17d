"""`import --from FILE` of a whole config file: a report key by key, and its accounts taken over."""

from __future__ import annotations

import argparse
import copy
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Optional

from ....accounts.config.atomic_write import foreign_writer_of, foreign_writer_warning
from ....accounts.config.config import AccountConfig, Config, parse_config
from ....accounts.config.edits import Placement
from ....accounts.config.identity import free_name
from ....accounts.importing.claude_login import LoginSource, is_live, unusable_reason
from ....accounts.importing.config_import import EXPORT_KEY, ConfigImport, add_settings, plan_import
from ....accounts.importing.enroll import enroll, recognized
from ....errors import ConfigError, TeamClaudeError, UsageError
from ....values import replace
from ...account_rows import tier
from ...add_account import OUTCOMES
from ...proxy_client import ProxyClient, ProxyRefusedError
from ...terminal import note, plural
from ...user_config import load_or_create_config, open_config

if TYPE_CHECKING:
    from ....accounts.config.config_file import ConfigFile

__all__ = ["add_config_options", "config_in", "import_config"]


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of an import of a whole config file."""
    parser.add_argument("--dry-run", action="store_true", help="of a config file: report, and change nothing")
    parser.add_argument(
        "--settings", action="store_true", help="of a config file: its settings too, where none are set here"
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="KEY",
        help="of a config file: give up what this refused key protects",
    )


def import_config(args: argparse.Namespace, source: LoginSource, raw: dict[str, Any]) -> int:
    """Report on a config file, and take over its accounts, and with --settings its settings."""
    try:
        plan = plan_import(raw, args.drop)
    except ConfigError as error:
        raise TeamClaudeError(f"{source.label}: {error}") from None
    if args.follow:
        raise UsageError(f"--follow follows one login of Claude Code; {source.label} is a config file")
    if args.name and len(plan.accounts) != 1:
        count = plural(len(plan.accounts), "account")
        raise UsageError(f"--name names one login; {source.label} has {count}")
    if plan.reports:
        print("\n".join(map(str, plan.reports)))
    if plan.refused:
        drops = " ".join(f"--drop {shlex.quote(path)}" for path in plan.refused)
        raise TeamClaudeError(
            f"{source.label}: nothing is imported: what {', '.join(plan.refused)} did is not done here; "
            f"to import without it: {drops}"
        )
    if source.path is not None and _is_present_file(source.path):
        note(f"{source.label} is the config file in use: it is read where it is, and nothing is taken over")
        return 0
    if source.path is not None and plan.runs_programs(args.settings):
        _check_writers(source.path, source.label)
    file = _dry_run(args, plan) if args.dry_run else _take_over(args, plan)
    _report_logins(plan.accounts, file, time.time())
    if not args.dry_run:
        is_whole = len(plan.accounts) == len(raw["accounts"]) > 0
        _warn_of_the_other(raw, source, plan.accounts, is_whole)
    return 0


def _is_present_file(path: str) -> bool:
    try:
        return os.path.samefile(path, open_config().path)
    except OSError:  # there is none yet
        return False


def _check_writers(path: str, label: str) -> None:
    """Raise ConfigError if others could have put the programs into the file that are to be run."""
    others = foreign_writer_of(label, os.stat(path)), foreign_writer_warning(os.path.dirname(path))
    why = next(filter(None, others), "")
    if why:
        raise ConfigError(f"{label}: nothing is imported: it names a program, which would be run, but {why}")


def _take_over(args: argparse.Namespace, plan: ConfigImport) -> ConfigFile:
    file, config = load_or_create_config()
    placed = file.update(lambda raw: _place(raw, config, plan, args))
    _report_placed(placed, plan, args)
    try:
        if ProxyClient(file.load(), file.path, args.port).reload():
            note("the running proxy uses them from now on")
    except ProxyRefusedError as error:
        note(f"teamclaude: they are in {file.path}, but the running proxy did not take them over: {error}")
    return file


def _dry_run(args: argparse.Namespace, plan: ConfigImport) -> ConfigFile:
    """Do the same in memory."""
    from ....accounts.config.json_file import decode

    file = open_config()
    raw: dict[str, Any] = {}
    if os.path.exists(file.path):
        file.load()
        raw = copy.deepcopy(decode(file.content, str(file.path)))
    placed = _place(raw, parse_config(raw, str(file.path)), plan, args)
    parse_config(raw, f"{file.path} (not changed)")
    _report_placed(placed, plan, args)
    note("this was a dry run: nothing has changed")
    return file


class _Placed:
    """Where the accounts went, and the settings that the file has of its own."""

    def __init__(self) -> None:
        self.accounts: list[Placement] = []
        self.own_settings: list[str] = []


def _place(raw: dict[str, Any], config: Config, plan: ConfigImport, args: argparse.Namespace) -> _Placed:
    """Put accounts and settings into the config file's JSON (for ConfigFile.update)."""
    result = _Placed()
    for account in plan.accounts:
        known = recognized(config.accounts, account, None)
        result.accounts.append(_enroll(raw, replace(known, name=account.name), args.name))
    if args.settings:
        result.own_settings = add_settings(raw, copy.deepcopy(plan.settings))
    return result


def _enroll(raw: dict[str, Any], account: AccountConfig, wanted: Optional[str]) -> Placement:
    """Add the account, or renew the one that is there; a key or a setup token never replaces another one."""
    entries = raw.get("accounts") or []
    secret = account.api_key or (account.access_token if account.source == "token" else None)
    if secret is not None and not account.account_uuid:
        for entry in entries:
            if secret in (entry.get("apiKey"), entry.get("accessToken")):
                return Placement(entry["name"], "kept")
        name = free_name(wanted or account.name, account.org_name, {entry["name"] for entry in entries})
        account, wanted = replace(account, name=name), None
    return enroll(raw, account, wanted, "imported", False)


# --- what is said -------------------------------------------------------------------------------


def _report_placed(placed: _Placed, plan: ConfigImport, args: argparse.Namespace) -> None:
    for account, place in zip(plan.accounts, placed.accounts):
        kind = tier(account)
        note(f"{place.name}{f' ({kind})' if kind else ''} {OUTCOMES[place.outcome]}")
    if not plan.accounts:
        note("there is no account in it that can be taken over")
    if placed.own_settings:
        note(f"set here already, and left so: {', '.join(placed.own_settings)}")
    if plan.settings and not args.settings:
        note("its settings are not taken over; --settings does that")


def _report_logins(accounts: Sequence[AccountConfig], file: ConfigFile, now: float) -> None:
    for account in accounts:
        for line in _login_notes(account, file, now):
            note(f"{account.name}: {line}")


def _login_notes(account: AccountConfig, file: ConfigFile, now: float) -> Iterator[str]:
    if account.import_from:
        if not os.path.isfile(account.import_from):
            yield f"it follows {account.import_from}, which is not on this machine"
        return
    if account.type == "apikey" or not (account.access_token or account.refresh_token):
        return
    reason = unusable_reason(account, now)
    if reason:
        yield reason
    elif account.refresh_token and _was_refused(account, file):
        yield "its refresh token was refused here before: log in again with teamclaude login"
    elif not is_live(account, now):
        yield "its access token has lapsed: it is renewed at its next use, if nobody else did that before"


def _was_refused(account: AccountConfig, file: ConfigFile) -> bool:
    from ....accounts.tokens.refresh_journal import RefreshJournal, token_side_path

    side = token_side_path(file.path, account.account_uuid or account.name)
    return RefreshJournal(os.path.dirname(side), str(account.refresh_token)).refused_at is not None


def _warn_of_the_other(
    raw: dict[str, Any], source: LoginSource, accounts: Sequence[AccountConfig], is_whole: bool
) -> None:
    """Say what is to be done with the file; `is_whole`: each of its accounts is here now."""
    if isinstance(raw.get(EXPORT_KEY), dict):
        if source.path is not None and source.path.endswith(".moving") and is_whole:
            os.unlink(source.path)  # of a hand-over that is taken back
        elif not is_whole:
            note(f"not all of {source.label} is taken over: keep it")
        elif source.path is not None:
            note(f"{source.label} still has the credentials: delete it now")
    elif any(account.refresh_token for account in accounts):
        note(
            f"Stop the program that used {source.label}, for good: a refresh token works once, "
            "and two programs with the same login log each other out."
        )


def config_in(source: LoginSource) -> Optional[dict[str, Any]]:
    """Return the config that a source holds; None when it holds something else."""
    from ....accounts.importing.config_file_text import read_config_text

    try:
        return read_config_text(source)
    except ConfigError as error:
        raise TeamClaudeError(str(error)) from None
