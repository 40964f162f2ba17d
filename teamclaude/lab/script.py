"""The people's side of the world: sessions in progress, one request after the other.

The same scripts run against the Fleet and against an API without limits: the second run is what the
team would like to do, and no request of the first can come earlier than in it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Optional, Protocol

from .agenda import EventQueue
from .team import HUMAN_SEC, Plan, User
from .traffic import Request, Session

__all__ = ["Actor", "Door", "People"]

# Claude Code (measured): it waits for a retry-after of up to a minute and gives up at a longer one; told
# nothing it doubles its pause, adds up to a quarter, and gives up after ten retries.
LONGEST_RETRY_AFTER_SEC = 60.0
FIRST_BACKOFF_SEC, LONGEST_BACKOFF_SEC = 0.5, 32.0
RETRIES = 10
RETRY_JITTER = 0.25
COMES_BACK_SEC = (600.0, 1800.0)  # a person tries again after an error


class Actor:
    """A session in progress (or a sub-agent of one)."""

    def __init__(
        self, serial: int, user: User, session: Session, name: str, agent: Optional[str] = None
    ) -> None:
        self.serial = serial
        self.user = user
        self.session = session
        self.name = name
        self.agent = agent
        self.place = 0  # index of the next request
        self.wanted_at = 0.0
        self.chance = random.Random(serial)
        self.account: Optional[str] = None  # that served it last
        self.last_end = -1e18
        self.retries = 0  # of this request, by the client itself

    @property
    def conversation(self) -> str:
        return f"{self.name}/{self.agent}" if self.agent else self.name

    @property
    def request(self) -> Request:
        return self.session.requests[self.place]


class Door(Protocol):
    """Where requests go."""

    def submit(self, actor: Actor) -> None:
        """Serve the actor's request; `People.answered` or `People.refused` is called once."""


class People:
    """Everybody's sessions, driven by the answers they get."""

    def __init__(self, agenda: EventQueue, users: Iterable[User], plans: Iterable[Plan]) -> None:
        self.agenda = agenda
        self.users = {user.number: user for user in users}
        self.actors: list[Actor] = []
        self.door: Optional[Door] = None
        self._running = dict.fromkeys(self.users, 0)
        self._next: dict[int, deque[Plan]] = {number: deque() for number in self.users}
        for plan in plans:
            agenda.schedule(plan.at, partial(self._planned, plan))

    # --- beginnings ---------------------------------------------------------------------------

    def _planned(self, plan: Plan) -> None:
        if self._running[plan.user] >= self.users[plan.user].seats:
            self._next[plan.user].append(plan)
        else:
            self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        self._running[plan.user] += 1
        name = f"s{plan.at:.3f}u{plan.user}"
        self._start(plan.user, plan.session, name, None)
        for number, (after, session) in enumerate(plan.agents):
            start = partial(self._start, plan.user, session, name, f"a{number}")
            self.agenda.schedule(self.agenda.now + after, start)

    def _start(self, user: int, session: Session, name: str, agent: Optional[str]) -> None:
        # Seeded by its name: the same session in every run, whenever it begins.
        actor = Actor(_number(name, agent), self.users[user], session, name, agent)
        self.actors.append(actor)
        self._ask(actor)

    # --- one request after the other --------------------------------------------------------------

    def _ask(self, actor: Actor) -> None:
        actor.wanted_at = self.agenda.now
        assert self.door is not None
        self.door.submit(actor)

    def answered(self, actor: Actor) -> None:
        """The answer of its request has ended."""
        now = actor.last_end = self.agenda.now
        actor.place += 1
        actor.retries = 0
        if actor.place == len(actor.session.requests):
            if actor.agent is None:
                self._ended(actor.user.number)
            return
        at = now + actor.request.gap
        if actor.request.gap > HUMAN_SEC:
            at = actor.user.at_work(at)
        if at != float("inf"):
            self.agenda.schedule(at, partial(self._ask, actor))

    def refused(self, actor: Actor, retry_after: Optional[float]) -> bool:
        """It got a 429, perhaps without a time; False when its client does not try again by itself."""
        now = self.agenda.now
        again = actor.retries < RETRIES and (retry_after or 0.0) <= LONGEST_RETRY_AFTER_SEC
        if again:
            pause = retry_after or min(LONGEST_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0**actor.retries)
            actor.retries += 1
            at = now + pause * (1.0 + RETRY_JITTER * actor.chance.random())
        else:
            actor.retries = 0
            at = actor.user.at_work(now + actor.chance.uniform(*COMES_BACK_SEC))
        if at != float("inf"):
            self.agenda.schedule(at, partial(self._ask, actor))
        return again

    def _ended(self, user: int) -> None:
        self._running[user] -= 1
        if self._next[user]:
            self._begin(self._next[user].popleft())


def _number(name: str, agent: Optional[str]) -> int:
    return random.Random(f"{name} {agent}").getrandbits(32)
