"""What came of a run: counted while it goes on, and summed up at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..routing.state.decision import Lease
from .api_model import ApiAccount, ApiResponse
from .clients import ActiveSession
from .demand import Demand

__all__ = ["Score", "ScoreCounter"]


@dataclass(frozen=True)
class Score:
    """One run; shares are fractions of 1, tokens weighted, times hours."""

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

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 6) for name, value in asdict(self).items()}


class ScoreCounter:
    """Counts a run; `end` is where counting stops."""

    def __init__(self, wish: Demand, quotas: dict[str, ApiAccount], life: float, end: float) -> None:
        self.demand = wish
        self.api_accounts = quotas
        self.life = life
        self.end = end
        self.counted = 0.0
        self.charged = 0.0
        self.overshoot = 0.0  # counted work that the API served beyond its windows
        self.cold = 0.0
        self.stall = 0.0
        self.avoidable = 0.0
        self.visible = 0
        self.switches = 0
        self.requests = 0
        self.sessions: set[str] = set()
        self.by_user: dict[int, float] = {}
        self._closures: list[tuple[float, float]] = []  # no account open: from, until

    # --- while it goes on -----------------------------------------------------------------------

    def record_served(
        self, actor: ActiveSession, lease: Lease, answer: ApiResponse, now: float, waited: float
    ) -> None:
        least = self.demand.costs.get((actor.conversation, actor.index), 0.0)
        work = min(least, answer.charge)
        self.overshoot += work * (1.0 - answer.covered_share)
        self.counted += work
        self.by_user[actor.user.number] = self.by_user.get(actor.user.number, 0.0) + work
        self.charged += answer.charge
        self.requests += 1
        self.sessions.add(actor.conversation)
        if actor.account is not None and actor.account != lease.account:
            self.switches += 1
            if now - actor.last_end < self.life:
                self.cold += max(0.0, answer.charge - least)
        actor.account = lease.account
        self._count_wait(now, waited)
        self._note_closure(now)

    def record_refused(self, now: float, waited: float, again: bool) -> None:
        """A client got a 429; `again`: it tries again by itself, and its person sees nothing of it."""
        self.visible += not again
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
        opens = min(quota.closed_until(now) for quota in self.api_accounts.values())
        if opens > now:
            self._closures.append((now, opens))

    # --- at the end -----------------------------------------------------------------------------

    def score(self, bound: float, allowances: dict[str, float], users: Sequence[int]) -> Score:
        """`most` is the bound; `own` what each account may have used of its last week by the end."""
        borrowed = 0.0
        stranded: list[float] = []
        for key, quota in self.api_accounts.items():
            week = quota.weekly_window
            week.advance(self.end)
            if quota.login_lost_at > self.end:
                borrowed += week.used - allowances[key]
            stranded.extend(week.unused_shares)
        counted = self.counted - max(0.0, borrowed)
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
        )
