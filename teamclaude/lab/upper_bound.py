"""The unconstrained demand, and what no scheduler can exceed: a fluid bound by one cut in time.

The bound holds however much the scheduler knows.

Claim: the work counted for a run until `end` is at most, for every instant t,

    B(t) = work wanted before t  +  what the accounts can serve from t on.

Proof.  Every piece of counted work is served before t or from t on.
(1) What is served before t was asked for before t.  No request comes earlier in any run than in the
    run without limits: by induction along a person's requests each begins at a non-decreasing
    function of the end of the one before (a pause is added; the calendar and the limit of running
    sessions are non-decreasing maps), and service takes at least the response's own time.  A request is
    counted with at most what it costs in that run.  So the first part is at most the first term.
(2) What is served from t on is counted with at most what it is charged.  In one weekly window an account
    serves from t on at most what the window holds, and what of its charges lies beyond it, because the API
    lets the last request of a window go over; and at most what its 5h windows hold, and what lies beyond
    those: in a piece of time of length L at most ceil(L/5h)+1 of them can lie, for their beginnings are 5h
    apart and the first may begin up to 5h before.  The smaller one counts: the last request of a 5h window
    takes nothing out of a weekly window that this one does not hold.
    Of the weekly windows that go on at `end` only the part counts that belongs to the time before it (the
    allowance, by the demand of that week).  What all accounts together used beyond that is borrowed from
    the time after, overshoot included, and is taken off the count; what they used, less that, is at most
    the sum of the allowances, for every t before the first of these windows.
The bound is the smallest B(t) over the hours up to then, or all that was wanted before `end`; every t
alone is a bound, so a coarse grid stays right.

Where each account has a window for some models beside its others, (1) and (2) hold for the work with these
models and for those windows alone, too; all other work is at most what of it was wanted before `end`.  The
sum of both is a second bound, the smaller one counts.  What was used of these windows beyond their allowances
is taken off the count, too, where it is more than what was used beyond the weekly ones: the count less the
larger of both obeys each of the bounds.  (Policies get different overshoot, so that their bounds
differ by some tenths of a percent under load; below it all that was wanted is the bound of all.)

It leaves out that work waits for the work before it, and that caches end meanwhile: whoever knows what will
come can let whole sessions begin later, and those that have begun go on to their end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import partial

from ..values import NamedTuple
from .api_model import FIVE_HOURS_SEC, TokenWeights
from .clients import ActiveSession, ClientSessions, EventQueue
from .workload import PlannedSession, User

__all__ = [
    "Demand",
    "Overshoot",
    "WeeklyWindow",
    "unconstrained_demand",
    "upper_bound",
    "usable_tokens",
]

GRID_SEC = 3600.0
NOBODY = -1


class WeeklyWindow(NamedTuple):
    """One weekly window of one account within the run: what it holds, and its 5h windows' size."""

    begin: float
    end: float
    week: float
    five: float
    account: str = ""
    goes_on: bool = False  # at the end of the run: `week` is the part that belongs to the time before


class Overshoot(NamedTuple):
    """Counted work of one request that lay beyond a window (s, weighted tokens)."""

    at: float
    account: str
    axis: str
    tokens: float


def upper_bound(
    demand: Demand,
    windows: Sequence[WeeklyWindow],
    end: float,
    overshoot: Sequence[Overshoot] = (),
    axis: str = "7d",
) -> float:
    """Return the weighted tokens that can be counted until `end` at most.

    `windows` are those of `axis`; `overshoot` is what was served beyond any.
    """
    last = min((window.begin for window in windows if window.goes_on), default=end)
    cuts = [hour * GRID_SEC for hour in range(int(last // GRID_SEC) + 1)]
    supplies = [_Supply(window, overshoot, axis) for window in windows]
    return min(
        demand.wanted_before(end),
        *(demand.wanted_before(at) + sum(supply.from_(at) for supply in supplies) for at in cuts),
    )


def usable_tokens(window: WeeklyWindow, begin: float, beyond: float = 0.0, beyond_five: float = 0.0) -> float:
    """Return what one account can serve of one weekly window from `begin` on.

    `beyond` and `beyond_five` are what it serves beyond that window, and beyond its 5h windows.
    """
    length = window.end - max(begin, window.begin)
    if length <= 0.0:
        return 0.0
    fives = window.five * (math.ceil(length / FIVE_HOURS_SEC) + 1)
    return min(window.week + beyond, fives + beyond_five)


class _Supply:
    """What a weekly window can serve, with the overshoot of the run."""

    def __init__(self, window: WeeklyWindow, overshoot: Iterable[Overshoot], axis: str) -> None:
        self._window = window
        # What lies beyond a window that goes on is borrowed.
        mine = [] if window.goes_on else [o for o in overshoot if o.account == window.account]
        self._beyond, self._beyond_five = (
            sorted((o.at, o.tokens) for o in mine if o.axis == wanted and window.begin <= o.at < window.end)
            for wanted in (axis, "5h")
        )

    def from_(self, at: float) -> float:
        """Return the weighted tokens from `at` on."""
        beyond, five = (
            sum(tokens for when, tokens in rows if when >= at) for rows in (self._beyond, self._beyond_five)
        )
        return usable_tokens(self._window, at, beyond, five)


class Demand:
    """Work by the time it is wanted, if nobody ever waited; amounts in weighted tokens."""

    def __init__(
        self,
        rows: Sequence[tuple[float, int, float]],
        costs: dict[tuple[str, int], float],
        families: Sequence[str] = (),
    ) -> None:
        self._rows, self._families = rows, families  # of each row its model family, or none at all
        self.times = [at for at, _, _ in rows]
        self.costs = costs  # (conversation, index of the request) -> what it must cost at least
        self._sums = [0.0]
        self.by_user: dict[int, list[tuple[float, float]]] = {}
        for at, user, cost in rows:
            self._sums.append(self._sums[-1] + cost)
            self.by_user.setdefault(user, []).append((at, cost))

    def wanted_before(self, at: float) -> float:
        """Return the work wanted before `at`."""
        return self._sums[bisect_left(self.times, at)]

    def with_more(self, more: Iterable[tuple[float, float]]) -> Demand:
        """Return it with work of nobody in the team: (when it is wanted, weighted tokens)."""
        own = [(at, user, cost) for user, rows in self.by_user.items() for at, cost in rows]
        return Demand(sorted([*own, *((at, NOBODY, cost) for at, cost in more)]), self.costs)

    def of_family(self, family: str) -> Demand:
        """Return the work with one model family alone, without the costs of its requests."""
        return Demand([row for row, its in zip(self._rows, self._families) if its == family], {})

    def wanted_by_user(self, user: int, until: float) -> float:
        """Return one person's work wanted before `until`."""
        return sum(cost for at, cost in self.by_user.get(user, ()) if at < until)


class _UnlimitedApi:
    """An API without limits: every response takes its own time and nothing else."""

    def __init__(self, clients: ClientSessions, weights: TokenWeights, life: float) -> None:
        self.clients = clients
        self.weights = weights
        self.life = life
        self.rows: list[tuple[float, int, float]] = []
        self.families: list[str] = []
        self.costs: dict[tuple[str, int], float] = {}

    def submit(self, session: ActiveSession) -> None:
        now, request = self.clients.events.now, session.request
        warm = now < session.last_end + self.life
        cost = self.weights.cost(request, request.cached_prefix if warm else 0)
        self.rows.append((now, session.user.number, cost))
        self.families.append(request.family)
        self.costs[session.conversation, session.index] = cost
        self.clients.events.schedule(now + request.duration, partial(self.clients.request_served, session))


def unconstrained_demand(
    users: Sequence[User], plans: Sequence[PlannedSession], weights: TokenWeights, life: float, end: float
) -> Demand:
    """Play the plans against an API without limits."""
    clients = ClientSessions(EventQueue(), users, plans)
    api = clients.api = _UnlimitedApi(clients, weights, life)
    clients.events.run(end)
    return Demand(api.rows, api.costs, api.families)
