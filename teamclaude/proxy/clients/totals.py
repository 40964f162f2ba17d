"""What one client key has used, as it is counted and saved."""

from __future__ import annotations

from typing import Any, Optional

from ...routing.quota.lenient_json import LenientObject, as_amount, as_count, as_counts, as_flag, as_usage
from ...routing.quota.usage import NO_USAGE, Usage
from ...values import dataclass, field

__all__ = ["ClientTotals"]


@dataclass(eq=False, repr=False)
class ClientTotals:
    """The sums since `since`, and what runs.  Not locked: its owner is (usage.py)."""

    since: float  # epoch seconds
    last_at: float = 0.0
    inflight: int = 0
    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0  # dollars
    unpriced_tokens: int = 0
    cost_estimated: bool = False
    day: float = 0.0  # begin of the day that `tokens_today` is of
    tokens_today: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by limit
    refused_at: dict[str, float] = field(default_factory=dict)  # the last time, by limit

    def add(
        self,
        usage: Usage,
        cost: Optional[float],
        estimated: bool,
        today: float,
        now: float,
        unseen: int = 0,
    ) -> None:
        """Count a request that has ended; `today` is the begin of this day.

        `unseen` tokens, an estimate, count for limits alone.
        """
        self.inflight -= 1
        self.requests += 1
        self.last_at = now
        self.usage = self.usage.plus(usage)
        if self.day != today:
            self.day, self.tokens_today = today, 0
        self.tokens_today += usage.burn + unseen
        if cost is None:
            self.unpriced_tokens += usage.total
        else:
            self.cost += cost
            self.cost_estimated |= estimated

    def add_late(self, base: ClientTotals, late: ClientTotals, today: float) -> None:
        """Add what `late` counted since `base`, of a server that has ended after this one began."""
        self.since = min(self.since, late.since)
        self.last_at = max(self.last_at, late.last_at)
        self.requests += max(0, late.requests - base.requests)
        more = (max(0, now - was) for was, now in zip(base.usage, late.usage))
        self.usage = self.usage.plus(Usage(*more))
        self.cost += max(0.0, late.cost - base.cost)
        self.unpriced_tokens += max(0, late.unpriced_tokens - base.unpriced_tokens)
        self.cost_estimated |= late.cost_estimated
        if late.day == today:
            self.tokens_today = self.tokens_today if self.day == today else 0
            self.tokens_today += max(0, late.tokens_today - (base.tokens_today if base.day == today else 0))
            self.day = today
        for limit, number in late.refused.items():
            self.refused[limit] = self.refused.get(limit, 0) + max(0, number - base.refused.get(limit, 0))

    def to_json(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        return {
            "since": self.since,
            "lastAt": self.last_at,
            "requests": self.requests,
            "usage": list(self.usage),
            "cost": self.cost,
            "unpricedTokens": self.unpriced_tokens,
            "costEstimated": self.cost_estimated,
            "day": self.day,
            "tokensToday": self.tokens_today,
            "refused": dict(self.refused),
        }

    @classmethod
    def restored(cls, row: LenientObject, now: float) -> ClientTotals:
        """Return what was saved; a value that can't be read begins anew."""
        return cls(
            since=row.get("since", row.as_time, now),
            last_at=row.get("lastAt", row.as_time, now),
            requests=row.get("requests", as_count, 0),
            usage=row.get("usage", as_usage, NO_USAGE),
            cost=row.get("cost", as_amount, 0.0),
            unpriced_tokens=row.get("unpricedTokens", as_count, 0),
            cost_estimated=row.get("costEstimated", as_flag, False),
            day=row.get("day", row.as_time, 0.0),
            tokens_today=row.get("tokensToday", as_count, 0),
            refused=row.get("refused", as_counts, {}),
        )
