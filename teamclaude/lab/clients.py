"""The clients' side: events in virtual time, and sessions in progress, one request after the other.

The same sessions run against the Fleet and against an API without limits.  The second run is the demand: no
request of the first can come earlier than in it.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Callable, Optional, Protocol

from .traffic import RequestTrace, SessionTrace
from .workload import PERSON_PAUSE_SEC, PlannedSession, User

__all__ = ["ActiveSession", "Api", "ClientSessions", "EventQueue"]

# Claude Code (measured): it waits for a retry-after of up to a minute and gives up at a longer one.  Without
# one it doubles its pause, adds up to a quarter, and gives up after ten retries.
MAX_RETRY_AFTER_SEC = 60.0
FIRST_BACKOFF_SEC, MAX_BACKOFF_SEC = 0.5, 32.0
MAX_RETRIES = 10
RETRY_JITTER = 0.25
PERSON_RETRIES_SEC = (600.0, 1800.0)  # a person tries again after an error


class EventQueue:
    """Events in virtual time, in one thread; equal times keep their order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def schedule(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` at `when`, or at once if that has passed (seconds)."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, act))

    def run(self, until: float, on_hour: Callable[[float], None] = lambda now: None) -> None:
        """Run every event before `until`; call `on_hour` with the time once per virtual hour."""
        hour = 0.0
        while self._heap and self._heap[0][0] < until:
            self.now, _, act = heapq.heappop(self._heap)
            if self.now >= hour:
                on_hour(self.now)
                hour = self.now + 3600.0
            act()
        self.now = until


class ActiveSession:
    """A session in progress, or one of its sub-agents."""

    def __init__(
        self, serial: int, user: User, trace: SessionTrace, name: str, agent: Optional[str] = None
    ) -> None:
        self.serial = serial
        self.user = user
        self.trace = trace
        self.session_id = name
        self.agent = agent
        self.index = 0  # index of the next request
        self.wanted_at = 0.0  # when its request was first wanted, before any refusal
        self.is_waiting = False  # its request has been wanted since, and was not sent yet
        self.rng = random.Random(serial)
        self.account: Optional[str] = None  # served it last
        self.last_end = -1e18
        self.retries = 0  # of this request, by the client itself

    @property
    def conversation(self) -> str:
        """The key that the Fleet binds: the session, or one of its sub-agents."""
        return f"{self.session_id}/{self.agent}" if self.agent else self.session_id

    @property
    def request(self) -> RequestTrace:
        """The next request."""
        return self.trace.requests[self.index]

    def next_wanted_at(self, index: int, end: float) -> float:
        """Return when request `index` is wanted if the response before it ends at `end`; infinite: never."""
        gap = self.trace.requests[index].gap
        if gap > PERSON_PAUSE_SEC and self.agent is None:
            return self.user.next_working_time(end + gap)
        return end + gap  # no person is behind a pause of a sub-agent


class Api(Protocol):
    """What requests are sent to."""

    def submit(self, session: ActiveSession) -> None:
        """Serve the session's request: call `request_served` or `request_refused` once."""


class ClientSessions:
    """Everybody's sessions, driven by the responses they get."""

    def __init__(self, events: EventQueue, users: Iterable[User], plans: Iterable[PlannedSession]) -> None:
        self.events = events
        self.users = {user.number: user for user in users}
        self.sessions: list[ActiveSession] = []
        self.api: Optional[Api] = None
        self._running = dict.fromkeys(self.users, 0)
        self._waiting_plans: dict[int, deque[PlannedSession]] = {number: deque() for number in self.users}
        for plan in plans:
            events.schedule(plan.at, partial(self._session_planned, plan))

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

    def _start(self, user: int, trace: SessionTrace, name: str, agent: Optional[str]) -> None:
        # Seeded by its name: the same session in every run, whenever it begins.
        session = ActiveSession(_number(name, agent), self.users[user], trace, name, agent)
        self.sessions.append(session)
        self._send_request(session)

    # --- one request after the other --------------------------------------------------------------

    def _send_request(self, session: ActiveSession) -> None:
        if not session.is_waiting:
            session.wanted_at, session.is_waiting = self.events.now, True
        assert self.api is not None
        self.api.submit(session)

    def request_served(self, session: ActiveSession) -> None:
        """Record that the session's response has ended; schedule its next request."""
        now = session.last_end = self.events.now
        session.is_waiting = False
        session.index += 1
        session.retries = 0
        if session.index == len(session.trace.requests):
            if session.agent is None:
                self._session_ended(session.user.number)
            return
        at = session.next_wanted_at(session.index, now)
        if at != float("inf"):
            self.events.schedule(at, partial(self._send_request, session))

    def request_refused(self, session: ActiveSession, retry_after: Optional[float]) -> bool:
        """Record a 429, perhaps without a time.

        Return False when the client does not try again by itself.
        """
        now = self.events.now
        again = session.retries < MAX_RETRIES and (retry_after or 0.0) <= MAX_RETRY_AFTER_SEC
        if again:
            pause = retry_after or min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0**session.retries)
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
