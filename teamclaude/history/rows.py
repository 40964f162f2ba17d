"""What is remembered, as values: one request, sums of many, a quota reading, an event.

Times are epoch seconds, durations seconds, costs dollars at list prices.  An empty text is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Optional

from ..routing.quota.usage import NO_USAGE, Usage, sum_of
from ..values import NamedTuple, dataclass, field
from .histogram import Histogram

__all__ = [
    "DIMENSIONS",
    "NO_TOTALS",
    "PROXY",
    "SERVED",
    "STEPS",
    "TRANSCRIPTS",
    "Event",
    "QuotaReading",
    "RequestFacts",
    "RunningTotals",
    "Series",
    "UsageRow",
    "UsageTotals",
]

# By what usage can be told apart.  `session` is the first part of `conversation`.
DIMENSIONS = ("source", "account", "model", "conversation", "session", "project", "client", "issue")
STEPS = ("hour", "day", "week", "month")  # of local time
PROXY, TRANSCRIPTS = "proxy", "transcripts"  # the values of `source`
SERVED = "served"
MAX_NAME_CHARS = 200


class RequestFacts(NamedTuple):
    """A finished request, as far as it is remembered."""

    at: float  # when it ended
    account: str = ""  # name; empty: none was asked
    model: str = ""
    conversation: str = ""  # `session` or `session/agent`
    project: str = ""  # name of its working directory
    client: str = ""  # name of the client key
    issue: str = ""
    outcome: str = SERVED  # see proxy.records.exchange.Outcome
    attempts: int = 1  # 0: tokens of an attempt whose request was counted for another account
    waited_sec: float = 0.0  # for an account, or to try again
    ttfb_sec: Optional[float] = None
    duration_sec: Optional[float] = None
    usage: Usage = NO_USAGE
    cost: Optional[float] = None  # None: the price is unknown
    cost_estimated: bool = False
    source: str = PROXY

    @property
    def series(self) -> Series:
        """What tells it apart from others, cut to what is kept."""
        return _series_of(
            self.source, self.account, self.model, self.conversation, self.project, self.client, self.issue
        )


class Series(NamedTuple):
    """What rows of the table `usage` share; `conversation` is `session` or `session/agent`."""

    source: str = PROXY
    account: str = ""
    model: str = ""
    session: str = ""
    agent: str = ""
    project: str = ""
    client: str = ""
    issue: str = ""


@lru_cache(maxsize=256)  # a conversation's requests follow each other: 12 calls less for each
def _series_of(
    source: str, account: str, model: str, conversation: str, project: str, client: str, issue: str
) -> Series:
    session, _, agent = conversation.partition("/")
    parts = (source, account, model, session, agent, project, client, issue)
    return Series(*[part[:MAX_NAME_CHARS] for part in parts])


@dataclass(frozen=True)
class UsageTotals:
    """The sum of requests."""

    requests: int = 0  # that ended, in whatever way
    usage: Usage = NO_USAGE
    cost: float = 0.0  # of the tokens with a known price
    cost_estimated: bool = False  # a part of the cost is by the price of another version of the model
    unpriced_tokens: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)  # requests by outcome, without those served
    failovers: int = 0  # attempts beyond the first
    waits: int = 0  # requests that waited
    waited_sec: float = 0.0
    ttfb: Histogram = field(default_factory=Histogram)
    duration: Histogram = field(default_factory=Histogram)
    first_at: Optional[float] = None
    last_at: Optional[float] = None

    @property
    def served(self) -> int:
        """Requests without an error."""
        return self.requests - sum(self.errors.values())

    @classmethod
    def of(cls, facts: RequestFacts) -> UsageTotals:
        """Return the totals of one request."""
        running = RunningTotals()
        running.add_all((facts,))
        return running.totals()

    def plus(self, other: UsageTotals) -> UsageTotals:
        """Return the sum of both."""
        errors = dict(self.errors)
        for outcome, count in other.errors.items():
            errors[outcome] = errors.get(outcome, 0) + count
        firsts = [at for at in (self.first_at, other.first_at) if at is not None]
        lasts = [at for at in (self.last_at, other.last_at) if at is not None]
        return UsageTotals(
            requests=self.requests + other.requests,
            usage=self.usage.plus(other.usage),
            cost=self.cost + other.cost,
            cost_estimated=self.cost_estimated or other.cost_estimated,
            unpriced_tokens=self.unpriced_tokens + other.unpriced_tokens,
            errors=errors,
            failovers=self.failovers + other.failovers,
            waits=self.waits + other.waits,
            waited_sec=self.waited_sec + other.waited_sec,
            ttfb=self.ttfb.plus(other.ttfb),
            duration=self.duration.plus(other.duration),
            first_at=min(firsts) if firsts else None,
            last_at=max(lasts) if lasts else None,
        )


NO_TOTALS = UsageTotals()


class RunningTotals:
    """Totals that grow in place, by several requests at once: a value made anew for each takes 45 us."""

    def __init__(self) -> None:
        self._requests = self._unpriced = self._failovers = self._waits = 0
        self._usage = NO_USAGE
        self._cost = self._waited = 0.0
        self._cost_estimated = False
        self._errors: dict[str, int] = {}
        self._ttfb, self._duration = Histogram(), Histogram()
        self._first_at: Optional[float] = None
        self._last_at: Optional[float] = None

    def add_all(self, all_facts: Sequence[RequestFacts]) -> None:
        """Count requests."""
        ttfbs, durations = [], []
        for facts in all_facts:
            # Unpacked: 16 attributes take three times as long.
            at, _, _, _, _, _, _, outcome, attempts, waited, ttfb, duration, usage, cost, estimated, _ = facts
            if attempts:
                if ttfb is not None:
                    ttfbs.append(ttfb)
                if duration is not None:
                    durations.append(duration)
                self._failovers += attempts - 1
                self._requests += 1
            elif outcome != SERVED:
                self._requests += 1
            if outcome != SERVED:
                self._errors[outcome] = self._errors.get(outcome, 0) + 1
            if waited > 0:
                self._waits += 1
                self._waited += waited
            if cost is None:
                self._unpriced += usage.total
            else:
                self._cost += cost
            self._cost_estimated |= estimated
            if self._first_at is None or at < self._first_at:
                self._first_at = at
            if self._last_at is None or at > self._last_at:
                self._last_at = at
        self._usage = sum_of([self._usage, *[facts.usage for facts in all_facts]])
        self._ttfb.add_all(ttfbs)
        self._duration.add_all(durations)

    def totals(self) -> UsageTotals:
        """Return the totals so far; they share what grows, so it is the last call."""
        return UsageTotals(
            self._requests,
            self._usage,
            self._cost,
            self._cost_estimated,
            self._unpriced,
            self._errors,
            self._failovers,
            self._waits,
            self._waited,
            self._ttfb,
            self._duration,
            self._first_at,
            self._last_at,
        )


class UsageRow(NamedTuple):
    """The usage of one group of requests, in one step of time."""

    key: tuple[str, ...]  # the values of the dimensions that were asked for, in that order
    begin: Optional[float]  # of the step; None: the whole time that was asked for
    totals: UsageTotals


class QuotaReading(NamedTuple):
    """What the API said of one window."""

    at: float
    account: str
    axis: str  # `5h`, `7d`, a model's (`7d_opus`), `requests`, ...
    used: float  # share, above 1 where the API counts beyond the limit
    resets_at: Optional[float] = None


class Event(NamedTuple):
    """What happened to an account, a held request or the server."""

    at: float
    kind: str  # `bench`, `limit`, `reset`, `held`, `login lost`, `login renewed`, `started`, `stopped`
    account: str = ""  # name; empty: of no account
    text: str = ""  # one line for people
