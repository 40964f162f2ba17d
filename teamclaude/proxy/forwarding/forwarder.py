"""One inference or API request: account by account until one answers or none can.

Rules that hold in this file:

1. One attempt at a time; its lease is settled exactly once, whatever happens.
2. Before the first byte reached the client every account's refusal leads on; after it nothing does.
3. What an answer means is read off the table in `routing.answers`, what follows for the request in `retry`;
   here it is only carried out.
4. A refusal (400 and above) is read before it is relayed, for two seconds at most: until then nobody has
   decided whose fault it is, and a body that trickles must not hold a slot.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Optional

from ...accounts.tokens.token_pair import Usability
from ...errors import (
    ClientGoneError,
    ConnectFailedError,
    NoAccountAvailableError,
    TeamClaudeError,
    UpstreamLostError,
    UpstreamTimeoutError,
)
from ...routing.quota.model_prices import cost, is_estimated, price_of
from ...routing.quota.usage import NO_USAGE
from ...routing.quota.windows import QuotaReading
from ...routing.response_kinds import ResponseKind, classify, needs_body
from ...routing.state.decision import Decision, Lease, RoutingRequest
from ..http.header_rewrite import append_content_length
from ..http.path_kinds import PathKind
from ..messages.response_facts import error_message, is_api_error, read_quota
from ..messages.usage_tap import UsageTap
from ..net.client_connection import ClientConnection
from ..net.coroutine import Deferred, RequestCoroutine
from ..net.socket_wait import run_in_thread
from ..net.transport import Transport
from ..net.upstream_connection import UpstreamResponse
from ..records.exchange import Attempt, Exchange, Outcome, outcome_of
from ..records.request_record import RequestRecord
from .account_targets import UpstreamTarget
from .account_uuid import with_account_uuid
from .context import RequestContext
from .hold import Hold
from .no_account_error import NEEDS_OPERATOR, no_account_error
from .refusals import Refusals
from .resource_ids import record_owner
from .response_writer import KeptResponse, ResponseWriter, StreamRefusedError, make_tap
from .retry import FIRST_BACKOFF_SEC, Action, Refusal
from .router import NO_WAIT, NoUsableAccountError, WaitLimits

__all__ = ["Forwarder"]

UNREADABLE_USAGE = "its tokens are unknown: it came in a form that can't be read"
MAX_REFUSED_STREAMS = 2  # further ones are relayed as they are


class Forwarder:
    """Carries one exchange to its end."""

    # What is so as long as nothing goes wrong.
    _refused_streams = 0  # streams that began with an error event
    _lost_bodies = 0  # answers that broke off before a byte of them was relayed
    _streaming = False  # an answer is on its way: nothing is retried
    _pause = 0.0  # seconds to wait before the next attempt
    _avoid_once: Optional[str] = None  # account instead of which another one is tried first, if free
    _must_relay = False  # nobody else is to be tried: the kept answer is relayed

    def __init__(
        self,
        context: RequestContext,
        exchange: Exchange,
        client: ClientConnection,
        log: Optional[RequestRecord],
    ) -> None:
        self._context = context
        self._config = context.config
        self._exchange = exchange
        self._client = client
        self._log = log
        self._transport = Transport(context.pool, client.watch, context.config.head_timeout_sec)
        stream = exchange.facts.stream is True
        commit_sec, draining = context.config.hold_commit_sec, context.router.check_draining
        self._hold = Hold(exchange, client, stream, commit_sec, draining)
        idle_sec = context.config.body_idle_timeout_sec
        self._writer = ResponseWriter(exchange, client, log, self._hold, idle_sec, context.event_loop)
        self._inference = exchange.route.kind is PathKind.INFERENCE
        self._request = exchange.routing_request
        self._refusals = Refusals(context, exchange)
        self._refusal_reasons: dict[str, str] = {}  # account key -> why it refused this request
        self._auth_failed: set[str] = set()  # answered with 401 or 403
        self._retried_after_refresh: set[str] = set()  # accounts tried again with newer credentials
        self._skipped_for_refresh: set[str] = (
            set()
        )  # accounts whose token is being renewed, if others can serve

    def steps(self) -> RequestCoroutine[None]:
        """Forward until an answer has been relayed; raises what the client is to be told, or ClientGone."""
        try:
            while True:
                lease = self._acquire_now() or (yield self._acquire)
                if lease is None:
                    yield self._relay_kept
                    return
                if (yield from self._attempt(lease)):
                    return
        except ClientGoneError:
            raise
        except TeamClaudeError as error:
            if not self._hold.committed or self._streaming:
                raise
            yield partial(self._end_hold, error)

    # --- an account -----------------------------------------------------------------------------

    def _acquire_now(self) -> Optional[Lease]:
        """The first account to try, if it can be had at once."""
        if self._exchange.attempts:
            return None
        return self._context.router.acquire_now(self._request, self._patience())

    def _acquire(self) -> Optional[Lease]:
        """The next account to try; None when the kept answer is the best there is."""
        if self._must_relay:
            return None
        if self._pause:
            # Here, between two leases: a slot is not held while nothing is sent.
            self._hold.pause(self._pause)
            self._pause = 0.0
        avoided, self._avoid_once = self._avoid_once, None
        if avoided is not None:
            with suppress(NoUsableAccountError):
                beside = self._request._replace(tried=(*self._request.tried, avoided), detour=True)
                return self._try_acquire(beside, NO_WAIT)
        if self._auth_failed:
            # Accounts that refuse their login are not worth waiting for: look before holding.
            try:
                return self._try_acquire(self._request, NO_WAIT)
            except NoUsableAccountError as nothing:
                if self._is_final_refusal(nothing.decision):
                    raise self._no_account(nothing.decision) from None
        try:
            return self._try_acquire(self._request, self._patience())
        except NoUsableAccountError as nothing:
            if self._refusals.kept is not None:
                return None
            raise self._no_account(nothing.decision) from None

    def _try_acquire(self, ask: RoutingRequest, patience: WaitLimits) -> Lease:
        exchange, router = self._exchange, self._context.router
        exchange.waiting_since = time.monotonic()
        try:
            waits = exchange.wait_recorder(self._context.clock, router.outlook)
            return router.acquire(ask, patience, self._hold.on_tick, waits)
        finally:
            exchange.end_wait()
            exchange.waited += time.monotonic() - exchange.waiting_since
            exchange.waiting_since = None

    def _is_final_refusal(self, decision: Decision) -> bool:
        """Every account refused the login behind this request, or can't serve without a person's help."""
        if decision.account is not None:
            return False  # only busy
        return all(e.account in self._auth_failed or e.rule in NEEDS_OPERATOR for e in decision.excluded)

    def _no_account(self, decision: Decision) -> TeamClaudeError:
        self._exchange.attempts.append(Attempt("", decision, note=decision.reason))
        final = self._is_final_refusal(decision)
        now, names = self._context.clock(), self._context.router.names()
        return no_account_error(decision, names, self._refusal_reasons, final, now, random.random())

    def _patience(self) -> WaitLimits:
        conversation = self._request.conversation
        refused = conversation is not None and conversation in self._context.recently_refused
        if refused or not self._inference:
            return NO_WAIT
        patience = self._context.wait_limits[self._exchange.facts.stream is True]
        return self._refusals.patience(patience.remaining(self._context.clock() - self._exchange.at))

    # --- one attempt ----------------------------------------------------------------------------

    def _attempt(self, lease: Lease) -> RequestCoroutine[bool]:
        """True when the client has its answer."""
        # Asked before the token is taken: what is good now may be replaced, but not have ended.
        is_good = self._context.token_manager.is_fresh(lease.account)
        way = self._context.targets().target(lease.account)
        exchange, tap = self._exchange, None
        served, unsaid = False, None
        attempt = Attempt(way.name if way is not None else lease.account, lease.decision)
        exchange.attempts.append(attempt)
        logged = self._log.attempt(attempt.account) if self._log is not None else None
        try:
            if not is_good and self._may_skip_refresh(lease):
                attempt.note = "its token is being renewed, and nothing is cached there"
                return False
            if not is_good:
                standing = yield partial(self._check_token, lease.account)
                way = self._context.targets().target(lease.account)  # with the token that may be new
                if way is not None and not standing:
                    attempt.note = standing.reason
                    self._token_unusable(lease, standing)
                    return False
            if way is None:  # removed by a reload since it was chosen
                self._exclude(lease, "no longer configured")
                return False
            answer = yield from self._send(way)
            attempt.status = answer.head.status
            if logged is not None:
                logged.answered(answer.head.status, answer.head.reason, answer.head.headers)
            reading = attempt.reading = read_quota(answer.head, self._context.clock())
            if answer.head.status >= 400:
                yield partial(self._handle_refusal, lease, way, answer, reading, attempt)
                return False
            kind = classify(answer.head.status, reading, self._inference)
            if answer.has_whole_body:
                unsaid = (answer.head.status, reading)  # until it is sent: then all is told at once
            else:
                self._context.router.apply_response(lease, answer.head.status, reading)
            tap = make_tap(answer)
            as_it_is = yield from self._deliver(lease, answer, attempt.account, tap, kind)
            served = self._record_outcome(answer, kind, tap, as_it_is)
            if served and exchange.route.kind is PathKind.API:
                record_owner(self._context.router, lease, exchange.head.method, exchange.route.path, tap.id)
            return True
        except StreamRefusedError as refused:
            attempt.note = str(refused)
            self._handle_stream_error(lease, refused)
            return False
        except (ConnectFailedError, UpstreamLostError) as lost:
            attempt.note = str(lost)
            if logged is not None:
                logged.failed(str(lost))
            if attempt.status is None or self._streaming or self._lost_bodies:
                raise
            if isinstance(lost, UpstreamTimeoutError):
                raise  # it may still be running, and billed
            self._lost_bodies += 1  # its head came, but the client has nothing yet: once more
            return False
        finally:
            relayed = self._streaming and self._inference and (attempt.status or 500) < 400
            usage = tap.final_usage(relayed) if tap is not None else NO_USAGE
            model = (tap.model if tap is not None else None) or self._request.model
            exchange.usage = exchange.usage.plus(usage)
            price = price_of(model, self._config.pricing)
            exchange.cost = cost(exchange.usage, price)
            exchange.cost_estimated = is_estimated(exchange.usage, price)
            self._context.router.release(lease, usage, model, served, unsaid)

    def _send(self, way: UpstreamTarget) -> RequestCoroutine[UpstreamResponse]:
        exchange = self._exchange
        body = exchange.body
        if self._config.rewrite_account_uuid:
            body = with_account_uuid(body, exchange.facts, way.account_uuid)
        head = way.request_head(exchange.head, exchange.memo, self._hold.committed)
        if exchange.has_body:
            head = append_content_length(head, len(body))
        return self._transport.exchange(way.origin, exchange.head.method, head, body)

    def _deliver(
        self, lease: Lease, answer: UpstreamResponse, account: str, tap: UsageTap, kind: ResponseKind
    ) -> RequestCoroutine[bool]:
        served = kind is ResponseKind.SERVED

        def begun() -> None:
            self._streaming = True
            if served:
                self._refusals.confirm(lease)

        probe = served and self._inference and self._refused_streams < MAX_REFUSED_STREAMS
        try:
            if self._writer.is_immediate(answer, tap):
                unsent = yield Deferred(self._writer.write_whole, answer, account, tap, begun)
                if unsent:
                    yield partial(self._client.send, unsent)
                as_it_is = True
            else:
                as_it_is = yield partial(self._writer.relay, answer, account, tap, probe, begun)
        except BaseException:
            answer.connection.close()
            raise
        self._transport.release(answer)
        return as_it_is

    # --- answers that lead on -------------------------------------------------------------------

    def _handle_refusal(
        self,
        lease: Lease,
        way: UpstreamTarget,
        answer: UpstreamResponse,
        reading: QuotaReading,
        attempt: Attempt,
    ) -> None:
        """Take in a refusal: what it means for the account, and what the request does next."""
        head, body = answer.head, self._transport.read_kept_body(answer)
        words = error_message(head, body)
        api_words = not needs_body(head.status) or is_api_error(head, body)
        credit = self._context.router.trust_of(lease)
        kind = self._context.router.apply_response(lease, head.status, reading, words, api_words)
        attempt.note = words or kind.value
        self._refusal_reasons[lease.account] = f"{head.status} {attempt.note}"
        refusal = Refusal(kind, head.status, words, *credit)
        step = self._refusals.add(lease, refusal, KeptResponse(answer, body, way.name))
        if kind is ResponseKind.UNAUTHORIZED:
            self._handle_401(lease, way, words)
        elif kind is ResponseKind.FORBIDDEN:
            self._auth_failed.add(lease.account)
        elif step.action is Action.ANOTHER:
            self._exclude(lease, "")
        elif step.action is Action.OTHERS and self._context.router.is_open(lease):
            # It refused, but nothing we know keeps it from being taken again at once: a hot loop.
            self._exclude(lease, attempt.note)
        self._pause = step.pause
        self._avoid_once = lease.account if step.elsewhere else None
        self._must_relay = step.action is Action.RELAY

    def _relay_kept(self) -> None:
        """Nobody served it: what the API said of it is the answer."""
        kept = self._refusals.kept
        assert kept is not None
        self._refusals.dismiss()
        self._writer.relay_kept(kept)

    def _exclude(self, lease: Lease, why: str) -> None:
        if why:
            self._refusal_reasons[lease.account] = why
        if lease.account not in self._request.tried:
            self._request = self._request._replace(tried=(*self._request.tried, lease.account))

    def _may_skip_refresh(self, lease: Lease) -> bool:
        """Its token must be renewed first: what has nothing cached there goes on at once, if it can."""
        keeper, key = self._context.token_manager, lease.account
        cached = self._context.router.cached_prefix(self._request)
        if cached or key in self._skipped_for_refresh or not keeper.must_wait(key):
            return False
        self._skipped_for_refresh.add(key)
        self._avoid_once = key
        keeper.refresh_in_background(key)
        return True

    def _handle_401(self, lease: Lease, way: UpstreamTarget, words: str) -> None:
        standing = Usability(False, words or "the API refused its credentials (401)")
        if lease.account not in self._retried_after_refresh:
            self._retried_after_refresh.add(lease.account)
            if way.credential.kind == "oauth":
                key, failed = lease.account, way.credential.secret
                standing = self._refresh_token(lambda: self._context.token_manager.after_401(key, failed))
            else:  # a reload may have brought another key meanwhile
                current = self._context.targets().target(lease.account)
                standing = standing._replace(usable=current is not None and current != way)
        if not standing:
            self._token_unusable(lease, standing)

    def _check_token(self, key: str) -> Usability:
        """Whether the account's token is good; a renewal that must be waited for does not hide the client."""
        keeper = self._context.token_manager
        if keeper.must_wait(key):
            return self._refresh_token(lambda: keeper.before_dispatch(key))
        return keeper.before_dispatch(key)

    def _refresh_token(self, renewal: Callable[[], Usability]) -> Usability:
        with self._exchange.pausing("renewal of its token"):
            return run_in_thread(renewal, self._hold.on_tick)

    def _token_unusable(self, lease: Lease, standing: Usability) -> None:
        """The account can't be used now, or not before a person has helped."""
        self._refusal_reasons[lease.account] = standing.reason
        if standing.retry_at is not None:
            self._context.router.bench_login(lease.account, standing.retry_at, standing.reason)
            return
        self._auth_failed.add(lease.account)
        self._context.router.mark_auth_failed(lease, standing.reason)

    def _handle_stream_error(self, lease: Lease, refused: StreamRefusedError) -> None:
        """An error event before anything was relayed: as the same error with a status would be."""
        self._refused_streams += 1
        is_limit = refused.kind == "rate_limit_error"
        self._context.router.apply_response(lease, 429 if is_limit else 529, QuotaReading({}))
        if is_limit or self._refused_streams == MAX_REFUSED_STREAMS:
            self._refusal_reasons[lease.account] = str(refused)
            self._avoid_once = lease.account  # an error that lasts may be this account's own
        self._pause = FIRST_BACKOFF_SEC

    # --- ends ---------------------------------------------------------------------------------------

    def _record_outcome(
        self, answer: UpstreamResponse, kind: ResponseKind, tap: UsageTap, as_it_is: bool
    ) -> bool:
        """Record the outcome of a completely relayed answer; True when it counts as served."""
        problem = ""
        if kind is not ResponseKind.SERVED:
            problem = f"{answer.head.status}"
        elif tap.error_type:
            problem = f"{tap.error_type}: {tap.error_message}"
        elif not as_it_is:
            problem = f"{answer.head.status}, but nothing that can follow a hold"
        elif self._inference and tap.is_stream and not tap.saw_stop:
            problem = "the stream ended without message_stop"
        unread = UNREADABLE_USAGE if self._inference and tap.gave_up else ""
        self._exchange.end(Outcome.UPSTREAM_ERROR if problem else Outcome.SERVED, problem or unread)
        return not problem

    def _end_hold(self, error: TeamClaudeError) -> None:
        """The error of a request whose hold has begun its answer."""
        self._writer.send_error_event(error)
        if isinstance(error, NoAccountAvailableError) and self._request.conversation is not None:
            self._context.recently_refused.add(self._request.conversation)
        self._exchange.end(outcome_of(error), str(error))
