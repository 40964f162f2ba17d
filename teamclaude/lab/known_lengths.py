"""How long requests wait if the length of every conversation is known before it begins: a reference.

Conversations begin first come, first served, and go on without interruption.  One begins as soon as some
account's 5h windows hold every request of it beside what began before, each in the window that is open when
the request is wanted; until then it waits, and all that came later.  A closed window is opened first, else
the one that is reset soonest is used.  Then nothing waits but first requests.

The users and their sessions are those of the run, in a closed loop: what follows a wait comes later.
Left out are weekly windows, windows for some models, and the burst limit; a prompt cache ends only in the
conversation's own pauses.  What others use of an account is known, too.  A conversation that is more than a
whole window gets one for itself and goes on beyond it: it could never begin.

It is no bound: one who lets small conversations pass a large one lets fewer requests wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Optional

from ..values import NamedTuple
from .api_model import FIVE_HOURS_SEC, ApiAccount
from .clients import ActiveSession, ClientSessions, EventQueue
from .scenario import Scenario
from .score import WaitingTimes

__all__ = ["waits_with_known_lengths"]

# Between two looks at a queue that waits.  With 10 s or 300 s the shares differ by 0.01 points (agents-2 and
# agents-8, five seeds).
LOOK_SEC = 60.0
OTHERS = ""


class _Charge(NamedTuple):
    """What a conversation, or OTHERS, will use of an account's window (s, weighted tokens)."""

    at: float
    tokens: float
    conversation: str


class _Window:
    """The 5h window of one account, at an instant."""

    def __init__(self, size: float, resets_at: float = 0.0, used: float = 0.0, only: Optional[str] = None):
        self.size = size
        self.resets_at = resets_at
        self.used = used
        self.only = only  # the conversation that alone used it; OTHERS for several

    def copy(self) -> _Window:
        return _Window(self.size, self.resets_at, self.used, self.only)

    def charge(self, charge: _Charge) -> bool:
        """Charge it, or the one that is opened; return False if it holds less than several conversations."""
        if charge.at >= self.resets_at:
            self.resets_at, self.used, self.only = charge.at + FIVE_HOURS_SEC, 0.0, None
        self.used += charge.tokens
        if charge.conversation == OTHERS:
            return True  # of what is too much for it the API refuses them the rest
        self.only = charge.conversation if self.only in (None, charge.conversation) else OTHERS
        return self.used <= self.size or self.only != OTHERS


class _Account:
    """One account: its window, and all charges that are planned."""

    def __init__(self, size: float, login_lost_at: float, others: Sequence[_Charge]) -> None:
        self._window = _Window(size)
        self._login_lost_at = login_lost_at
        self._planned = sorted(others)

    def opens_at(self, now: float) -> float:
        """Return when its window is reset, or 0 if none is open."""
        return self._window.resets_at if self._window.resets_at > now else 0.0

    def advance(self, now: float) -> None:
        """Charge what was planned before `now`."""
        past = 0
        for charge in self._planned:
            if charge.at >= now:
                break
            self._window.charge(charge)
            past += 1
        del self._planned[:past]

    def holds(self, charges: Sequence[_Charge]) -> bool:
        """Return whether its windows hold a conversation beside all that is planned."""
        if charges[-1].at >= self._login_lost_at:
            return False
        window = self._window.copy()
        return all(window.charge(charge) for charge in sorted([*self._planned, *charges]))

    def plan(self, charges: Sequence[_Charge]) -> None:
        """Plan a conversation."""
        self._planned = sorted([*self._planned, *charges])


class _KnowingApi:
    """An API whose conversations begin when an account can carry them to their end."""

    def __init__(self, scenario: Scenario, clients: ClientSessions) -> None:
        self.waits: list[float] = []
        self._scenario, self._clients = scenario, clients
        self._accounts = [_account(scenario, *each) for each in scenario.api_accounts().items()]
        self._queue: deque[ActiveSession] = deque()
        self._looks = False  # at the queue, in a while

    def submit(self, session: ActiveSession) -> None:
        """Serve a conversation that has begun; queue another one."""
        if session.index:
            self._serve(session)
            return
        self._queue.append(session)
        if len(self._queue) == 1:
            self._begin_conversations()

    def _begin_conversations(self) -> None:
        events = self._clients.events
        for account in self._accounts:
            account.advance(events.now)
        while self._queue:
            charges = _charges(self._scenario, self._queue[0], events.now)
            able = [account for account in self._accounts if account.holds(charges)]
            if not able:
                break
            min(able, key=lambda account: account.opens_at(events.now)).plan(charges)
            self._serve(self._queue.popleft())
        if self._queue and not self._looks:
            self._looks = True
            events.schedule(events.now + LOOK_SEC, self._look)

    def _look(self) -> None:
        self._looks = False
        self._begin_conversations()

    def _serve(self, session: ActiveSession) -> None:
        now = self._clients.events.now
        self.waits.append(now - session.wanted_at)
        ends = now + session.request.duration
        self._clients.events.schedule(ends, partial(self._clients.request_served, session))


def _account(scenario: Scenario, key: str, api_account: ApiAccount) -> _Account:
    five = next(window for window in api_account.windows if window.axis == "5h")
    others = [_Charge(use.at, use.tokens, OTHERS) for use in scenario.other_use if use.account == key]
    return _Account(five.size, api_account.login_lost_at, others)


def _charges(scenario: Scenario, session: ActiveSession, begin: float) -> list[_Charge]:
    """Return what a conversation that begins at `begin` will use, request by request."""
    settings = scenario.settings
    charges: list[_Charge] = []
    at, last_end = begin, session.last_end
    for index, request in enumerate(session.trace.requests):
        if index:
            at = session.next_wanted_at(index, last_end)
        if at == float("inf"):
            break
        cached = request.cached_prefix if at < last_end + settings.cache_life else 0
        charges.append(_Charge(at, settings.weights.cost(request, cached), session.conversation))
        last_end = at + request.duration
    return charges


@lru_cache(maxsize=1)  # all policies of a study are played in the same scenario, one after the other
def waits_with_known_lengths(scenario: Scenario) -> WaitingTimes:
    """Return how long the requests of the scenario's users wait; those in the queue, until its end."""
    plans = [plan for plan in scenario.plans if plan.at < scenario.end]
    clients = ClientSessions(EventQueue(), scenario.users, plans)
    api = clients.api = _KnowingApi(scenario, clients)
    clients.events.run(scenario.end)
    unserved = [scenario.end - session.wanted_at for session in clients.sessions if session.is_waiting]
    return WaitingTimes([*api.waits, *unserved])
