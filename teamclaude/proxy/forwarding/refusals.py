"""The accounts that refused one request, and the verdict on each.

Rules that hold in this file:

1. What may be about the account or about the request stays open until another account's answer tells.
2. Whoever refused what another account then served is told so (`convict`): a bare 429 benches, anything else
   sidelines.  Whoever refused what others refused alike, or could not be compared, is not touched (`acquit`).
3. What several accounts have just refused alike is asked of one account only for a while; what all
   have refused, more than two, is asked of two, whoever asks.
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple, Optional

from ...routing.response_kinds import ResponseKind
from ...routing.state.decision import Lease
from ...routing.wait_queue import WaitLimits
from ..http.path_kinds import PathKind
from ..records.exchange import Exchange
from .context import RequestContext
from .response_writer import KeptResponse
from .retry import Action, Refusal, RetryConditions, RetryState, Step, next_step

__all__ = ["Refusals"]


class _OpenRefusal(NamedTuple):
    lease: Lease
    refusal: Refusal
    kept: KeptResponse


class Refusals:
    """Of one request; `kept` is the answer to relay when nobody serves it."""

    def __init__(self, context: RequestContext, exchange: Exchange) -> None:
        self._context = context
        self._exchange = exchange
        self._retry = RetryState()
        self._open: list[_OpenRefusal] = []  # in the order of the state's suspicions
        self._last: Optional[KeptResponse] = None  # of what is no suspicion
        self._all_asked = False

    @property
    def kept(self) -> Optional[KeptResponse]:
        """What the API said of the request, as far as it is worth relaying."""
        return self._open[self._retry.relay_index].kept if self._open else self._last

    def add(self, lease: Lease, refusal: Refusal, kept: KeptResponse) -> Step:
        """One more refusal: what the request does next."""
        self._retry, step = next_step(self._retry, refusal, self._conditions(refusal))
        self._all_asked = step.action is Action.ANOTHER  # unless one more is found
        if self._retry.ambiguous and self._retry.ambiguous[-1] is refusal:
            self._open.append(_OpenRefusal(lease, refusal, kept))
        elif step.action in (Action.RELAY, Action.AGAIN):
            self._last = kept
        else:
            self._last = None  # an outage that was met before is no longer why it fails
        return step

    def patience(self, patience: WaitLimits) -> WaitLimits:
        """How long to wait for another account: for a slot of one that is open, for no end of a bench."""
        if not self._open:
            return patience
        if all(suspect.refusal.kind is ResponseKind.BARE for suspect in self._open):
            return patience.for_slot_only()
        return patience.for_slot_only(self._context.config.upstream_retry_budget_sec)

    def confirm(self, server: Lease) -> None:
        """This account serves the request."""
        for suspect in self._open:
            self._context.recently_refused.discard(self._key(suspect.refusal))
            self._context.recently_refused.discard(self._shared_key(suspect.refusal))
            if not suspect.lease.request.needs_slot or suspect.lease.account == server.account:
                continue
            if suspect.refusal.kind is ResponseKind.BARE:
                self._context.router.confirm_account_429(suspect.lease)
            elif suspect.refusal.kind is ResponseKind.CREDENTIAL:
                self._context.router.sideline(suspect.lease, suspect.refusal.words)
        self._open.clear()

    def dismiss(self) -> None:
        """Nobody serves it: that counts as the request's own fault."""
        if self._open:
            self._context.router.dismiss_suspicion([suspect.lease for suspect in self._open])
        for place, suspect in enumerate(self._open):
            if any(suspect.refusal.is_like(other.refusal) for other in self._open[:place]):
                self._context.recently_refused.add(self._key(suspect.refusal))
                if self._all_asked and place > 1:
                    self._context.recently_refused.add(self._shared_key(suspect.refusal))

    def _conditions(self, refusal: Refusal) -> RetryConditions:
        exchange = self._exchange
        return RetryConditions(
            inference=exchange.route.kind is PathKind.INFERENCE,
            elapsed=time.monotonic() - exchange.started,
            budget=self._context.config.upstream_retry_budget_sec,
            prefix=self._context.router.cached_prefix(exchange.routing_request),
            may_hop=self._key(refusal) not in self._context.recently_refused,
            may_doubt=self._shared_key(refusal) not in self._context.recently_refused,
            jitter=random.random(),
        )

    def _key(self, refusal: Refusal) -> tuple[object, ...]:
        """What is alike: of bare 429s the model and the betas, else the conversation and the words."""
        ask = self._exchange.routing_request
        if refusal.kind is ResponseKind.BARE:
            return (refusal.kind, ask.scope)
        return (
            refusal.kind,
            ask.requester,
            self._exchange.route.path,
            refusal.status,
            refusal.normalized_words,
        )

    def _shared_key(self, refusal: Refusal) -> tuple[object, ...]:
        """What is alike, whoever asks."""
        return (
            refusal.kind,
            self._exchange.routing_request.scope,
            self._exchange.route.path,
            refusal.normalized_words,
        )
