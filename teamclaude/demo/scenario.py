"""The scenario of a demo: its accounts and outside usage, its sessions and their issues. PURE.

It has every kind of event within one run.  Accounts begin in the middle of their windows.  The first one is
also used from elsewhere (another machine, the web), so it meets its 5h limit at a third of the run; the
window resets at two thirds.  The last of three or more has little left of its week.  Windows are sized for
a little more than the sessions use in five hours, so that a long run continues.

The first sessions form orchestration trees of three levels with sub-agents below; every later one is an
ordinary user's: no registry, no pin, only a transcript.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Optional

from ..fakeapi.fake_account import FIVE_HOURS, WEEK, FakeAccount
from ..values import dataclass

__all__ = [
    "AGENT_WORK",
    "Role",
    "StatusChange",
    "UsageEvent",
    "assign_roles",
    "make_accounts",
    "reset_at",
    "status_changes",
    "usage_events",
]

_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
# Measured: a session of the plan writes about 6 M tokens in five hours.
_TOKENS_PER_SESSION = 8_000_000
_WEEKLY_PER_FIVE_HOURS = 30  # size of a week's window in 5h windows
_LIMIT_AT, _RESET_AT = 0.33, 0.62
_LATEST_RESET_SEC = 17_000.0


@dataclass(frozen=True)
class UsageEvent:
    """A window that is filled to `utilization` from outside, `at` seconds after the start."""

    at: float
    account: str
    axis: str
    utilization: float
    message: str


def _names(count: int) -> list[str]:
    return [_NAMES[i] if i < len(_NAMES) else f"account-{i + 1}" for i in range(count)]


def make_accounts(accounts: int, sessions: int, start: float, length: float) -> list[FakeAccount]:
    """Return the accounts at `start` (epoch seconds) of a run of `length` seconds on the demo's clock."""
    five_hours = round(_TOKENS_PER_SESSION * max(1, sessions) / accounts)
    out = []
    for number, name in enumerate(_names(accounts)):
        account = FakeAccount(
            name,
            f"sk-ant-oat01-FAKE-{name}",
            five_hour_tokens=five_hours,
            weekly_tokens=_WEEKLY_PER_FIVE_HOURS * five_hours,
        )
        # All a little behind the weekly line, and days away from the reset.
        days_left = 3.5 + 0.4 * (number % 8)
        line = 1 - days_left * 86_400 / WEEK
        account.fill("7d", max(0.0, line - 0.02 * (number % 3)), start, reset_in=days_left * 86_400)
        if number == 0:
            account.fill("5h", 0.68, start, reset_in=reset_at(length))
        else:
            left = FIVE_HOURS - 3000.0 * (1 + number % 4)
            account.fill("5h", 0.08 + 0.13 * (number % 3), start, reset_in=left)
        out.append(account)
    return out


def usage_events(length: float, accounts: int) -> list[UsageEvent]:
    """Return the usage from outside, in order of time."""
    message = "was used elsewhere too (another machine), and that filled its 5h window"
    at = reset_at(length) * _LIMIT_AT / _RESET_AT
    full = UsageEvent(at, _names(1)[0], "5h", 1.02, message)
    if accounts < 3:
        return [full]
    near = UsageEvent(0.2 * at, _names(accounts)[-1], "7d", 0.93, "has little left of its week")
    return [near, full]


def reset_at(length: float) -> float:
    """Return when the first account's 5h window resets, in seconds after the start."""
    return min(_RESET_AT * length, _LATEST_RESET_SEC)


# --- sessions ------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """The part of one session; `leader` is the number of the session it works for."""

    title: str
    prompt: str
    project: str
    branch: str
    emoji: str = ""
    issue: str = ""
    status: str = ""
    leader: Optional[int] = None

    @property
    def issue_id(self) -> str:
        """The tracker's id of the issue."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.issue)) if self.issue else ""


_BUSY = "In Progress"
_TEAM = (
    Role("Checkout v2", "plan the move", "shop", "checkout-v2", "🐙", "ENG-210", _BUSY),
    Role(
        "Cart service", "split the cart from the session store", "shop", "eng-214", "🦊", "ENG-214", _BUSY, 0
    ),
    Role("Rounding of totals", "port the rounding tests", "shop", "eng-221", "🐝", "ENG-221", _BUSY, 1),
    Role("Currency table", "load the rates once a day", "shop", "eng-222", "🐳", "ENG-222", _BUSY, 1),
    Role("Payment sandbox", "replay last night's webhooks", "shop", "eng-215", "🦉", "ENG-215", _BUSY, 0),
    Role("CI on new runners", "move the slow jobs first", "infra", "ops-31", "🐢", "OPS-31", _BUSY),
    Role("Image cache", "why is every layer rebuilt", "infra", "ops-33", "🦀", "OPS-33", _BUSY, 5),
    Role("Warm layers", "prebuild the base image", "infra", "ops-36", "🦎", "OPS-36", "Todo", 6),
    Role("Fix the login redirect loop", "it loops when the cookie is gone", "website", "fix/login"),
    Role("Dark mode", "the toggle flickers on reload", "website", "eng-240", "🦔", "ENG-240", "Queued"),
)
_USERS = (
    Role("Explain the flaky test in CI", "it only fails on Mondays", "api", "main"),
    Role("Speed up the search page", "profile the query first", "website", "search-cache"),
    Role("Write the release notes", "group them by what users notice", "docs", "release-4.2"),
    Role("Upgrade the ORM", "start with the models that have tests", "api", "orm-3"),
)
AGENT_WORK = (
    ("Explore", "find all callers of roundMoney"),
    ("Explore", "how are exchange rates cached"),
    ("general-purpose", "write tests for the edge cases"),
    ("code-reviewer", "review the diff of this branch"),
    ("Explore", "where is the cookie set"),
    ("Plan", "steps to remove the old path"),
)


def assign_roles(count: int) -> Sequence[Role]:
    """Return the roles of `count` sessions, in order."""
    roles = list(_TEAM[:count])
    while len(roles) < count:
        roles.append(_USERS[(len(roles) - len(_TEAM)) % len(_USERS)])
    return roles


@dataclass(frozen=True)
class StatusChange:
    """A new status of the issue of session number `session`, `at` seconds after the start."""

    at: float
    session: int
    status: str


def status_changes(length: float, count: int) -> list[StatusChange]:
    """Return the status changes in a run of `length` seconds, in order of time."""
    changes = (
        StatusChange(0.12 * length, 4, "Blocked"),
        StatusChange(0.25 * length, 3, "In Review"),
        StatusChange(0.45 * length, 7, "In Progress"),
        StatusChange(0.70 * length, 4, "In Progress"),
        StatusChange(0.80 * length, 3, "Done"),
    )
    return [change for change in changes if change.session < count]
