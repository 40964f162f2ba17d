"""Get an account with a usable token for the next attempt of one request, or the error when there is none.

Rules that hold in this file:

1. No slot is held while the request pauses between two attempts.
2. An account whose login refused the request is not worth waiting for: others are looked for before holding.
3. The error says when an account is back, and so does `Retry-After` (`retry_after_sec`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Optional

from ...accounts.tokens.token_pair import Usability
from ...errors import (
    AccountError,
    BlockedError,
    HandedOverError,
    NoAccountAvailableError,
    TeamClaudeError,
)
from ...routing.eligible import ROUTE
from ...routing.state.decision import Decision, Lease, Reason, RoutingRequest
from ..net.coroutine import RequestCoroutine, run_in_background
from ..records.exchange import Attempt, Exchange
from ..records.request_wait import HELD, RequestWait
from ..records.wait_texts import clock_time, duration_text
from .account_targets import UpstreamTarget
from .context import RequestContext
from .hold import Hold
from .queued_request import BUSY_RETRY_AFTER_SEC, QueuedRequest, retry_after_sec
from .refusals import Refusals
from .retry import Action, Failure, Step
from .router import NO_WAIT, NoUsableAccountError, WaitLimits
from .user_rules import with_facts

__all__ = ["AccountAcquirer", "no_account_error", "sleep_briefly"]

# Rules that no waiting lifts.
NEEDS_OPERATOR = frozenset({"auth_failed", "disabled", "tried", "costs money", ROUTE})
API_KEY_WAITS = "API key waits"  # not throttled: kept as a last resort


def sleep_briefly(
    waiter: QueuedRequest, exchange: Exchange, context: RequestContext
) -> RequestCoroutine[Optional[Lease]]:
    """Return the lease of a request that only lacks a slot; None: it takes longer than CLIENT_CHECK_SEC.

    Most get one within milliseconds.  Nobody is told of that wait while it lasts: with all that a longer one
    needs, a request that waited for a slot took 1.7 times as long as one that did not.
    """
    began = context.monotonic()
    yield waiter.sleep(waiter.since)
    seconds = context.monotonic() - began
    exchange.waited += seconds
    lease, wait = waiter.lease, waiter.wait
    if lease is not None and wait is not None:
        waiting = RequestWait(wait, waiter.since, context.clock, 0, waiter)
        waiting.end_after(seconds)
        exchange.begin_wait(waiting)
    return lease


class AccountAcquirer:
    """Take accounts for one request, one after the other."""

    def __init__(self, context: RequestContext, exchange: Exchange, hold: Hold, refusals: Refusals) -> None:
        self._context = context
        self._exchange = exchange
        self._hold = hold
        self._refusals = refusals

    @property
    def request(self) -> RoutingRequest:
        """What the request asks of routing now, without the accounts it does not ask again."""
        excluded = self._refusals.state.excluded
        request = self._exchange.routing_request
        return request._replace(tried=excluded) if excluded else request

    def acquire(
        self, step: Step, queued: Optional[QueuedRequest] = None
    ) -> RequestCoroutine[Optional[Lease]]:
        """Return the account for the attempt that `step` asks for; None when the kept response is the best.

        `queued` is the waiter of the first attempt, which `sleep_briefly` has left without one.  Raises the
        error for the client when no account can be had in time.
        """
        if step.action is Action.RELAY:
            return None
        if step.pause:
            yield from self._hold.pause(step.pause)
        request = self.request
        if step.avoid:
            with suppress(NoUsableAccountError):
                detour = request._replace(tried=(*request.tried, step.avoid), detour=True)
                return (yield from self._acquire(detour, NO_WAIT))
        if self._refusals.state.auth_failed:
            try:
                return (yield from self._acquire(request, NO_WAIT))
            except NoUsableAccountError as error:
                if self._needs_operator(error.decision):
                    raise self._no_account(error.decision) from None
        try:
            if queued is not None:
                return (yield from self._acquire(request, queued.limits, queued))
            limits = self._context.wait_limits_of(self._exchange)
            return (yield from self._acquire(request, self._refusals.wait_limits(limits)))
        except NoUsableAccountError as error:
            if self._refusals.kept is not None:
                return None
            raise self._no_account(error.decision) from None

    def _acquire(
        self, request: RoutingRequest, limits: WaitLimits, queued: Optional[QueuedRequest] = None
    ) -> RequestCoroutine[Lease]:
        exchange, router, monotonic = self._exchange, self._context.router, self._context.monotonic
        request = with_facts(request, exchange, self._context)  # by the rules of now
        exchange.waiting_since = monotonic()
        try:
            on_wait = exchange.wait_recorder(self._context.clock, router.outlook)
            return (yield from router.acquiring(request, limits, self._check_wait, on_wait, queued))
        finally:
            exchange.end_wait()
            exchange.waited += monotonic() - exchange.waiting_since
            exchange.waiting_since = None

    def _check_wait(self) -> RequestCoroutine[None]:
        """Check the client; raise HandedOverError where the process that serves now should take its request.

        What waits for a slot alone goes on: the streams that have the slots end here.
        """
        yield from self._hold.on_tick()
        exchange, is_over = self._exchange, self._context.router.handed_over
        if is_over and exchange.waits[-1].kind == HELD and self._hold.may_be_sent_away:
            exchange.closes = True  # it would come back to this process
            raise HandedOverError("The proxy was restarted; ask again: the new process serves you.")

    def skip_refresh(self, lease: Lease) -> Optional[Step]:
        """Return the step to another account while this one's token is refreshed; None to wait for it.

        Other accounts are tried only where nothing is cached on this one, once per account.
        """
        tokens, key = self._context.token_manager, lease.account
        stays = lease.decision.reason == Reason.THREAD
        if stays or self._context.router.cached_prefix(self.request) or not tokens.must_wait(key):
            return None
        step = self._refusals.add_failure(lease, Failure.TOKEN_STALE)
        if step.action is Action.REFRESH:
            return None
        tokens.refresh_in_background(key)
        return step

    def check_token(self, key: str) -> RequestCoroutine[Usability]:
        """Return whether the account's token is usable; watch the client while a refresh is waited for."""
        tokens = self._context.token_manager
        if tokens.must_wait(key):
            return (yield from self._refresh(lambda: tokens.before_dispatch(key)))
        return tokens.before_dispatch(key)

    def after_401(self, key: str, target: UpstreamTarget, refused: Usability) -> RequestCoroutine[Usability]:
        """Return whether the account is usable with a newer credential than the refused one."""
        if key in self._context.token_manager.tokens:
            failed = target.credential.secret
            return (yield from self._refresh(lambda: self._context.token_manager.after_401(key, failed)))
        current = self._context.targets.current.target(key)  # a reload may have brought another key meanwhile
        return refused._replace(usable=current is not None and current != target)

    def token_unusable(self, lease: Lease, usability: Usability) -> Step:
        """Bench the account until its token is tried again, or until an operator renews its login."""
        self._refusals.reasons[lease.account] = usability.reason
        if usability.retry_at is not None:
            self._context.router.bench_for_login(lease.account, usability.retry_at, usability.reason)
            return Step(Action.OTHERS)
        self._context.router.mark_auth_failed(lease, usability.reason)
        return self._refusals.add_failure(lease, Failure.LOGIN_ENDED)

    def _refresh(self, refresh: Callable[[], Usability]) -> RequestCoroutine[Usability]:
        with self._exchange.pausing("renewal of its token"):
            return (yield from run_in_background(refresh, self._hold.on_tick))

    def _needs_operator(self, decision: Decision) -> bool:
        """Return whether every account refused this request's login or needs an operator to serve again."""
        if decision.account is not None:
            return False  # only busy
        failed = self._refusals.state.auth_failed
        return all(e.account in failed or e.rule in NEEDS_OPERATOR for e in decision.excluded)

    def _no_account(self, decision: Decision) -> TeamClaudeError:
        self._exchange.attempts.append(Attempt("", decision, note=decision.reason))
        context, final = self._context, self._needs_operator(decision)
        names, reasons = context.router.names(), self._refusals.reasons
        return no_account_error(decision, names, reasons, final, context.clock(), context.jitter())


def no_account_error(
    decision: Decision,
    names: Mapping[str, str],
    reasons: Mapping[str, str],
    final: bool,
    now: float,
    jitter: float,
) -> TeamClaudeError:
    """Return the error for a request that found no account.

    `names` are all accounts by key, `reasons` what accounts said to this request, `final` says that waiting
    does not help, `jitter` is a random number from 0 to 1.
    """
    if decision.account is not None:
        return NoAccountAvailableError(
            "Every account is busy with other requests; try again in a moment.", BUSY_RETRY_AFTER_SEC
        )
    if not names:
        return AccountError(
            "The proxy has no account yet. Add one where it runs, with teamclaude login or teamclaude "
            "import; it then serves at once."
        )
    if decision.reason == Reason.BLOCKED:
        return BlockedError(decision.detail)
    excluded = [e for e in decision.excluded if e.rule != ROUTE]
    routed = next((e.detail for e in decision.excluded if e.rule == ROUTE), "")
    if routed and not excluded:
        left_out = ", ".join(names.get(e.account, e.account) for e in decision.excluded)
        return BlockedError(f"{routed}, not {left_out}")
    routed = routed and f" ({routed})"
    why = {e.account: reasons.get(e.account) or e.detail or e.rule for e in excluded}
    listed = "; ".join(f"{names.get(key, key)}: {reason}" for key, reason in why.items())
    listed = listed.replace(
        "x-api-key", "API key"
    )  # at which Claude Code says "Please run /login" (measured)
    if final or decision.retry_at is None:
        return AccountError(f"No account can serve this request{routed}. {listed}. See: teamclaude accounts")
    throttled = [e for e in excluded if e.rule not in NEEDS_OPERATOR | {API_KEY_WAITS}]
    seconds = max(1.0, decision.retry_at - now)
    if len(throttled) == 1:
        subject = f"Account {names.get(throttled[0].account, throttled[0].account)} is throttled; it"
    else:
        subject = f"All {len(throttled)} accounts are throttled; the first"
    back = f"back at {clock_time(decision.retry_at, now)} (in {duration_text(seconds)})"
    return NoAccountAvailableError(f"{subject} is {back}{routed}. {listed}", retry_after_sec(seconds, jitter))
