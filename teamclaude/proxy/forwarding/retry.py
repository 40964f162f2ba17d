"""What a request does next when an account did not serve it.  PURE.

Rules that hold in this file:

1. `next_step` is asked once for each refusal, in order; it decides, the forwarder acts.
2. A refusal that may be the account's fault goes to another account before the client is told of it.  Two
   alike are the request's own fault; an account that has refused others alike and has served nobody since
   does not count for that: then each further account is asked.
3. A conversation waits where that costs less than moving: a large prompt cache stays where it is, and what
   was served elsewhere comes back.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from ...routing.response_kinds import MEANINGS, NextStep, ResponseKind

__all__ = ["FIRST_BACKOFF_SEC", "Action", "Refusal", "RetryState", "RetryConditions", "Step", "next_step"]

FIRST_BACKOFF_SEC = 0.5
LONGEST_BACKOFF_SEC = 8.0
# In the words of a refusal: `210000`, `req_011CSHoEeqs5C35K2UUqR7Fy`, `claude-opus-4-8`, `2026-11-29`.
_PARTICULARS = re.compile(r"[\w.:/-]*\d[\w.:/-]*")
# Of one request with bare 429s, or with refusals that may be the account's fault.
MAX_ACCOUNTS = 4
# Between them: the first hop is at once.
HOP_PAUSES_SEC = (0.0, 0.5, 1.0)
# Written anew elsewhere, a larger prompt cache costs more than a few seconds of waiting (tokens).
LARGE_PREFIX_TOKENS = 20_000


class Action(Enum):
    AGAIN = "again, the same account first"
    ANOTHER = "the next account, not this one again"
    OTHERS = "the next account that is usable"
    RELAY = "relay the kept answer"


class Refusal(NamedTuple):
    """One answer that did not serve.

    `trusted`: its account has served others since its last refusal; `doubtful`: it has served nobody since it
    refused another request as others did.
    """

    kind: ResponseKind
    status: int
    words: str = ""
    trusted: bool = True
    doubtful: bool = False

    @property
    def normalized_words(self) -> str:
        """Its words without what differs from one request to the next: ids, numbers, times."""
        return _PARTICULARS.sub("#", self.words)

    def is_like(self, other: Refusal) -> bool:
        """Two accounts say the same; of bare 429s the words do not matter."""
        if self.kind is ResponseKind.BARE:
            return other.kind is self.kind
        return (self.kind, self.status, self.normalized_words) == (
            other.kind,
            other.status,
            other.normalized_words,
        )


class RetryConditions(NamedTuple):
    """What a decision depends on besides the refusals."""

    inference: bool = True
    elapsed: float = 0.0  # seconds since the request came
    budget: float = 30.0  # seconds for retries of an overloaded API
    prefix: int = 0  # tokens of prompt cache the conversation has where it is
    may_hop: bool = True  # other accounts have not just refused the same
    may_doubt: bool = True  # nor more than two of them the like of somebody else
    jitter: float = 1.0  # 0-1, random


class RetryState(NamedTuple):
    """The refusals so far that may be about the request, and how often the API was overloaded."""

    ambiguous: tuple[Refusal, ...] = ()
    failures: int = 0
    tried_elsewhere: bool = False  # an overloaded API was asked with another account

    @property
    def relay_index(self) -> int:
        """Which suspicion to relay when nobody serves: of bare 429s the last, else one worth believing."""
        told = [n for n, r in enumerate(self.ambiguous) if r.kind is not ResponseKind.BARE]
        if not told:
            return len(self.ambiguous) - 1
        for place in told:
            if sum(self.ambiguous[place].is_like(self.ambiguous[n]) for n in told) > 1:
                return place
        return next((place for place in told if self.ambiguous[place].trusted), told[0])


class Step(NamedTuple):
    """What follows; `pause` is in seconds."""

    action: Action
    pause: float = 0.0
    elsewhere: bool = False  # another account first, if one is free: just this once


def next_step(state: RetryState, refusal: Refusal, now: RetryConditions) -> tuple[RetryState, Step]:
    """Decide about one more refusal."""
    following = MEANINGS[refusal.kind].next
    if following in (NextStep.HOP_ONCE, NextStep.EACH_ONCE):
        return _ask_another(state, refusal, now)
    if following is NextStep.RETRY_LATER:
        return _back_off(state, now) if now.inference else (state, Step(Action.RELAY))
    if following is NextStep.RELAY:
        return state, Step(Action.RELAY)
    return state, Step(Action.OTHERS)


def _ask_another(state: RetryState, refusal: Refusal, now: RetryConditions) -> tuple[RetryState, Step]:
    """It may be about the account or about the request: another account's answer tells."""
    before = state.ambiguous
    state = state._replace(ambiguous=(*before, refusal))
    if not now.may_hop or _is_settled(before, refusal, now.may_doubt):
        return state, Step(Action.RELAY)
    pause = (
        HOP_PAUSES_SEC[min(len(before), len(HOP_PAUSES_SEC) - 1)]
        if refusal.kind is ResponseKind.BARE
        else 0.0
    )
    return state, Step(Action.ANOTHER, pause)


def _is_settled(before: tuple[Refusal, ...], refusal: Refusal, may_doubt: bool) -> bool:
    """No further account needs to be asked."""
    if refusal.kind is ResponseKind.MISSING:
        return False  # it exists at one account or at none: each is asked
    if refusal.kind is ResponseKind.BARE:
        return len(before) + 1 >= MAX_ACCOUNTS  # it may be each account's own: too many requests at once
    alike = [r for r in (*before, refusal) if r.is_like(refusal)]
    believed = [r for r in alike if not (may_doubt and r.doubtful)]
    if len(believed) == len(alike) and len(before) + 1 >= MAX_ACCOUNTS:
        return True
    return len(believed) >= 2  # the others perhaps refuse whatever they are asked


def _back_off(state: RetryState, now: RetryConditions) -> tuple[RetryState, Step]:
    """Ask an overloaded API again after a pause; once by another account, where cheap or the last way."""
    failures = state.failures + 1
    state = state._replace(failures=failures)
    pause = min(LONGEST_BACKOFF_SEC, FIRST_BACKOFF_SEC * 2.0 ** (failures - 1))
    pause *= 0.75 + 0.25 * now.jitter
    if now.elapsed + pause > now.budget:
        if state.tried_elsewhere:
            return state, Step(Action.RELAY)
        return state._replace(tried_elsewhere=True), Step(Action.AGAIN, 0.0, True)
    elsewhere = failures == 2 and now.prefix < LARGE_PREFIX_TOKENS
    return state._replace(tried_elsewhere=state.tried_elsewhere or elsewhere), Step(
        Action.AGAIN, pause, elsewhere
    )
