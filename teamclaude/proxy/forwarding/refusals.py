"""The failed attempts of one request, and what they mean for the accounts.

Rules that hold in this file:

1. A refusal that may be the account's fault or the request's stays open until another account answers.
2. When another account serves the request, the refusals are the accounts' own (`confirm`): a bare 429 benches
   the account, any other refusal keeps such requests away from it.  When none serves it, or the refusals
   can't be compared, they are the request's own fault and no account is touched (`dismiss`).  Bare 429s alone
   decide nothing: an outage or another 4xx that comes after them is relayed, and they stay suspicions.
3. What several accounts have just refused alike is sent to one account only for a minute, when the same
   client asks; what all accounts, more than two, have refused is sent to two, whoever asks.
"""

from __future__ import annotations

from typing import Optional

from ...routing.response_kinds import ResponseKind
from ...routing.state.decision import Lease, Reason
from ...routing.wait_queue import WaitLimits
from ...values import NamedTuple
from ..http.path_kinds import PathKind
from ..records.exchange import Exchange
from .context import RequestContext
from .response_writer import KeptResponse
from .retry import Action, AttemptResult, Failure, RetryConditions, RetryState, Step, next_step

__all__ = ["Refusals"]


class _OpenRefusal(NamedTuple):
    lease: Lease
    result: AttemptResult
    kept: KeptResponse


class Refusals:
    """Carry the retry state of one request; `reasons` says why each account did not serve it."""

    def __init__(self, context: RequestContext, exchange: Exchange) -> None:
        self._context = context
        self._exchange = exchange
        self.state = RetryState()
        self.reasons: dict[str, str] = {}  # by account key
        self._open: list[_OpenRefusal] = []  # in the order of `state.ambiguous`
        self._last: Optional[KeptResponse] = None  # of a refusal that is not ambiguous
        self._all_asked = False

    @property
    def kept(self) -> Optional[KeptResponse]:
        """The response to relay when no account serves the request.

        A bare 429 says least: what another account said after it is why the request fails.
        """
        if self._last is not None and self._only_bare:
            return self._last
        return self._open[self.state.relay_index].kept if self._open else None

    @property
    def _only_bare(self) -> bool:
        return all(refusal.result.kind is ResponseKind.BARE for refusal in self._open)

    def add(self, lease: Lease, result: AttemptResult, kept: KeptResponse) -> Step:
        """Take in one more refusal and return the step that follows."""
        self.state, step = next_step(self.state, result, self._conditions(lease, result))
        self._all_asked = step.action is Action.ANOTHER  # unless another one is found
        is_open = bool(self.state.ambiguous) and self.state.ambiguous[-1] is result
        if is_open:
            self._open.append(_OpenRefusal(lease, result, kept))
        # None: an outage met before is no longer why the request fails.
        self._last = kept if step.action in (Action.RELAY, Action.AGAIN) and not is_open else None
        return step

    def add_failure(self, lease: Lease, failure: Failure) -> Step:
        """Take in an attempt that failed without a refusal and return the step that follows."""
        conditions = RetryConditions(stays=_stays(lease))
        self.state, step = next_step(self.state, AttemptResult(failure, lease.account), conditions)
        return step

    def thread_refused(self, kept: KeptResponse) -> Step:
        """Relay that the request's thread is not known: no other account has it, and none is at fault.

        The client sends the whole conversation then; that settles what an earlier refusal was about.
        """
        self._open.clear()
        self._last = kept
        return Step(Action.RELAY)

    def wait_limits(self, limits: WaitLimits) -> WaitLimits:
        """Limit the wait for another account: for a slot of an open one, not for the end of a bench."""
        if not self._open:
            return limits
        if self._only_bare:
            return limits.for_slot_only()
        return limits.for_slot_only(self._context.config.upstream_retry_budget_sec)

    def confirm(self, server: Lease) -> None:
        """Record that the account of `server` serves the request: the refusals were the accounts' own."""
        for lease, result, _ in self._open:
            self._context.recently_refused.discard(self._key(result))
            self._context.recently_refused.discard(self._shared_key(result))
            if not lease.request.needs_slot or lease.account == server.account:
                continue
            if result.kind is ResponseKind.BARE:
                self._context.router.confirm_account_429(lease)
            elif result.kind is ResponseKind.CREDENTIAL:
                self._context.router.record_account_refusal(lease, result.message)
        self._open.clear()

    def dismiss(self) -> None:
        """Record that no account serves the request: the refusals count as its own fault.

        Nothing is settled where another answer than theirs is relayed: then they stay suspicions.
        """
        if self._last is not None and self._only_bare:
            return
        if self._open:
            self._context.router.record_request_fault([refusal.lease for refusal in self._open])
        for place, refusal in enumerate(self._open):
            if any(refusal.result.is_like(other.result) for other in self._open[:place]):
                self._context.recently_refused.add(self._key(refusal.result))
                if self._all_asked and place > 1:
                    self._context.recently_refused.add(self._shared_key(refusal.result))

    def _conditions(self, lease: Lease, result: AttemptResult) -> RetryConditions:
        context, exchange = self._context, self._exchange
        return RetryConditions(
            inference=exchange.route.kind is PathKind.INFERENCE,
            elapsed=exchange.duration,
            budget=context.config.upstream_retry_budget_sec,
            prefix=context.router.cached_prefix(exchange.routing_request),
            may_hop=self._key(result) not in context.recently_refused,
            may_doubt=self._shared_key(result) not in context.recently_refused,
            stays=_stays(lease),
            account_open=context.router.is_open(lease),
            jitter=context.jitter(),
        )

    def _key(self, result: AttemptResult) -> tuple[object, ...]:
        """Return what is alike: of bare 429s the model and the betas, else the client and the message."""
        request = self._exchange.routing_request
        if result.kind is ResponseKind.BARE:
            return (result.kind, request.scope)
        path, message = self._exchange.route.path, result.normalized_message
        return (result.kind, request.requester, path, result.status, message)

    def _shared_key(self, result: AttemptResult) -> tuple[object, ...]:
        """Return what is alike, whoever asks."""
        scope, path = self._exchange.routing_request.scope, self._exchange.route.path
        return (result.kind, scope, path, result.normalized_message)


def _stays(lease: Lease) -> bool:
    """Return whether the account keeps the thread that the request continues."""
    return lease.decision.reason == Reason.THREAD
