"""One inference or API request: attempt by attempt until an account has served it or none can.

Rules that hold in this file:

1. One attempt at a time; its lease is released exactly once, whatever happens.
2. Until the first byte has been sent to the client, a refusal moves on to the next account; afterwards
   nothing is retried.
3. `routing.response_kinds` says what a response means, `retry` what follows for the request; this file only
   carries it out.
4. A refusal (400 and above) is read before it is relayed, for at most 2 s: until then nobody knows whose
   fault it is, and a body that trickles must not hold a slot.
"""

from __future__ import annotations

from functools import partial
from typing import Optional, Union

from ...accounts.tokens.token_pair import Usability
from ...errors import (
    AccountError,
    ClientGoneError,
    ConnectFailedError,
    DrainingError,
    NoAccountAvailableError,
    TeamClaudeError,
    UpstreamLostError,
    UpstreamTimeoutError,
)
from ...routing.quota.usage import NO_USAGE, Usage
from ...routing.quota.windows import QuotaReading
from ...routing.response_kinds import UNSERVED_FROM, ResponseKind, classify, needs_body
from ...routing.state.decision import Lease
from ..http.content_coding import offers_readable
from ..http.header_rewrite import append_content_length
from ..http.path_kinds import PathKind
from ..messages.response_facts import error_message, is_api_error, is_thread_error, read_quota
from ..messages.unseen_tokens import unseen_tokens
from ..messages.usage_tap import UsageTap
from ..net.client_connection import ClientConnection
from ..net.coroutine import Deferred, RequestCoroutine
from ..net.transport import Transport
from ..net.upstream_connection import UpstreamResponse
from ..records.exchange import Attempt, Exchange, Outcome, outcome_of
from ..records.request_record import RequestRecord
from .account_targets import UpstreamTarget, with_account_uuid
from .acquire import AccountAcquirer
from .context import RequestContext
from .early_upload import EarlyRequest
from .hold import Hold
from .queued_request import QueuedRequest
from .refusals import Refusals
from .response_writer import KeptResponse, ResponseWriter, StreamRefusedError, make_tap
from .retry import Action, AttemptResult, Failure, Step
from .routing_request import record_owner

__all__ = ["Forwarder"]

UNREADABLE_USAGE = "its tokens are unknown: it came in a form that can't be read"


class Forwarder:
    """Carry one exchange to its end."""

    _streaming = False  # a response is being relayed: nothing is retried
    _step = Step(Action.AGAIN)  # how to get the next account
    _known_hold: Optional[Hold] = None
    _known_refusals: Optional[Refusals] = None
    _known_acquirer: Optional[AccountAcquirer] = None
    _no_route: Optional[Exception] = None  # why an account could not be connected to through its own proxy

    def __init__(
        self,
        context: RequestContext,
        exchange: Exchange,
        client: ClientConnection,
        log: Optional[RequestRecord],
        early: Optional[EarlyRequest] = None,
    ) -> None:
        config = context.config
        self._context = context
        self._exchange = exchange
        self._client = client
        self._log = log
        self._early = early  # sent while its body arrived, for the first attempt
        self._inference = exchange.route.kind is PathKind.INFERENCE
        self._transport = Transport(context.pool, client.watch, config.head_timeout_sec)
        self._writer = ResponseWriter(exchange, client, log, context)
        if config.limits_from_pool and self._inference:
            self._writer.pool_limits = partial(context.pool_limits, exchange.routing_request.model)

    def forward(self) -> RequestCoroutine[None]:
        """Forward until a response has been relayed.

        Raises the error to answer the client with, or ClientGoneError.
        """
        try:
            while True:
                found = self._acquire_now()
                lease = found if isinstance(found, Lease) else (yield from self._acquire(found))
                if lease is None:
                    yield self._relay_kept
                    return
                if (yield from self._attempt(lease)):
                    return
        except ClientGoneError:
            raise
        except TeamClaudeError as error:
            if not self._exchange.hold_committed or self._streaming:
                raise
            if isinstance(error, DrainingError) and self._hold.is_repeated_when_cut:
                self._exchange.end(outcome_of(error), str(error))
                raise
            yield partial(self._end_hold, error)

    # A request that is served at once by its first account needs none of these three.  Until Python 3.12 a
    # cached_property takes a lock: 2 % of the time of a request that waits for a slot.

    @property
    def _hold(self) -> Hold:
        if self._known_hold is None:
            context, exchange = self._context, self._exchange
            stream, commit_sec = exchange.facts.stream is True, context.config.hold_commit_sec
            draining = context.router.check_draining
            self._known_hold = Hold(exchange, self._client, stream, commit_sec, draining, context.monotonic)
            self._writer.hold = self._known_hold
        return self._known_hold

    @property
    def _refusals(self) -> Refusals:
        if self._known_refusals is None:
            self._known_refusals = Refusals(self._context, self._exchange)
        return self._known_refusals

    @property
    def _acquirer(self) -> AccountAcquirer:
        if self._known_acquirer is None:
            known = self._context, self._exchange, self._hold, self._refusals
            self._known_acquirer = AccountAcquirer(*known)
        return self._known_acquirer

    def _acquire_now(self) -> Union[Lease, QueuedRequest, None]:
        """Return the account for the first attempt if it can be had without waiting, as `Router`."""
        exchange = self._exchange
        if exchange.attempts:
            return None
        if self._early is not None:
            return self._early.lease
        limits_of = partial(self._context.wait_limits_of, exchange)
        return self._context.router.acquire_now(exchange.routing_request, limits_of)

    def _acquire(self, tried: Optional[QueuedRequest]) -> RequestCoroutine[Optional[Lease]]:
        step, self._step = self._step, Step(Action.AGAIN)
        try:
            return (yield from self._acquirer.acquire(step, tried))
        except AccountError:
            if self._no_route is not None:  # it may be back soon, which an AccountError denies
                raise self._no_route from None
            raise

    # --- one attempt ----------------------------------------------------------------------------

    def _attempt(self, lease: Lease) -> RequestCoroutine[bool]:
        """Return True when the client has its response."""
        context, exchange, early = self._context, self._exchange, self._early
        if early is None:
            target, is_fresh = context.targets.current.fresh_target(lease.account, context.clock())
        else:
            target, is_fresh, self._early = early.target, True, None
        tap, served, unreported = None, False, None
        attempt = Attempt(target.name if target is not None else lease.account, lease.decision)
        exchange.attempts.append(attempt)
        logged = self._log.attempt(attempt.account) if self._log is not None else None
        try:
            if not is_fresh:
                target = yield from self._refreshed_target(lease, attempt)
            elif target is None:
                self._account_removed(lease)
            if target is None:
                return False
            response = yield from self._send(target, early)
            head = response.head
            status = attempt.status = head.status
            if logged is not None:
                logged.answered(status, head.reason, head.headers)
            reading = attempt.reading = read_quota(head, context.clock())
            if status >= 400:
                yield from self._handle_refusal(lease, target, response, reading, attempt)
                return False
            kind = ResponseKind.SERVED
            if status >= UNSERVED_FROM:
                kind = classify(status, reading, self._inference)
            if response.has_whole_body and self._writer.pool_limits is None:
                unreported = (status, reading)  # reported with the release of the lease
            else:
                context.router.record_response(lease, status, reading)
            tap = make_tap(response)
            try:
                delivery = self._delivery(lease, response, attempt.account, tap, kind)
                if isinstance(delivery, Deferred):
                    # Alone in its turn a write need not be put off: yielding it takes 6 calls.
                    unsent = (yield delivery) if self._client.in_batch else delivery()
                    if unsent:
                        yield partial(self._client.send, unsent)
                else:
                    yield from delivery
            except BaseException:
                response.connection.close()
                raise
            self._transport.release(response)
            served = self._record_outcome(response, kind, tap)
            if served and exchange.route.kind is PathKind.API:
                record_owner(context.router, lease, exchange.head.method, exchange.route.path, tap.id)
            return True
        except StreamRefusedError as refused:
            attempt.note = str(refused)
            self._handle_stream_error(lease, refused)
            return False
        except (ConnectFailedError, UpstreamLostError) as lost:
            attempt.note = str(lost)
            if logged is not None:
                logged.failed(str(lost))
            failure = self._failure_of(lost, attempt, target)
            if failure is Failure.NO_ROUTE:
                self._no_route, self._refusals.reasons[lease.account] = lost, str(lost)
            self._step = self._refusals.add_failure(lease, failure)
            if self._step.action is Action.RAISE:
                raise
            return False
        finally:
            usage, model = self._count_usage(attempt, tap)
            context.router.release(lease, usage, model, served, unreported, attempt.unseen_tokens)

    def _refreshed_target(self, lease: Lease, attempt: Attempt) -> RequestCoroutine[Optional[UpstreamTarget]]:
        """Return the target once its token is usable; None when another account must be asked."""
        step = self._acquirer.skip_refresh(lease)
        if step is not None:
            attempt.note = "its token is being renewed, and nothing is cached there"
            self._step = step
            return None
        usability = yield from self._acquirer.check_token(lease.account)
        target = self._context.targets.current.target(lease.account)  # the token may be new
        if target is None:
            self._account_removed(lease)
        elif not usability:
            attempt.note = usability.reason
            self._step = self._acquirer.token_unusable(lease, usability)
            return None
        return target

    def _account_removed(self, lease: Lease) -> None:
        """Go on without an account that a reload has removed since it was chosen."""
        self._refusals.reasons[lease.account] = "no longer configured"
        self._step = self._refusals.add_failure(lease, Failure.REMOVED)

    def _count_usage(self, attempt: Attempt, tap: Optional[UsageTap]) -> tuple[Usage, Optional[str]]:
        """Add the attempt's tokens and cost to the exchange; return its tokens and the model."""
        exchange = self._exchange
        relayed = self._streaming and self._inference and (attempt.status or 500) < 400
        usage = tap.final_usage(relayed) if tap is not None else NO_USAGE
        model = (tap.model if tap is not None else None) or exchange.routing_request.model
        attempt.usage, attempt.model = usage, model
        if relayed and tap is not None and (tap.gave_up or (not tap.body_closed and tap.is_cut)):
            attempt.unseen_tokens = unseen_tokens(tap)
        total = exchange.usage = usage if exchange.usage is NO_USAGE else exchange.usage.plus(usage)
        price = self._context.prices[model]
        exchange.cost = total.cost(price)
        exchange.cost_estimated = price is not None and price.estimated and total.is_estimated(price)
        return usage, model

    def _send(
        self, target: UpstreamTarget, early: Optional[EarlyRequest]
    ) -> RequestCoroutine[UpstreamResponse]:
        exchange = self._exchange
        body = exchange.body
        if self._context.config.rewrite_account_uuid:
            body = with_account_uuid(body, exchange.facts, target.account_uuid)
        uncoded = exchange.hold_committed or (
            exchange.tokens_limited and not offers_readable(exchange.head.get_all("accept-encoding"))
        )
        head = target.request_head(exchange.head, exchange.memo, uncoded)
        if exchange.has_body:
            head = append_content_length(head, len(body))
        begun = None if early is None else (early.connection, early.rest)
        return self._transport.exchange(target.origin, exchange.head.method, head, body, begun=begun)

    def _delivery(
        self, lease: Lease, response: UpstreamResponse, account: str, tap: UsageTap, kind: ResponseKind
    ) -> Union[Deferred, RequestCoroutine[None]]:
        """Return what writes the response to the client; a `Deferred` returns what that did not take."""
        exchange, served = self._exchange, kind is ResponseKind.SERVED
        is_first = len(exchange.attempts) == 1
        confirms = served and not is_first
        if response.has_whole_body and not exchange.hold_committed and not tap.is_stream:
            self._streaming = True
            if confirms:
                self._refusals.confirm(lease)
            return Deferred(self._writer.write_whole, response, account, tap)
        probe = served and self._inference and (is_first or self._refusals.state.may_probe)
        on_start = partial(self._begin_response, lease, confirms)
        return self._writer.relay(response, account, tap, probe, on_start)

    def _begin_response(self, lease: Lease, confirms: bool) -> None:
        """Note that from now on nothing is retried; `confirms`: it shows whose fault refusals were."""
        self._streaming = True
        if confirms:
            self._refusals.confirm(lease)

    # --- attempts that failed -------------------------------------------------------------------

    def _handle_refusal(
        self,
        lease: Lease,
        target: UpstreamTarget,
        response: UpstreamResponse,
        reading: QuotaReading,
        attempt: Attempt,
    ) -> RequestCoroutine[None]:
        """Read a refusal, apply it to the account, and decide what the request does next."""
        head, read = response.head, partial(self._transport.read_kept_body, response)
        body: bytes = read() if response.has_whole_body else (yield read)
        message = error_message(head, body)
        if lease.request.continues_thread and is_thread_error(head, body):
            attempt.note = message
            self._step = self._refusals.thread_refused(KeptResponse(response, body, target.name))
            return
        from_api = not needs_body(head.status) or is_api_error(head, body)
        trust = self._context.router.trust_of(lease)
        kind = self._context.router.record_response(lease, head.status, reading, message, from_api)
        attempt.note = message or kind.value
        self._refusals.reasons[lease.account] = f"{head.status} {attempt.note}"
        result = AttemptResult(kind, lease.account, head.status, message, *trust)
        self._step = self._refusals.add(lease, result, KeptResponse(response, body, target.name))
        if kind is ResponseKind.UNAUTHORIZED:
            refused = Usability(False, message or "the API refused its credentials (401)")
            refreshes = self._step.action is Action.REFRESH
            usability = refused
            if refreshes:
                usability = yield from self._acquirer.after_401(lease.account, target, refused)
            if not usability:
                self._step = self._acquirer.token_unusable(lease, usability)

    def _handle_stream_error(self, lease: Lease, refused: StreamRefusedError) -> None:
        """Treat an error event before anything was relayed as the same error with a status."""
        is_limit = refused.kind == "rate_limit_error"
        self._context.router.record_response(lease, 429 if is_limit else 529, QuotaReading({}))
        failure = Failure.STREAM_LIMIT if is_limit else Failure.STREAM_ERROR
        self._step = self._refusals.add_failure(lease, failure)
        if self._step.avoid:
            self._refusals.reasons[lease.account] = str(refused)

    def _failure_of(self, lost: Exception, attempt: Attempt, target: Optional[UpstreamTarget]) -> Failure:
        if self._streaming:
            return Failure.CUT
        if isinstance(lost, ConnectFailedError) and target is not None and target.origin.via is not None:
            return Failure.NO_ROUTE
        if attempt.status is None:
            return Failure.NO_ANSWER
        return Failure.SILENT if isinstance(lost, UpstreamTimeoutError) else Failure.BODY_LOST

    def _relay_kept(self) -> None:
        """Relay what the API said of the request: no account serves it."""
        kept = self._refusals.kept
        assert kept is not None
        self._refusals.dismiss()
        self._writer.relay_kept(kept)

    # --- ends -----------------------------------------------------------------------------------

    def _record_outcome(self, response: UpstreamResponse, kind: ResponseKind, tap: UsageTap) -> bool:
        """Record the outcome of a completely relayed response; return True when it counts as served."""
        problem, unreadable = "", ""
        if kind is not ResponseKind.SERVED:
            problem = f"{response.head.status}"
        elif tap.error_type:
            problem = f"{tap.error_type}: {tap.error_message}"
        elif self._writer.sent_as_event:
            problem = f"{response.head.status}, but nothing that can follow a hold"
        elif self._inference and tap.is_stream and not tap.saw_stop:
            problem = "the stream ended without message_stop"
        if tap.gave_up and self._inference:
            unreadable = UNREADABLE_USAGE
        self._exchange.end(Outcome.UPSTREAM_ERROR if problem else Outcome.SERVED, problem or unreadable)
        return not problem

    def _end_hold(self, error: TeamClaudeError) -> None:
        """End the request whose hold has begun its response with an error event."""
        self._hold.refuse(error)
        conversation = self._exchange.routing_request.conversation
        if isinstance(error, NoAccountAvailableError) and conversation is not None:
            self._context.recently_refused.add(conversation)
        self._exchange.end(outcome_of(error), str(error))
