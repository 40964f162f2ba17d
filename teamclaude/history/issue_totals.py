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


class _Sum(NamedTuple):
    served: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    cost_estimated: bool = False
    unpriced: int = 0
    last_seen: float = 0.0

    def plus(self, other: _Sum) -> _Sum:
        return _Sum(
            self.served + other.served,
            self.usage.plus(other.usage),
            self.cost + other.cost,
            self.cost_estimated or other.cost_estimated,
            self.unpriced + other.unpriced,
            max(self.last_seen, other.last_seen),
        )


class IssueTotals:
    """The sums by issue.  Any thread may call any method."""

    def __init__(self, retention_sec: float) -> None:
        self._retention_sec = retention_sec
        self._sums: dict[IssueKey, _Sum] = {}
        self._day = -1  # of the last addition
        self._view: Optional[tuple[IssueView, ...]] = ()
        self._lock = threading.Lock()  # guards all of these

    def add(self, facts: RequestFacts) -> None:
        """Count a request."""
        self._add(
            IssueKey(facts.issue, facts.conversation, int(facts.at // DAY)),
            _Sum(
                int(facts.is_request and facts.outcome == SERVED),
                facts.usage,
                facts.cost or 0.0,
                facts.cost_estimated,
                facts.usage.total if facts.cost is None else 0,
                facts.at,
            ),
        )

    def add_totals(self, issue: str, conversation: str, totals: UsageTotals) -> None:
        """Count what a conversation used on one day."""
        at = totals.last_at or 0.0
        self._add(
            IssueKey(issue, conversation, int(at // DAY)),
            _Sum(
                totals.served,
                totals.usage,
                totals.cost,
                totals.cost_estimated,
                totals.unpriced_tokens,
                at,
            ),
        )

    def _add(self, key: IssueKey, found: _Sum) -> None:
        with self._lock:
            known = self._sums.get(key)
            self._sums[key] = found if known is None else known.plus(found)
            self._view = None
            if key.day > self._day:
                self._day = key.day
                self._drop_before(found.last_seen - self._retention_sec)

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
        for key, found in self._sums.items():
            sums[key.issue] = sums[key.issue].plus(found) if key.issue in sums else found
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
