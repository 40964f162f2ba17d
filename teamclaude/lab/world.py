"""One run: the team, the real Fleet with its waiting line, and the API, in virtual time.

What the proxy does around the Fleet is done here in the same order: admit or wait in line, send, take
in the answer, go to the next account after a refusal, settle.  No thread, no clock, no randomness but
the seeded one.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Optional

from ..routing.answers import MEANINGS, ResponseKind, NextStep
from ..routing.decision import NEVER, RoutingRequest, Decision, Lease, Wait
from ..routing.fleet import Fleet
from ..routing.line import NO_WAIT, WaitQueue, WaitLimits, Waiter
from .quota import ApiResponse, ApiAccount
from .score import ScoreCounter
from .script import ActiveSession, ClientSessions

__all__ = ["Seen", "World"]

MODELS = {"opus": "claude-opus-4-8", "sonnet": "claude-sonnet-4-6", "haiku": "claude-haiku-4-5"}
BUSY_RETRY_SEC = 5.0  # what the proxy tells a client when every account is busy
ON_THE_WIRE_SEC = 0.3  # until a refusal has come back


class Seen(NamedTuple):
    """What was decided for a request, and when."""

    at: float
    conversation: str
    decision: Decision


class _Errand:
    """One request on its way: through the line, perhaps to several accounts."""

    def __init__(self, actor: ActiveSession, ask: RoutingRequest, began: float) -> None:
        self.actor = actor
        self.ask = ask
        self.began = began
        self.suspects: list[Lease] = []


class World:
    """Everything between the people and the quotas."""

    def __init__(
        self,
        people: ClientSessions,
        fleet: Fleet,
        quotas: dict[str, ApiAccount],
        tally: ScoreCounter,
        life: float,
        hold: float = 1800.0,
    ) -> None:
        self.people = people
        self.agenda = people.events
        self.fleet = fleet
        self.line = WaitQueue(fleet)
        self.quotas = quotas
        self.tally = tally
        self.life = life
        self.hold = hold
        self._errands: dict[Waiter, _Errand] = {}
        self._alarm = NEVER
        self.latest: Optional[Seen] = None
        people.api = self

    # --- in -----------------------------------------------------------------------------------

    def submit(self, actor: ActiveSession) -> None:
        ask = RoutingRequest(
            session=actor.session_id,
            agent=actor.agent,
            model=MODELS.get(actor.request.family, actor.request.family),
            cache_life=self.life,
        )
        self._seek(_Errand(actor, ask, self.agenda.now))

    def _seek(self, errand: _Errand) -> None:
        now = self.agenda.now
        left = self.hold - (now - errand.began)
        patience = NO_WAIT if errand.suspects or left <= 0 else WaitLimits(left)
        waiter = Waiter(errand.ask, patience, now)
        self._errands[waiter] = errand
        self._dispatch(self.line.enter(waiter, now))
        if waiter.lease is not None:
            self._dispatch([waiter])
        elif self.line.is_hopeless(waiter, now):
            self._see(waiter, errand)
            self._give_up(waiter)
        else:
            self._see(waiter, errand)
            self.line.waiters.append(waiter)
            self._set_alarm()

    def _see(self, waiter: Waiter, errand: _Errand) -> None:
        assert waiter.wait is not None
        self.latest = Seen(self.agenda.now, errand.actor.conversation, waiter.wait.decision)

    # --- the line -----------------------------------------------------------------------------

    def _changed(self) -> None:
        """Routing state changed: whoever waits may be served, or see that waiting is in vain."""
        if not self.line.waiters:
            return
        now = self.agenda.now
        served = self.line.serve(now)
        for waiter in [w for w in self.line.waiters if self.line.is_hopeless(w, now)]:
            self.line.waiters.remove(waiter)
            self._give_up(waiter)
        self._dispatch(served)
        self._set_alarm()

    def _set_alarm(self) -> None:
        due = min((waiter.due_at() for waiter in self.line.waiters), default=NEVER)
        if due < self._alarm:
            self._alarm = max(due, self.agenda.now + 0.001)
            self.agenda.schedule(self._alarm, partial(self._wake, self._alarm))

    def _wake(self, alarm: float) -> None:
        if alarm == self._alarm:
            self._alarm = NEVER
            self._changed()

    def _give_up(self, waiter: Waiter) -> None:
        errand = self._errands.pop(waiter)
        assert waiter.wait is not None
        # After a bare 429 no other account is free: the client gets that answer as it came.
        nothing_said = bool(errand.suspects)
        self._back_to_client(errand, None if nothing_said else _retry_after(waiter.wait, self.agenda.now))

    def _back_to_client(self, errand: _Errand, retry_after: Optional[float]) -> None:
        now = self.agenda.now
        again = self.people.request_refused(errand.actor, retry_after)
        self.tally.record_refused(now, now - errand.began, again)

    # --- out ----------------------------------------------------------------------------------

    def _dispatch(self, served: list[Waiter]) -> None:
        for waiter in served:
            assert waiter.lease is not None
            self._send(self._errands.pop(waiter), waiter.lease)

    def _send(self, errand: _Errand, lease: Lease) -> None:
        now, actor = self.agenda.now, errand.actor
        self.latest = Seen(now, actor.conversation, lease.decision)
        answer = self.quotas[lease.account].send(actor.conversation, actor.request, self.life, now)
        kind = self.fleet.record_response(lease, answer.status, answer.reading, now, actor.rng.random())
        if answer.status == 200:
            for suspect in errand.suspects:
                self.fleet.confirm_account_429(suspect, now, actor.rng.random())
            self.tally.record_served(actor, lease, answer, now, now - errand.began)
            end = partial(self._end, actor, lease, answer)
            self.agenda.schedule(now + actor.request.duration, end)
            return
        if kind is ResponseKind.UNAUTHORIZED:
            self.fleet.mark_auth_failed(lease, "the API refuses its login")
        if MEANINGS[kind].next is NextStep.HOP_ONCE:
            errand.suspects.append(lease)
        errand.ask = _without(errand.ask, lease.account)
        self.agenda.schedule(now + ON_THE_WIRE_SEC, partial(self._refused, errand, lease))

    def _refused(self, errand: _Errand, lease: Lease) -> None:
        self.fleet.settle_lease(lease, self.agenda.now)
        if len(errand.suspects) > 1:
            self._back_to_client(errand, None)
        else:
            self._seek(errand)
        self._changed()

    def _end(self, actor: ActiveSession, lease: Lease, answer: ApiResponse) -> None:
        self.quotas[lease.account].request_ended()
        self.fleet.settle_lease(lease, self.agenda.now, answer.usage, lease.request.model, served=True)
        self.people.request_served(actor)
        self._changed()


def _retry_after(wait: Wait, now: float) -> float:
    """Seconds as the proxy tells the client: until the first account is back, if one will be."""
    if wait.decision.account is not None:
        return BUSY_RETRY_SEC
    return NEVER if wait.decision.retry_at is None else max(1.0, wait.decision.retry_at - now)


def _without(ask: RoutingRequest, account: str) -> RoutingRequest:
    tried: tuple[str, ...] = (*ask.tried, account)
    return RoutingRequest(session=ask.session, agent=ask.agent, model=ask.model, cache_life=ask.cache_life, tried=tried)
