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
)
from ...routing.quota.usage import NO_USAGE, UNMEASURED, Usage
from ...routing.quota.windows import QuotaReading
from ...routing.response_kinds import UNSERVED_FROM, ResponseKind, classify, needs_body
from ...routing.state.decision import Lease
from ...routing.wait_queue import WaitLimits
from ..http.content_coding import offers_readable
from ..http.header_rewrite import append_content_length, header_value, render_named_head
from ..http.path_kinds import PathKind
from ..messages.findings import NOTHING, read_document
from ..messages.response_facts import error_message, is_api_error, is_thread_error, read_quota
from ..messages.usage_tap import findings_by_tap
from ..net.coroutine import Deferred, RequestCoroutine
from ..net.upstream_connection import UpstreamResponse
from ..records.exchange import Attempt, Outcome, outcome_of
from .account_targets import UpstreamTarget, with_account_uuid
from .acquire import sleep_briefly
from .early_upload import EarlyRequest
from .queued_request import QueuedRequest
from .request_parts import RequestParts
from .response_writer import KeptResponse, StreamRefusedError, make_tap
from .retry import Action, AttemptResult, Failure, Step, failure_of
from .routing_request import record_owner

__all__ = ["Forwarder"]

_API, _SERVED, _WAS_SERVED = PathKind.API, ResponseKind.SERVED, Outcome.SERVED
UNREADABLE_USAGE = "its tokens are unknown: it came in a form that can't be read"


class Forwarder(RequestParts):
    """Carry one exchange to its end."""

    _streaming = False  # a response is being relayed: nothing is retried
    _step = Step(Action.AGAIN)  # how to get the next account
    _found = NOTHING  # in the response of this attempt
    _no_route: Optional[Exception] = None  # why an account could not be connected to through its own proxy

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

    def _acquire_now(self) -> Union[Lease, QueuedRequest, None]:
        """Return the account for the first attempt if it can be had without waiting, as `Router`."""
        exchange = self._exchange
        if exchange.attempts:
            return None
        if self._early is not None:
            return self._early.lease
        return self._context.router.acquire_now(exchange.routing_request, self._wait_limits)

    def _wait_limits(self) -> WaitLimits:
        return self._context.wait_limits_of(self._exchange)

    def _acquire(self, queued: Optional[QueuedRequest]) -> RequestCoroutine[Optional[Lease]]:
        step, self._step = self._step, Step(Action.AGAIN)
        try:
            if queued is not None:
                lease = yield from sleep_briefly(queued, self._exchange, self._context)
                if lease is not None:
                    return lease
            return (yield from self._acquirer.acquire(step, queued))
        except BaseException as error:
            if queued is not None:
                self._context.router.leave(queued)
            if isinstance(error, AccountError) and self._no_route is not None:
                raise self._no_route from None  # it may be back soon, which an AccountError denies
            raise

    # --- one attempt ----------------------------------------------------------------------------

    def _attempt(self, lease: Lease) -> RequestCoroutine[bool]:
        """Return True when the client has its response."""
        context, exchange, client, early = self._context, self._exchange, self._client, self._early
        if early is None:
            target, is_fresh = context.targets.current.fresh_target(lease.account, context.clock())
        else:
            target, is_fresh, self._early = early.target, True, None
        served, unreported, self._found = False, None, NOTHING
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
            kind = _SERVED
            if status >= UNSERVED_FROM:
                kind = classify(status, reading, self._inference)
            if response.has_whole_body and not self._shows_pool:
                unreported = (status, reading)  # reported with the release of the lease
            else:
                context.router.record_response(lease, status, reading)
            try:
                if response.has_whole_body and not (exchange.hold_committed or head.form.is_event_stream):
                    self._begin_response(lease, kind)
                    body, framing = response.take_whole_body(), response.framing
                    exchange.response_started(status)
                    # Nearly always; then no writer is needed, which with the tap takes 6 % of the bytecodes.
                    if self._log is None and not self._shows_pool and exchange.keeps_open:
                        data = render_named_head(head, framing, header_value(target.name), exchange.id) + body
                    else:
                        data = self._writer.head(response, target.name, framing) + body
                    try:
                        # Alone in its turn a write need not be put off: yielding it takes 6 calls.
                        if client.in_batch:
                            sent = yield Deferred(client.send_nowait, data)
                        else:
                            sent = client.send_nowait(data)
                        if sent < len(data):
                            yield partial(client.send, memoryview(data)[sent:])
                    finally:  # the client first; tokens are counted even when it does not take the response
                        self._found = read_document(head.form, body) or findings_by_tap(head.form, body)
                        if self._log is not None:
                            self._log.response.add(body)
                else:
                    yield from self._relay(lease, response, attempt.account, kind)
            except BaseException:
                response.connection.close()
                raise
            context.transport.release(response)
            served = self._record_outcome(response, kind)
            if served and exchange.route.kind is _API:
                made = self._found.id
                record_owner(context.router, lease, exchange.head.method, exchange.route.path, made)
            return True
        except StreamRefusedError as refused:
            attempt.note = str(refused)
            self._handle_stream_error(lease, refused)
            return False
        except (ConnectFailedError, UpstreamLostError) as lost:
            if logged is not None:
                logged.failed(str(lost))
            self._step = self._step_after(lost, lease, attempt, target)
            if self._step.action is Action.RAISE:
                raise
            return False
        finally:
            usage, model = self._count_usage(attempt)
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

    def _count_usage(self, attempt: Attempt) -> tuple[Usage, Optional[str]]:
        """Add the attempt's tokens and cost to the exchange; return its tokens and the model."""
        exchange, found = self._exchange, self._found
        usage, model = found.usage, found.model or exchange.routing_request.model
        if self._streaming and self._inference:
            if found.unmeasured:
                usage = usage.plus(UNMEASURED)
            if found.unseen_tokens:
                attempt.unseen_tokens = found.unseen_tokens
        attempt.usage, attempt.model = usage, model
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
        watch, method = self._client.watch, exchange.head.method
        return self._context.transport.exchange(watch, target.origin, method, head, body, begun=begun)

    def _relay(
        self, lease: Lease, response: UpstreamResponse, account: str, kind: ResponseKind
    ) -> RequestCoroutine[None]:
        """Relay a stream, or what else did not come whole with its head."""
        tap, probe = make_tap(response), False
        if kind is ResponseKind.SERVED and self._inference:
            probe = len(self._exchange.attempts) == 1 or self._refusals.state.may_probe
        on_start = partial(self._begin_response, lease, kind)
        try:
            yield from self._writer.relay(response, account, tap, probe, on_start)
        finally:
            self._found = tap.findings

    def _begin_response(self, lease: Lease, kind: ResponseKind) -> None:
        """Note that from now on nothing is retried; one that is served shows whose fault refusals were."""
        self._streaming = True
        if len(self._exchange.attempts) > 1 and kind is ResponseKind.SERVED:
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
        head = response.head
        read = partial(self._context.transport.read_kept_body, self._client.watch, response)
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

    def _step_after(
        self, lost: Exception, lease: Lease, attempt: Attempt, target: Optional[UpstreamTarget]
    ) -> Step:
        """Return what follows for the request once the upstream of an attempt is lost."""
        attempt.note = str(lost)
        if self._streaming:
            failure = Failure.CUT
        else:
            failure = failure_of(lost, attempt.status, target is not None and target.origin.via is not None)
        if failure is Failure.NO_ROUTE:
            self._no_route, self._refusals.reasons[lease.account] = lost, str(lost)
        return self._refusals.add_failure(lease, failure)

    def _relay_kept(self) -> None:
        """Relay what the API said of the request: no account serves it."""
        kept = self._refusals.kept
        assert kept is not None
        self._refusals.dismiss()
        self._writer.relay_kept(kept)

    # --- ends -----------------------------------------------------------------------------------

    def _record_outcome(self, response: UpstreamResponse, kind: ResponseKind) -> bool:
        """Record the outcome of a completely relayed response; return True when it counts as served."""
        problem, unreadable, found = "", "", self._found
        if kind is not _SERVED:
            problem = f"{response.head.status}"
        elif found.error:
            problem = found.error
        elif self._known_writer is not None and self._known_writer.sent_as_event:
            problem = f"{response.head.status}, but nothing that can follow a hold"
        elif found.unfinished and self._inference:
            problem = "the stream ended without message_stop"
        if found.gave_up and self._inference:
            unreadable = UNREADABLE_USAGE
        self._exchange.end(Outcome.UPSTREAM_ERROR if problem else _WAS_SERVED, problem or unreadable)
        return not problem

    def _end_hold(self, error: TeamClaudeError) -> None:
        """End the request whose hold has begun its response with an error event."""
        self._hold.refuse(error)
        conversation = self._exchange.routing_request.conversation
        if isinstance(error, NoAccountAvailableError) and conversation is not None:
            self._context.recently_refused.add(conversation)
        self._exchange.end(outcome_of(error), str(error))
