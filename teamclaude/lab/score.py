"""What came of a run: counted while it goes on, and summed up at its end.

A request waits from the moment its client first wants it until it is sent to the account that serves it.
What its client spends between a refusal and the next try belongs to it, nights included; a request that was
not served by the end of the run has waited until then.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Optional

from ..routing.state.decision import NEVER, Lease
from ..values import dataclass
from .api_model import ApiAccount, ApiResponse
from .clients import ActiveSession
from .upper_bound import Demand, Overshoot

__all__ = ["LONG_SEC", "Score", "ScoreCounter", "WaitingTimes"]

NOTICED_SEC, LONG_SEC = 10.0, 600.0  # a wait that a person notices, and one that ends their work


@dataclass(frozen=True)
class Score:
    """One run; shares are fractions of 1, times hours or as said, tokens weighted but cached ones."""

    completed: float  # counted work against the bound
    wanted: float  # counted work against what the team wanted
    stall_hours: float
    avoidable_hours: float  # of them, while an account was open
    visible_429s: int
    cold_tokens: float  # written anew after a change of account, against all that was charged
    switches: float  # per session
    stranded: float  # of a week's quota, unused at its reset
    fairness: float  # Jain's index over the users' completed shares
    requests: int
    waiting_p50: float  # s from when a request was first wanted until it was sent
    waiting_p95: float
    waiting_p99: float
    waiting_longest: float
    waited_10s: float  # share of the requests that waited longer than that
    waited_10min: float
    kept_cache_tokens: int  # read from a prompt cache
    lost_cache_tokens: int  # written anew: wanted in time, but elsewhere or too late
    retried_429s: int  # that a client took for a reason to wait and to try again
    worst_user: float  # the smallest share of what a person wanted
    # Of the scenario, not of the policy: `waited_10min` if the length of every conversation is known.
    known_lengths_10min: float = 0.0
    others_got: Optional[float] = None  # share of what others wanted of the accounts; None: there are none

    def as_json(self) -> dict[str, Optional[float]]:
        """Return the fields, rounded to 6 decimals."""
        return {name: None if value is None else round(value, 6) for name, value in self.__dict__.items()}


class WaitingTimes:
    """How long requests waited, exactly (s)."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self._sorted = sorted(seconds)

    def quantile(self, share: float) -> float:
        """Return the time that `share` (0-1) of the requests did not exceed; 0 without any."""
        return self._sorted[max(0, math.ceil(share * len(self._sorted)) - 1)] if self._sorted else 0.0

    def share_over(self, seconds: float) -> float:
        """Return the share of the requests that waited longer than `seconds`."""
        count = len(self._sorted)
        return (count - bisect_right(self._sorted, seconds)) / count if count else 0.0


class ScoreCounter:
    """Count a run; counting stops at `end`."""

    def __init__(self, demand: Demand, api_accounts: dict[str, ApiAccount], life: float, end: float) -> None:
        self.demand = demand
        self.api_accounts = api_accounts
        self.life = life
        self.end = end
        self.counted = 0.0
        self.charged = 0.0
        self.overshoot: list[Overshoot] = []  # counted work that the API served beyond its windows
        self.cold = 0.0
        self.stall = 0.0
        self.avoidable = 0.0
        self.visible = 0
        self.retried = 0
        self.kept = self.lost = 0
        self.waits: list[float] = []
        self.switches = 0
        self.requests = 0
        self.sessions: set[str] = set()
        self.by_user: dict[int, float] = {}
        self._closures: list[tuple[float, float]] = []  # no account open: from, until

    # --- while it goes on -----------------------------------------------------------------------

    def record_served(
        self, session: ActiveSession, lease: Lease, response: ApiResponse, now: float, waited: float
    ) -> None:
        """Count a served request; in the proxy it waited `waited` seconds."""
        least = self.demand.costs.get((session.conversation, session.index), 0.0)
        work = min(least, response.charge)
        for axis, share in response.beyond:
            self.overshoot.append(Overshoot(now, lease.account, axis, work * share))
        self.counted += work
        self.by_user[session.user.number] = self.by_user.get(session.user.number, 0.0) + work
        self.charged += response.charge
        self.requests += 1
        self.sessions.add(session.conversation)
        if session.account is not None and session.account != lease.account:
            self.switches += 1
            if now - session.last_end < self.life:
                self.cold += max(0.0, response.charge - least)
        self.waits.append(now - session.wanted_at)
        self.kept += response.cached
        if session.wanted_at < session.last_end + self.life:
            self.lost += session.request.cached_prefix - response.cached
        session.account = lease.account
        self._count_wait(now, waited)
        self._note_closure(now)

    def record_refused(self, now: float, waited: float, again: bool) -> None:
        """Count a 429; with `again` the client tries again by itself and its person sees nothing of it."""
        self.visible += not again
        self.retried += again
        self._count_wait(now, waited)

    def _count_wait(self, now: float, waited: float) -> None:
        if waited <= 0.0:
            return
        begin = now - waited
        closed = 0.0
        for first, last in reversed(self._closures):
            if last <= begin:
                break
            closed += max(0.0, min(last, now) - max(first, begin))
        self.stall += waited
        self.avoidable += waited - closed

    def _note_closure(self, now: float) -> None:
        """Remember when no account is open; they stay closed until the first one's window ends."""
        if self._closures and now < self._closures[-1][1]:
            return
        opens = NEVER
        for api_account in self.api_accounts.values():
            opens = min(opens, api_account.closed_until(now))
            if opens <= now:
                return
        self._closures.append((now, opens))

    # --- at the end -----------------------------------------------------------------------------

    def score(
        self,
        bound: float,
        allowances: dict[str, float],
        users: Sequence[int],
        unserved: Iterable[ActiveSession] = (),
        scoped_allowances: Optional[dict[str, float]] = None,
    ) -> Score:
        """Sum up.

        `bound` is the upper bound; `allowances` is what each account may have used of its last week by the
        end, `scoped_allowances` the same of its window for some models; `unserved` are the sessions with a
        request that still waits.
        """
        waiting = WaitingTimes([*self.waits, *(self.end - session.wanted_at for session in unserved)])
        borrowed = scoped_borrowed = 0.0
        stranded: list[float] = []
        for key, api_account in self.api_accounts.items():
            week = api_account.weekly_window
            week.advance(self.end)
            if api_account.login_lost_at > self.end:
                borrowed += week.used - allowances[key]
                for window in api_account.windows if scoped_allowances else ():
                    if window.family is not None:
                        window.advance(self.end)
                        scoped_borrowed += window.used - (scoped_allowances or {})[key]
            stranded.extend(week.unused_shares)
        counted = self.counted - max(0.0, borrowed, scoped_borrowed)
        wanted = self.demand.wanted_before(self.end)
        shares = []
        for user in users:
            mine = self.demand.wanted_by_user(user, self.end)
            if mine > 0:
                shares.append(min(1.0, self.by_user.get(user, 0.0) / mine))
        squares = sum(share * share for share in shares)
        return Score(
            completed=counted / bound if bound else 1.0,
            wanted=counted / wanted if wanted else 1.0,
            stall_hours=self.stall / 3600.0,
            avoidable_hours=self.avoidable / 3600.0,
            visible_429s=self.visible,
            cold_tokens=self.cold / self.charged if self.charged else 0.0,
            switches=self.switches / max(1, len(self.sessions)),
            stranded=sum(stranded) / len(stranded) if stranded else 0.0,
            fairness=sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0,
            requests=self.requests,
            waiting_p50=waiting.quantile(0.5),
            waiting_p95=waiting.quantile(0.95),
            waiting_p99=waiting.quantile(0.99),
            waiting_longest=waiting.quantile(1.0),
            waited_10s=waiting.share_over(NOTICED_SEC),
            waited_10min=waiting.share_over(LONG_SEC),
            kept_cache_tokens=self.kept,
            lost_cache_tokens=self.lost,
            retried_429s=self.retried,
            worst_user=min(shares, default=1.0),
        )
