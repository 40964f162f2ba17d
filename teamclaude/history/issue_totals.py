"""What each issue has used within the last days, in memory: every snapshot has it.

One entry for each conversation, issue and day; an entry is forgotten when nothing was added to it for the
retention.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Optional

from ..routing.quota.usage import NO_USAGE, Usage
from ..routing.view import usage_view
from ..snapshot import IssueView
from ..values import NamedTuple
from .columns import SUMS, totals_of
from .rows import PROXY, SERVED, RequestFacts, UsageTotals
from .steps import DAY

if TYPE_CHECKING:
    import sqlite3

__all__ = ["IssueKey", "IssueTotals", "stored_totals"]


class IssueKey(NamedTuple):
    """One conversation that worked on an issue, on one day (UTC, days since the epoch)."""

    issue: str
    conversation: str
    day: int


class _Sum:
    """A sum that grows in place."""

    __slots__ = ("cost", "cost_estimated", "last_seen", "served", "unpriced", "usage")

    def __init__(self) -> None:
        self.served = self.unpriced = 0
        self.usage = NO_USAGE
        self.cost = self.last_seen = 0.0
        self.cost_estimated = False

    def add(
        self, served: int, usage: Usage, cost: float, cost_estimated: bool, unpriced: int, last_seen: float
    ) -> None:
        self.served += served
        self.usage = self.usage.plus(usage)
        self.cost += cost
        self.cost_estimated |= cost_estimated
        self.unpriced += unpriced
        if last_seen > self.last_seen:
            self.last_seen = last_seen


class IssueTotals:
    """The sums by issue.  Any thread may call any method."""

    def __init__(self, retention_sec: float) -> None:
        self._retention_sec = retention_sec
        self._sums: dict[IssueKey, _Sum] = {}
        self._day = -1  # of the last addition
        self._view: Optional[tuple[IssueView, ...]] = ()
        self._lock = threading.Lock()  # guards all of these

    def add_all(self, all_facts: Iterable[RequestFacts]) -> None:
        """Count requests."""
        with self._lock:
            for facts in all_facts:
                usage, cost = facts.usage, facts.cost
                self._sum(facts.issue, facts.conversation, facts.at).add(
                    facts.outcome == SERVED and facts.attempts > 0,
                    usage,
                    cost or 0.0,
                    facts.cost_estimated,
                    usage.total if cost is None else 0,
                    facts.at,
                )

    def add_totals(self, issue: str, conversation: str, totals: UsageTotals) -> None:
        """Count what a conversation used on one day."""
        at = totals.last_at or 0.0
        with self._lock:
            self._sum(issue, conversation, at).add(
                totals.served,
                totals.usage,
                totals.cost,
                totals.cost_estimated,
                totals.unpriced_tokens,
                at,
            )

    def _sum(self, issue: str, conversation: str, at: float) -> _Sum:
        """Return the sum to add to; the caller has the lock."""
        key = IssueKey(issue, conversation, int(at // DAY))
        self._view = None
        if key.day > self._day:
            self._day = key.day
            self._drop_before(at - self._retention_sec)
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum()
        return found

    def load(self, rows: Iterable[tuple[str, str, UsageTotals]]) -> None:
        """Add what was used before the start: issue, conversation and totals of each day."""
        for issue, conversation, totals in rows:
            self.add_totals(issue, conversation, totals)

    def configure(self, retention_sec: float) -> None:
        """Change the retention."""
        with self._lock:
            self._retention_sec = retention_sec

    def view(self) -> tuple[IssueView, ...]:
        """Return the sum of each issue, the one that was added to first in front."""
        with self._lock:
            if self._view is None:
                self._view = self._sum_up()
            return self._view

    def _sum_up(self) -> tuple[IssueView, ...]:
        sums: dict[str, _Sum] = {}
        conversations: dict[str, set[str]] = {}
        for key, of in self._sums.items():
            if key.issue not in sums:
                sums[key.issue] = _Sum()
            sums[key.issue].add(of.served, of.usage, of.cost, of.cost_estimated, of.unpriced, of.last_seen)
            conversations.setdefault(key.issue, set()).add(key.conversation)
        return tuple(
            IssueView(
                issue=issue or None,
                sessions=len(conversations[issue]),
                requests=found.served,
                usage=usage_view(found.usage, found.cost, found.unpriced, found.cost_estimated),
                last_seen=found.last_seen,
            )
            for issue, found in sums.items()
        )

    def _drop_before(self, before: float) -> None:
        self._sums = {key: found for key, found in self._sums.items() if found.last_seen >= before}


def stored_totals(database: sqlite3.Connection, since: float) -> Iterator[tuple[str, str, UsageTotals]]:
    """Yield issue, conversation and totals by day of what the proxy served since then.

    Raise sqlite3.Error.
    """
    names = ("issue", "session", "agent")
    texts = ", ".join(f"(SELECT text FROM names WHERE id = s.{name})" for name in names)
    sql = (
        f"SELECT {texts}, {SUMS} FROM usage u JOIN series s ON s.id = u.series "
        "WHERE u.begin >= ? AND u.last_at >= ? AND s.source = (SELECT id FROM names WHERE text = ?) "
        f"GROUP BY s.issue, s.session, s.agent, u.last_at / {DAY}"
    )
    for issue, session, agent, *values in database.execute(sql, (since - 2 * DAY, since, PROXY)):
        yield issue, f"{session}/{agent}" if agent else session, totals_of(values)
