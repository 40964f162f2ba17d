"""What the team would do if nobody ever waited: the demand, and when it can come at the earliest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

from .api_model import TokenWeights
from .clients import ActiveSession, ClientSessions
from .event_queue import EventQueue
from .workload import PlannedSession, User

__all__ = ["Demand", "unconstrained_demand"]


class Demand:
    """Work by the time it is wanted; amounts in weighted tokens."""

    def __init__(self, rows: Sequence[tuple[float, int, float]], costs: dict[tuple[str, int], float]) -> None:
        self.times = [at for at, _, _ in rows]
        self.costs = costs  # (conversation, index of the request) -> what it must cost at least
        self._sums = [0.0]
        self.by_user: dict[int, list[tuple[float, float]]] = {}
        for at, user, cost in rows:
            self._sums.append(self._sums[-1] + cost)
            self.by_user.setdefault(user, []).append((at, cost))

    def wanted_before(self, at: float) -> float:
        """Work wanted before `at`."""
        return self._sums[bisect_left(self.times, at)]

    def wanted_by_user(self, user: int, until: float) -> float:
        return sum(cost for at, cost in self.by_user.get(user, ()) if at < until)


class _UnlimitedApi:
    """An API without limits: every answer takes its own time and nothing else."""

    def __init__(self, people: ClientSessions, weights: TokenWeights, life: float) -> None:
        self.people = people
        self.weights = weights
        self.life = life
        self.rows: list[tuple[float, int, float]] = []
        self.costs: dict[tuple[str, int], float] = {}

    def submit(self, actor: ActiveSession) -> None:
        now, request = self.people.events.now, actor.request
        warm = now < actor.last_end + self.life
        cost = self.weights.cost(request, request.cached_prefix if warm else 0)
        self.rows.append((now, actor.user.number, cost))
        self.costs[actor.conversation, actor.index] = cost
        self.people.events.schedule(now + request.duration, partial(self.people.request_served, actor))


def unconstrained_demand(
    users: Sequence[User], plans: Sequence[PlannedSession], weights: TokenWeights, life: float, end: float
) -> Demand:
    """Play the plans against an API without limits."""
    people = ClientSessions(EventQueue(), users, plans)
    door = people.api = _UnlimitedApi(people, weights, life)
    people.events.run(end)
    return Demand(door.rows, door.costs)
