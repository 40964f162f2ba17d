"""Who works when, and which sessions they plan: calendars in three time zones.

A person plans sessions over the working day, whatever became of the ones before; nobody has more than four
running at once.  A person's pause that ends outside working hours ends the next morning; a pause of a tool or
of a sub-agent does not care.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Optional

from ..routing.user_rules.week_hours import utc_calendar
from ..values import NamedTuple
from .traffic import SessionTrace

__all__ = [
    "DAY_SEC",
    "PERSON_PAUSE_SEC",
    "WEEK_SEC",
    "PlannedSession",
    "User",
    "lab_calendar",
    "make_workload",
]

HOUR_SEC, DAY_SEC, WEEK_SEC = 3600.0, 86400.0, 7 * 86400.0
PERSON_PAUSE_SEC = 90.0  # a longer pause is a person's
ZONES = (-8.0, 1.0, 8.0)  # hours from UTC
SESSIONS_A_DAY = 3.0
WEEKENDS = 0.12  # share of Saturdays and Sundays with work
AGENTS = 0.2  # of the sessions have sub-agents
AGENT_REQUESTS = 25  # at most, in a sub-agent


def lab_calendar(at: float) -> tuple[int, int]:
    """Return the day and the minute of an instant of a made-up world: it begins on a Monday, in UTC."""
    return utc_calendar(at + 4 * DAY_SEC)  # the first day of the epoch was a Thursday


class User(NamedTuple):
    """One person; `shifts` are working times in order, (begin, end) in seconds of virtual time."""

    number: int
    shifts: tuple[tuple[float, float], ...]
    max_sessions: int = 4  # sessions running at once

    def next_working_time(self, now: float) -> float:
        """Return `now` if the person works then, else when they begin next."""
        for begin, end in self.shifts:
            if now < end:
                return max(now, begin)
        return float("inf")


class PlannedSession(NamedTuple):
    """A session planned to begin at `at`; sub-agents begin some seconds into it."""

    at: float
    user: int
    session: SessionTrace
    agents: tuple[tuple[float, SessionTrace], ...] = ()


def make_workload(
    sessions: Sequence[SessionTrace], users: int, weeks: int, seed: int, agents: Optional[int] = None
) -> tuple[list[User], list[PlannedSession]]:
    """Return the team and its plans for `weeks` weeks; day 0 is a Monday in UTC.

    `agents` is how many sub-agents every session has; None: one in five has one to three.
    """
    rng = random.Random(f"team {seed}")
    team = [_user(number, weeks, rng) for number in range(users)]
    deck: list[SessionTrace] = []
    plans = []
    for begin, end, user in sorted((b, e, u.number) for u in team for b, e in u.shifts):
        for _ in range(_poisson(SESSIONS_A_DAY, rng)):
            deck = deck or rng.sample(list(sessions), len(sessions))
            at = rng.uniform(begin, end - HOUR_SEC)
            session = deck.pop()
            plans.append(PlannedSession(at, user, session, _agents(sessions, agents, rng)))
    return team, sorted(plans, key=lambda plan: (plan.at, plan.user))


def _user(number: int, weeks: int, rng: random.Random) -> User:
    zone = ZONES[number % len(ZONES)] * HOUR_SEC
    shifts = []
    for day in range(-1, weeks * 7 + 1):
        if day % 7 >= 5 and rng.random() >= WEEKENDS:
            continue
        begin = day * DAY_SEC - zone + rng.uniform(8.0, 10.0) * HOUR_SEC
        end = begin + rng.uniform(7.5, 10.0) * HOUR_SEC
        if begin >= 0:
            shifts.append((begin, end))
    return User(number, tuple(shifts))


def _agents(
    sessions: Sequence[SessionTrace], count: Optional[int], rng: random.Random
) -> tuple[tuple[float, SessionTrace], ...]:
    if count is None:
        count = rng.randint(1, 3) if rng.random() < AGENTS else 0
    made = []
    for _ in range(count):
        begins, whole = rng.uniform(60.0, 1200.0), rng.choice(sessions)
        made.append((begins, SessionTrace(whole.id, whole.requests[:AGENT_REQUESTS])))
    return tuple(made)


def _poisson(mean: float, rng: random.Random) -> int:
    count, spent = 0, rng.expovariate(1.0)
    while spent < mean:
        count, spent = count + 1, spent + rng.expovariate(1.0)
    return count
