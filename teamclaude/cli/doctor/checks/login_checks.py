"""Findings about the logins of the accounts.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...terminal import plural
from ..finding import RESTART, Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.login_facts import LoginFacts

__all__ = ["check_logins"]

LOST = Kind("logins.lost", Level.ERROR, "The account serves nothing until somebody logs in again.")
ENDS = Kind("logins.ends-soon", Level.WARNING, "Renewals end then: the account serves nothing afterwards.")
FOLLOW = Kind("logins.followed-file", Level.ERROR, "The account's token is in that file alone.")
COMMAND = Kind("logins.command", Level.ERROR, "The account has no credential but what that program prints.")
SHARED = Kind("logins.shared", Level.WARNING, "Whoever renews it second is logged out.")
REFUSED = Kind("logins.refused", Level.ERROR, "A refresh token that was refused is never sent again.")
UNANSWERED = Kind(
    "logins.renewal-lost", Level.WARNING, "Its single-use token may be spent; one more try decides."
)
UNSAVED = Kind(
    "logins.renewal-unsaved", Level.NOTE, "A server that runs or starts takes the new tokens over."
)


def check_logins(logins: Sequence[LoginFacts]) -> Group:
    """Return what is wrong with the logins that are in use."""
    used = [login for login in logins if not login.is_disabled]
    found = [finding for login in used for finding in _of(login)]
    good = sum(not (login.is_lost or login.follow_problem or login.command_problem) for login in used)
    disabled = len(logins) - len(used)
    parts = [f"{good} of {plural(len(used), 'login')} good"] if used else []
    parts += [f"{disabled} disabled"] if disabled else []
    return Group("logins", ", ".join(parts), found)


def _of(login: LoginFacts) -> Iterator[Finding]:
    name = login.name
    if login.journal == "refused":
        yield REFUSED.found(f"{name}: its refresh token was refused", login.remedy)
    elif login.is_lost:
        reason = f" ({login.reason})" if login.reason else ""
        yield LOST.found(f"{name}: {login.state}{reason}", login.remedy)
    elif login.ends_soon:
        yield ENDS.found(f"{name}: the login ends in {login.left}", login.remedy)
    if login.follow_problem:
        yield FOLLOW.found(f"{name}: {login.follow_problem}", "claude auth login, or: teamclaude login")
    if login.command_problem:
        yield COMMAND.found(
            f"{name}: {login.command_problem}", "mend credentialCommand (teamclaude help accounts)"
        )
    if login.journal == "unanswered":
        yield UNANSWERED.found(
            f"{name}: a renewal was begun and its answer was lost",
            f"{RESTART} (or server) tries once more",
        )
    elif login.journal == "unsaved":
        yield UNSAVED.found(f"{name}: a renewal was not stored", f"{RESTART} (or server)")
    if login.is_shared:
        yield SHARED.found(
            f"{name}: Claude Code on this machine has the same login",
            "teamclaude login makes one of its own; or: teamclaude import --follow",
        )
