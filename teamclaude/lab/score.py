"""What came of a run: counted while it goes on, summed up at its end, and shown as a table of many runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from ..routing.state.decision import Lease
from .api_model import ApiAccount, ApiResponse
from .clients import ActiveSession
from .upper_bound import Demand

__all__ = ["Score", "ScoreCounter", "TableRow", "align_columns", "table_lines"]


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
        """Return the fields, rounded to 6 decimals."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


class ScoreCounter:
    """Count a run; counting stops at `end`."""

    def __init__(self, demand: Demand, api_accounts: dict[str, ApiAccount], life: float, end: float) -> None:
        self.demand = demand
        self.api_accounts = api_accounts
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
        self, session: ActiveSession, lease: Lease, response: ApiResponse, now: float, waited: float
    ) -> None:
        """Count a served request that waited `waited` seconds."""
        least = self.demand.costs.get((session.conversation, session.index), 0.0)
        work = min(least, response.charge)
        self.overshoot += work * (1.0 - response.covered_share)
        self.counted += work
        self.by_user[session.user.number] = self.by_user.get(session.user.number, 0.0) + work
        self.charged += response.charge
        self.requests += 1
        self.sessions.add(session.conversation)
        if session.account is not None and session.account != lease.account:
            self.switches += 1
            if now - session.last_end < self.life:
                self.cold += max(0.0, response.charge - least)
        session.account = lease.account
        self._count_wait(now, waited)
        self._note_closure(now)

    def record_refused(self, now: float, waited: float, again: bool) -> None:
        """Count a 429; with `again` the client tries again by itself and its person sees nothing of it."""
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
        opens = min(api_account.closed_until(now) for api_account in self.api_accounts.values())
        if opens > now:
            self._closures.append((now, opens))

    # --- at the end -----------------------------------------------------------------------------

    def score(self, bound: float, allowances: dict[str, float], users: Sequence[int]) -> Score:
        """Sum up.

        `bound` is the upper bound; `allowances` is what each account may have used of its last week by the
        end.
        """
        borrowed = 0.0
        stranded: list[float] = []
        for key, api_account in self.api_accounts.items():
            week = api_account.weekly_window
            week.advance(self.end)
            if api_account.login_lost_at > self.end:
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


# --- the table ----------------------------------------------------------------------------------------


class TableRow(NamedTuple):
    """All seeds of one policy at one load."""

    policy: str
    load: float
    seeds: tuple[int, ...]
    scores: tuple[Score, ...]

    def mean(self, name: str) -> float:
        """Return the mean of a score's field over the seeds."""
        return fmean(float(getattr(score, name)) for score in self.scores)

    def spread(self, name: str) -> float:
        """Return the standard deviation of a score's field over the seeds."""
        return pstdev([float(getattr(score, name)) for score in self.scores])

    def as_json(self) -> dict[str, Any]:
        """Return each seed's score and the means."""
        return {
            "policy": self.policy,
            "load": self.load,
            "seeds": {str(seed): score.as_json() for seed, score in zip(self.seeds, self.scores)},
            "mean": {name: round(self.mean(name), 6) for name in Score.__dataclass_fields__},
        }


# Heading, field of Score, factor, decimals, whether its spread is shown.
_COLUMNS = (
    ("done %", "completed", 100.0, 2, True),
    ("stall h", "stall_hours", 1.0, 1, False),
    ("avoidable", "avoidable_hours", 1.0, 1, False),
    ("429s", "visible_429s", 1.0, 0, False),
    ("cold %", "cold_tokens", 100.0, 2, False),
    ("switches", "switches", 1.0, 2, False),
    ("stranded %", "stranded", 100.0, 1, False),
    ("fairness", "fairness", 1.0, 3, False),
)


def table_lines(rows: Sequence[TableRow]) -> list[str]:
    """Return the table as text, widths by content."""
    table = [["policy", "load", *(heading for heading, *_ in _COLUMNS)]]
    table += [[row.policy, f"{row.load:g}", *(_cell(row, *column) for column in _COLUMNS)] for row in rows]
    return align_columns(table)


def align_columns(table: Sequence[Sequence[str]]) -> list[str]:
    """Align rows in columns: the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]


def _cell(row: TableRow, heading: str, name: str, factor: float, decimals: int, spread: bool) -> str:
    text = f"{factor * row.mean(name):.{decimals}f}"
    return f"{text} ± {factor * row.spread(name):.{decimals}f}" if spread else text
