"""The logins of the accounts: their states, and what renewals have left.  No secret leaves this file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ....accounts.config.config import AccountConfig, Config
from ....accounts.config.config_file import ConfigFile
from ....accounts.importing.claude_files import credentials_file
from ....accounts.importing.claude_login import LoginSource, parse_login
from ....accounts.tokens.refreshers import refresher_for
from ....errors import TeamClaudeError
from ....values import NamedTuple
from ...account_rows import RELOGIN, account_row
from ...claude_code.settings_files import bytes_of
from ..subject import Subject
from .configured_program import why_unusable

if TYPE_CHECKING:
    from ....snapshot import Snapshot

__all__ = ["LoginFacts", "login_facts"]


class LoginFacts(NamedTuple):
    """One account; a disabled one is not examined further.

    `left`: how long the login lasts, as text; `remedy`: what its owner can do; `journal`: what became of its
    last renewal: `refused`, `unanswered`, `unsaved` or empty.
    """

    name: str
    is_disabled: bool = False
    state: str = ""
    reason: str = ""
    is_lost: bool = False
    ends_soon: bool = False
    left: str = ""
    remedy: str = ""
    journal: str = ""
    is_shared: bool = False  # Claude Code's file has the same refresh token
    followed: str = ""  # the file that is followed
    follow_problem: str = ""
    command_problem: str = ""  # of credentialCommand


def login_facts(subject: Subject, config: Config, status: Optional[Snapshot]) -> tuple[LoginFacts, ...]:
    """Return the accounts of the config, with the running server's knowledge of them if there is one."""
    live = {account.name: account for account in status.accounts} if status else {}
    theirs = _refresh_token(credentials_file(subject.env))
    file = ConfigFile(subject.path, warn=lambda line: None)
    found = []
    for account in config.accounts:
        row = account_row(account, live.get(account.name), subject.now)
        refresher = refresher_for(file, account, config)
        journal = refresher.journal(account.refresh_token) if account.refresh_token else None
        outcome = ""
        if journal is not None and journal.refused_at is not None:
            outcome = "refused"
        elif journal is not None and journal.started_at is not None:
            outcome = "unsaved" if journal.answer else "unanswered"
        lost = row["token"] == RELOGIN or row["status"] == "auth_failed" or row["token"] == "expired"
        found.append(
            LoginFacts(
                account.name,
                account.disabled,
                row["token"],
                row["tokenReason"] or (row["statusReason"] if lost else "") or "",
                lost,
                row["endsSoon"],
                row["login"] or "",
                _remedy(account, refresher.remedy),
                outcome,
                bool(theirs) and theirs == account.refresh_token and not account.import_from,
                account.import_from or "",
                _follow_problem(account),
                why_unusable(account.credential_command) if account.credential_command else "",
            )
        )
    return tuple(found)


def _remedy(account: AccountConfig, of_login: str) -> str:
    """Return what to do about a lost login; an API key is renewed by nobody."""
    is_key = account.type == "apikey" and not account.credential_command
    return "teamclaude login --api" if is_key else of_login


def _refresh_token(path: str) -> Optional[str]:
    try:
        return parse_login(LoginSource(bytes_of(Path(path)), path, path)).refresh_token
    except (OSError, ValueError, TeamClaudeError):
        return None


def _follow_problem(account: AccountConfig) -> str:
    if not account.import_from:
        return ""
    path = os.path.expanduser(account.import_from)
    try:
        parse_login(LoginSource(bytes_of(Path(path)), path, path))
    except FileNotFoundError:
        return f"{path} does not exist"
    except (OSError, ValueError) as error:
        return f"{path} can't be read ({getattr(error, 'strerror', None) or error})"
    except TeamClaudeError as error:
        return str(error)
    return ""
