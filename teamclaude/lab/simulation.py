"""One run: clients, the real Fleet with its wait queue, and the API, in virtual time.

What the proxy does around the Fleet is done here in the same order: admit or wait, send, take in the
response, go to the next account after a refusal, settle.  No thread, no clock, no randomness but the seeded
one.
"""

from __future__ import annotations

from functools import partial
from typing import Optional

from ..routing.fleet import Fleet
from ..routing.response_kinds import MEANINGS, NextStep, ResponseKind
from ..routing.state.decision import NEVER, Decision, Lease, RoutingRequest, Wait
from ..routing.wait_queue import NO_WAIT, Waiter, WaitLimits, WaitQueue
from ..values import NamedTuple
from .api_model import ApiAccount, ApiResponse
from .clients import ActiveSession, ClientSessions
from .score import ScoreCounter

__all__ = ["SeenDecision", "Simulation"]

MODELS = {"opus": "claude-opus-4-8", "sonnet": "claude-sonnet-4-6", "haiku": "claude-haiku-4-5"}
BUSY_RETRY_SEC = 5.0  # what the proxy tells a client when every account is busy
ON_THE_WIRE_SEC = 0.3  # until a refusal has come back


class SeenDecision(NamedTuple):
    """What was decided for a request, and when."""

    at: float
    conversation: str
    decision: Decision


class _PendingRequest:
    """One request on its way: through the wait queue, perhaps to several accounts."""

    def __init__(self, session: ActiveSession, request: RoutingRequest, began: float) -> None:
        self.session = session
        self.request = request
        self.began = began
        self.suspects: list[Lease] = []


class Simulation:
    """Everything between the clients and the API's accounts."""

    def __init__(
        self,
        clients: ClientSessions,
        fleet: Fleet,
        api_accounts: dict[str, ApiAccount],
        counter: ScoreCounter,
        life: float,
        hold: float,
    ) -> None:
        self.clients = clients
        self.events = clients.events
        self.fleet = fleet
        self.wait_queue = WaitQueue(fleet)
        self.api_accounts = api_accounts
        self.counter = counter
        self.life = life
        self.hold = hold
        self._pending: dict[Waiter, _PendingRequest] = {}
        self._timer_at = NEVER
        self.last_decision: Optional[SeenDecision] = None
        clients.api = self

    # --- in -----------------------------------------------------------------------------------

    def submit(self, session: ActiveSession) -> None:
        """Send the session's request through the Fleet, beginning now."""
        request = RoutingRequest(
            session=session.session_id,
            agent=session.agent,
            model=MODELS.get(session.request.family, session.request.family),
            cache_life=self.life,
        )
        self._request_account(_PendingRequest(session, request, self.events.now))

    def _request_account(self, pending: _PendingRequest) -> None:
        now = self.events.now
        left = self.hold - (now - pending.began)
        limits = NO_WAIT if pending.suspects or left <= 0 else WaitLimits(left)
        waiter = Waiter(pending.request, limits, now)
        self._pending[waiter] = pending
        self._dispatch(self.wait_queue.enter(waiter, now))
        if waiter.lease is not None:
            self._dispatch([waiter])
        elif self.wait_queue.is_hopeless(waiter, now):
            self._record_decision(waiter, pending)
            self._refuse_waiter(waiter)
        else:
            self._record_decision(waiter, pending)
            self.wait_queue.add(waiter)
            self._set_timer()

    def _record_decision(self, waiter: Waiter, pending: _PendingRequest) -> None:
        assert waiter.wait is not None
        self.last_decision = SeenDecision(self.events.now, pending.session.conversation, waiter.wait.decision)

    # --- the wait queue -----------------------------------------------------------------------

    def _state_changed(self, account: Optional[str] = None) -> None:
        """Serve waiters after a change of routing state; refuse those for whom waiting is hopeless.

        `account` is the only one that changed, and for the better.
        """
        if not self.wait_queue.waiters:
            return
        now = self.events.now
        served = self.wait_queue.serve(now, account)
        for waiter in self.wait_queue.hopeless(now):
            self.wait_queue.leave(waiter, now)
            self._refuse_waiter(waiter)
        self._dispatch(served)
        self._set_timer()

    def _set_timer(self) -> None:
        due = self.wait_queue.next_due()
        if due < self._timer_at:
            self._timer_at = max(due, self.events.now + 0.001)
            self.events.schedule(self._timer_at, partial(self._on_timer, self._timer_at))

    def _on_timer(self, alarm: float) -> None:
        if alarm != self._timer_at:
            return
        self._timer_at = NEVER
        # As in the server: a walk of the queue since may have put off those whom the alarm was for.
        if self.wait_queue.is_any_due(self.events.now):
            self._state_changed()
        else:
            self._set_timer()

    def _refuse_waiter(self, waiter: Waiter) -> None:
        pending = self._pending.pop(waiter)
        assert waiter.wait is not None
        # After a bare 429 no other account is free: the client gets that answer as it came.
        nothing_said = bool(pending.suspects)
        self._refuse_client(pending, None if nothing_said else _retry_after(waiter.wait, self.events.now))

    def _refuse_client(self, pending: _PendingRequest, retry_after: Optional[float]) -> None:
        now = self.events.now
        again = self.clients.request_refused(pending.session, retry_after)
        self.counter.record_refused(now, now - pending.began, again)

    # --- out ----------------------------------------------------------------------------------

    def _dispatch(self, served: list[Waiter]) -> None:
        for waiter in served:
            assert waiter.lease is not None
            self._send(self._pending.pop(waiter), waiter.lease)

    def _send(self, pending: _PendingRequest, lease: Lease) -> None:
        now, session = self.events.now, pending.session
        self.last_decision = SeenDecision(now, session.conversation, lease.decision)
        response = self.api_accounts[lease.account].send(
            session.conversation, session.request, self.life, now
        )
        kind = self.fleet.record_response(lease, response.status, response.reading, now, session.rng.random())
        if response.status == 200:
            for suspect in pending.suspects:
                self.fleet.confirm_account_429(suspect, now, session.rng.random())
            self.counter.record_served(session, lease, response, now, now - pending.began)
            end = partial(self._response_ended, session, lease, response)
            self.events.schedule(now + session.request.duration, end)
            return
        if kind is ResponseKind.UNAUTHORIZED:
            self.fleet.mark_auth_failed(lease, "the API refuses its login")
        if MEANINGS[kind].next is NextStep.HOP_ONCE:
            pending.suspects.append(lease)
        pending.request = _without(pending.request, lease.account)
        self.events.schedule(now + ON_THE_WIRE_SEC, partial(self._refused, pending, lease))

    def _refused(self, pending: _PendingRequest, lease: Lease) -> None:
        self.fleet.settle_lease(lease, self.events.now)
        if len(pending.suspects) > 1:
            self._refuse_client(pending, None)
        else:
            self._request_account(pending)
        self._state_changed()

    def _response_ended(self, session: ActiveSession, lease: Lease, response: ApiResponse) -> None:
        self.api_accounts[lease.account].request_ended()
        self.fleet.settle_lease(lease, self.events.now, response.usage, lease.request.model, served=True)
        self.clients.request_served(session)
        self._state_changed(lease.account)


def _retry_after(wait: Wait, now: float) -> float:
    """Return the seconds that the proxy tells the client: until the first account is back, if one will be."""
    if wait.decision.account is not None:
        return BUSY_RETRY_SEC
    return NEVER if wait.decision.retry_at is None else max(1.0, wait.decision.retry_at - now)


def _without(ask: RoutingRequest, account: str) -> RoutingRequest:
    tried: tuple[str, ...] = (*ask.tried, account)
    return RoutingRequest(
        session=ask.session, agent=ask.agent, model=ask.model, cache_life=ask.cache_life, tried=tried
    )
