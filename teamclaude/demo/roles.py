"""Who the fake sessions are: a team with its issues, and people who just use Claude Code. PURE.

The first ones form orchestration trees of three levels; sub-agents come below them.  Every session after
those is an ordinary user's: no registry, no pin, only a transcript.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

__all__ = ["AGENT_WORK", "Role", "StatusChange", "assign_roles", "status_changes"]


@dataclass(frozen=True)
class Role:
    """`leader` is the place of the session it works for; without an issue it is nobody's."""

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
        """The tracker's id of its issue."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.issue)) if self.issue else ""


_BUSY = "In Progress"
# title, prompt, project, branch, emoji, issue, status, leader
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
    """The roles of `count` sessions, in their order."""
    roles = list(_TEAM[:count])
    while len(roles) < count:
        roles.append(_USERS[(len(roles) - len(_TEAM)) % len(_USERS)])
    return roles


@dataclass(frozen=True)
class StatusChange:
    """At `at` seconds after the start the issue of session number `session` gets another status."""

    at: float
    session: int
    status: str


def status_changes(length: float, count: int) -> list[StatusChange]:
    """What becomes of the issues in a run of `length` seconds, in order of time."""
    story = (
        StatusChange(0.12 * length, 4, "Blocked"),
        StatusChange(0.25 * length, 3, "In Review"),
        StatusChange(0.45 * length, 7, "In Progress"),
        StatusChange(0.70 * length, 4, "In Progress"),
        StatusChange(0.80 * length, 3, "Done"),
    )
    return [news for news in story if news.session < count]
