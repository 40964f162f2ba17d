"""What a request does after an attempt that did not serve it: a pure state machine.

`next_step` is called once per failed attempt, in order. It decides; the forwarder carries the step out.

| result | step |
|---|---|
| the account's fault or the request's (`*_ONCE`) | ANOTHER, until enough were asked; then RELAY |
| a bare 429 of the account that keeps its thread | AGAIN after a pause, twice; then ANOTHER |
| the account's fault (`OTHER_ACCOUNT`) | OTHERS |
| 401 | REFRESH, once per account; then OTHERS |
| the API overloaded or out of reach (`RETRY_LATER`) | AGAIN after a pause, within a budget; then RELAY |
| the request's own fault | RELAY |
| a stream that begins with an error event | AGAIN after a pause |
| a body lost before a byte of it was relayed | AGAIN, once; then RAISE |
| no connection through the account's own proxy | ANOTHER; without one RAISE |
| no answer, silence, a body lost later | RAISE |

Rules that hold in this file:

1. A refusal that may be the account's fault goes to another account before the client is told of it. Two
   alike are the request's own fault. An account that has refused other requests alike and has served none
   since is doubtful and does not count towards the two: then each further account is asked.
2. A conversation waits where waiting costs less than moving: a large prompt cache stays where it is, and a
   conversation that was served elsewhere once returns.  What continues a thread is never sent elsewhere only
   because the API is overloaded: there the thread is unknown.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Optional, Union

from ...errors import ConnectFailedError, UpstreamTimeoutError
from ...routing.response_kinds import MEANINGS, NextStep, ResponseKind
from ...values import NamedTuple

__all__ = [
    "Action",
    "AttemptResult",
    "Failure",
    "RetryConditions",
    "RetryState",
    "Step",
    "failure_of",
    "next_step",
]

FIRST_BACKOFF_SEC = 0.5
MAX_BACKOFF_SEC = 8.0
# What differs from one request to the next in a message: `210000`, `req_011CSHoEeqs5C35K2UUqR7Fy`,
# `claude-opus-4-8`, `2026-11-29`.
_PARTICULARS = re.compile(r"[\w.:/-]*\d[\w.:/-]*")
# For one request with bare 429s, or with refusals that may be the account's fault.
MAX_ACCOUNTS = 4
# Before each further account that a bare 429 leads to; the first hop is immediate.
HOP_PAUSES_SEC = (0.0, 0.5, 1.0)
# Writing a larger prompt cache on another account costs more than a few seconds of waiting.
LARGE_PREFIX_TOKENS = 20_000
# From the account that keeps the request's thread, before others are asked.
MAX_STAYING_429S = 2
# Streams that begin with an error event; a further one is relayed as it is.
MAX_STREAM_ERRORS = 2


class Failure(Enum):
    """How an attempt failed, other than by the status of its answer."""

    TOKEN_STALE = "the account's token must be refreshed first"
    LOGIN_ENDED = "the account's login is refused until an operator renews it"
    REMOVED = "the account is no longer configured"
    NO_ROUTE = "no connection through the account's own proxy"
    NO_ANSWER = "no answer came"
    SILENT = "the upstream fell silent"  # it may still be running, and billed
    BODY_LOST = "the answer broke off before a byte of it was relayed"
    CUT = "the answer broke off while it was relayed"
    STREAM_LIMIT = "the stream began with a rate_limit_error"
    STREAM_ERROR = "the stream began with another error"


def failure_of(lost: Exception, status: Optional[int], by_own_proxy: bool) -> Failure:
    """Return how an attempt failed of which nothing was relayed.

    `by_own_proxy`: the way to its account leads through a proxy of its own.
    """
    if isinstance(lost, ConnectFailedError) and by_own_proxy:
        return Failure.NO_ROUTE
    if status is None:
        return Failure.NO_ANSWER
    return Failure.SILENT if isinstance(lost, UpstreamTimeoutError) else Failure.BODY_LOST


class Action(Enum):
    """What the request does next."""

    AGAIN = "again, the same account first"
    REFRESH = "refresh the account's token, then again"
    ANOTHER = "the next account, never this one again"
    OTHERS = "the next usable account"
    RELAY = "relay the kept response"
    RAISE = "end with the error of this attempt"


class AttemptResult(NamedTuple):
    """How one attempt failed.

    `trusted`: the account has served others since it last refused; `doubtful`: it has served none since it
    refused another request as others did.
    """

    kind: Union[ResponseKind, Failure]
    account: str = ""  # key
    status: int = 0
    message: str = ""
    trusted: bool = True
    doubtful: bool = False

    @property
    def normalized_message(self) -> str:
        """The message without ids, numbers and times, which differ from one request to the next."""
        return _PARTICULARS.sub("#", self.message)

    def is_like(self, other: AttemptResult) -> bool:
        """Return whether two accounts say the same; the messages of bare 429s do not matter."""
        if self.kind is ResponseKind.BARE:
            return other.kind is self.kind
        mine = (self.kind, self.status, self.normalized_message)
        return mine == (other.kind, other.status, other.normalized_message)


class RetryConditions(NamedTuple):
    """What a step depends on besides the results so far."""

    inference: bool = True
    elapsed: float = 0.0  # seconds since the request came
    budget: float = 30.0  # seconds for retries of an overloaded API
    prefix: int = 0  # tokens of prompt cache the conversation has where it is
    may_hop: bool = True  # other accounts have not just refused the same
    may_doubt: bool = True  # fewer than three of them have refused the same of other clients
    stays: bool = False  # this account keeps the thread that the request continues
    account_open: bool = False  # nothing known keeps this account from being taken again at once
    jitter: float = 1.0  # 0-1, random


class RetryState(NamedTuple):
    """The failed attempts so far, as far as they decide about the next step."""

    ambiguous: tuple[AttemptResult, ...] = ()  # the account's fault or the request's
    overloads: int = 0
    tried_elsewhere: bool = False  # an overloaded API was asked with another account
    stream_errors: int = 0
    lost_bodies: int = 0
    excluded: tuple[str, ...] = ()  # accounts that are not asked again
    auth_failed: frozenset[str] = frozenset()  # accounts whose login was refused (401, 403)
    refreshed: frozenset[str] = frozenset()  # accounts asked again after a 401, with newer credentials
    skipped: frozenset[str] = frozenset()  # accounts whose token is being refreshed

    @property
    def relay_index(self) -> int:
        """Which ambiguous result to relay when no account serves.

        The first that two accounts agree on, else the first of a trusted account, else the first; a bare 429
        (the last one) only when there is nothing else.
        """
        specific = [n for n, r in enumerate(self.ambiguous) if r.kind is not ResponseKind.BARE]
        if not specific:
            return len(self.ambiguous) - 1
        for place in specific:
            if sum(self.ambiguous[place].is_like(self.ambiguous[n]) for n in specific) > 1:
                return place
        return next((place for place in specific if self.ambiguous[place].trusted), specific[0])

    @property
    def may_probe(self) -> bool:
        """Whether the first event of a stream is still read before the stream is relayed."""
        return self.stream_errors < MAX_STREAM_ERRORS

    def excluding(self, account: str) -> RetryState:
        """Return the state in which `account` is not asked again."""
        if account in self.excluded:
            return self
        return self._replace(excluded=(*self.excluded, account))


class Step(NamedTuple):
    """What the forwarder carries out."""

    action: Action
    pause: float = 0.0  # seconds
    avoid: str = ""  # account to ask another one before, if one is free: just this once


_CONDITIONS = RetryConditions()


def next_step(
    state: RetryState, result: AttemptResult, now: RetryConditions = _CONDITIONS
) -> tuple[RetryState, Step]:
    """Return the state after one more failed attempt, and the step to carry out."""
    kind = result.kind
    if isinstance(kind, Failure):
        return _after_failure(state, kind, result.account, now.stays)
    following = MEANINGS[kind].next
    if now.stays and kind is ResponseKind.BARE and state.overloads < MAX_STAYING_429S:
        return _back_off(state, result.account, now)
    if following in (NextStep.HOP_ONCE, NextStep.EACH_ONCE):
        return _ask_another(state, result, now)
    if following is NextStep.RETRY_LATER and now.inference:
        return _back_off(state, result.account, now)
    if following in (NextStep.RELAY, NextStep.RETRY_LATER):
        return state, Step(Action.RELAY)
    if following is NextStep.SAME_THEN_OTHER:
        if result.account in state.refreshed:
            return state, Step(Action.OTHERS)
        return state._replace(refreshed=state.refreshed | {result.account}), Step(Action.REFRESH)
    if kind is ResponseKind.FORBIDDEN:
        state = state._replace(auth_failed=state.auth_failed | {result.account})
    elif now.account_open:  # asked again at once, it would refuse again at once: a hot loop
        state = state.excluding(result.account)
    return state, Step(Action.OTHERS)


def _after_failure(state: RetryState, failure: Failure, account: str, stays: bool) -> tuple[RetryState, Step]:
    if failure is Failure.TOKEN_STALE:
        if account in state.skipped:
            return state, Step(Action.REFRESH)
        return state._replace(skipped=state.skipped | {account}), Step(Action.AGAIN, avoid=account)
    if failure is Failure.LOGIN_ENDED:
        return state._replace(auth_failed=state.auth_failed | {account}), Step(Action.OTHERS)
    if failure in (Failure.REMOVED, Failure.NO_ROUTE):
        return state.excluding(account), Step(Action.ANOTHER)
    if failure is Failure.BODY_LOST and not state.lost_bodies:
        return state._replace(lost_bodies=1), Step(Action.AGAIN)
    if failure in (Failure.STREAM_LIMIT, Failure.STREAM_ERROR):
        state = state._replace(stream_errors=state.stream_errors + 1)
        # An error that lasts may be the account's own.
        lasts = failure is Failure.STREAM_LIMIT or state.stream_errors == MAX_STREAM_ERRORS
        return state, Step(Action.AGAIN, FIRST_BACKOFF_SEC, account if lasts and not stays else "")
    return state, Step(Action.RAISE)


def _ask_another(state: RetryState, result: AttemptResult, now: RetryConditions) -> tuple[RetryState, Step]:
    """Ask another account: its response shows whether the fault is the account's or the request's."""
    before = state.ambiguous
    state = state._replace(ambiguous=(*before, result))
    if not now.may_hop or _is_settled(before, result, now.may_doubt):
        return state, Step(Action.RELAY)
    pause = (
        HOP_PAUSES_SEC[min(len(before), len(HOP_PAUSES_SEC) - 1)] if result.kind is ResponseKind.BARE else 0.0
    )
    return state.excluding(result.account), Step(Action.ANOTHER, pause)


def _is_settled(before: tuple[AttemptResult, ...], result: AttemptResult, may_doubt: bool) -> bool:
    """Return whether no further account needs to be asked."""
    if result.kind is ResponseKind.MISSING:
        return False  # it exists at one account or at none: each is asked
    if result.kind is ResponseKind.BARE:
        return len(before) + 1 >= MAX_ACCOUNTS  # each account may have too many requests of its own at once
    alike = [r for r in (*before, result) if r.is_like(result)]
    certain = [r for r in alike if not (may_doubt and r.doubtful)]
    if len(certain) == len(alike) and len(before) + 1 >= MAX_ACCOUNTS:
        return True
    return len(certain) >= 2  # the doubtful ones perhaps refuse whatever they are asked


def _back_off(state: RetryState, account: str, now: RetryConditions) -> tuple[RetryState, Step]:
    """Ask an overloaded API again after a pause.

    One retry asks another account: the second where that is cheap, else the last within the budget.
    """
    overloads = state.overloads + 1
    state = state._replace(overloads=overloads)
    pause = min(MAX_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0 ** (overloads - 1))
    pause *= 0.75 + 0.25 * now.jitter
    if now.elapsed + pause > now.budget:
        if state.tried_elsewhere or now.stays:
            return state, Step(Action.RELAY)
        return state._replace(tried_elsewhere=True), Step(Action.AGAIN, avoid=account)
    if overloads == 2 and now.prefix < LARGE_PREFIX_TOKENS and not now.stays:
        return state._replace(tried_elsewhere=True), Step(Action.AGAIN, pause, account)
    return state, Step(Action.AGAIN, pause)
