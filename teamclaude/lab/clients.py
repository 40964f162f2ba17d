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

from .event_queue import EventQueue
from .traffic import RequestTrace, SessionTrace
from .workload import PERSON_PAUSE_SEC, PlannedSession, User

__all__ = ["ActiveSession", "Api", "ClientSessions"]

# Claude Code (measured): it waits for a retry-after of up to a minute and gives up at a longer one; told
# nothing it doubles its pause, adds up to a quarter, and gives up after ten retries.
LONGEST_RETRY_AFTER_SEC = 60.0
FIRST_BACKOFF_SEC, LONGEST_BACKOFF_SEC = 0.5, 32.0
RETRIES = 10
RETRY_JITTER = 0.25
PERSON_RETRIES_SEC = (600.0, 1800.0)  # a person tries again after an error


class ActiveSession:
    """A session in progress (or a sub-agent of one)."""

    def __init__(
        self, serial: int, user: User, session: SessionTrace, name: str, agent: Optional[str] = None
    ) -> None:
        self.serial = serial
        self.user = user
        self.session = session
        self.session_id = name
        self.agent = agent
        self.index = 0  # index of the next request
        self.wanted_at = 0.0
        self.rng = random.Random(serial)
        self.account: Optional[str] = None  # that served it last
        self.last_end = -1e18
        self.retries = 0  # of this request, by the client itself

    @property
    def conversation(self) -> str:
        return f"{self.session_id}/{self.agent}" if self.agent else self.session_id

    @property
    def request(self) -> RequestTrace:
        return self.session.requests[self.index]


class Api(Protocol):
    """Where requests go."""

    def submit(self, session: ActiveSession) -> None:
        """Serve the actor's request; `People.answered` or `People.refused` is called once."""


class ClientSessions:
    """Everybody's sessions, driven by the answers they get."""

    def __init__(self, agenda: EventQueue, users: Iterable[User], plans: Iterable[PlannedSession]) -> None:
        self.events = agenda
        self.users = {user.number: user for user in users}
        self.sessions: list[ActiveSession] = []
        self.api: Optional[Api] = None
        self._running = dict.fromkeys(self.users, 0)
        self._waiting_plans: dict[int, deque[PlannedSession]] = {number: deque() for number in self.users}
        for plan in plans:
            agenda.schedule(plan.at, partial(self._session_planned, plan))

    # --- beginnings ---------------------------------------------------------------------------

    def _session_planned(self, plan: PlannedSession) -> None:
        if self._running[plan.user] >= self.users[plan.user].max_sessions:
            self._waiting_plans[plan.user].append(plan)
        else:
            self._begin(plan)

    def _begin(self, plan: PlannedSession) -> None:
        self._running[plan.user] += 1
        name = f"s{plan.at:.3f}u{plan.user}"
        self._start(plan.user, plan.session, name, None)
        for number, (after, session) in enumerate(plan.agents):
            start = partial(self._start, plan.user, session, name, f"a{number}")
            self.events.schedule(self.events.now + after, start)

    def _start(self, user: int, session: SessionTrace, name: str, agent: Optional[str]) -> None:
        # Seeded by its name: the same session in every run, whenever it begins.
        actor = ActiveSession(_number(name, agent), self.users[user], session, name, agent)
        self.sessions.append(actor)
        self._send_request(actor)

    # --- one request after the other --------------------------------------------------------------

    def _send_request(self, session: ActiveSession) -> None:
        session.wanted_at = self.events.now
        assert self.api is not None
        self.api.submit(session)

    def request_served(self, session: ActiveSession) -> None:
        """The answer of its request has ended."""
        now = session.last_end = self.events.now
        session.index += 1
        session.retries = 0
        if session.index == len(session.session.requests):
            if session.agent is None:
                self._session_ended(session.user.number)
            return
        at = now + session.request.gap
        if session.request.gap > PERSON_PAUSE_SEC:
            at = session.user.next_working_time(at)
        if at != float("inf"):
            self.events.schedule(at, partial(self._send_request, session))

    def request_refused(self, session: ActiveSession, retry_after: Optional[float]) -> bool:
        """It got a 429, perhaps without a time; False when its client does not try again by itself."""
        now = self.events.now
        again = session.retries < RETRIES and (retry_after or 0.0) <= LONGEST_RETRY_AFTER_SEC
        if again:
            pause = retry_after or min(LONGEST_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0**session.retries)
            session.retries += 1
            at = now + pause * (1.0 + RETRY_JITTER * session.rng.random())
        else:
            session.retries = 0
            at = session.user.next_working_time(now + session.rng.uniform(*PERSON_RETRIES_SEC))
        if at != float("inf"):
            self.events.schedule(at, partial(self._send_request, session))
        return again

    def _session_ended(self, user: int) -> None:
        self._running[user] -= 1
        if self._waiting_plans[user]:
            self._begin(self._waiting_plans[user].popleft())


def _number(name: str, agent: Optional[str]) -> int:
    return random.Random(f"{name} {agent}").getrandbits(32)
