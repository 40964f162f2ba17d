"""What an upstream answer means, for the account and for the request: one table.

`classify` names the kind of answer, `MEANING` says what follows from it.  Nothing here acts.

Rules that hold in this file:

1. Before the verdict is certain nothing is held against an account.  What may be about the account and may be
   about the request (SUSPECT) is settled by another account's answer to the same request.
2. Statuses decide, never phrases: only whether the words are the API's own is looked at.  An answer about a
   login that is not the API's comes from something on the way to it, which knows no account.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .windows import Reading, is_scoped

__all__ = [
    "FAILURES",
    "MEANING",
    "AnswerKind",
    "Effect",
    "Meaning",
    "Next",
    "classify",
    "is_served",
    "needs_words",
]


class AnswerKind(Enum):
    SERVED = "served"
    QUOTA = "quota"  # 429, an account window is rejected
    MODEL_QUOTA = "model quota"  # 429, only a model-scoped window is rejected
    OVERAGE = "overage"  # 429, only extra usage is rejected: what was asked needs it, other work does not
    TOLD_TO_WAIT = "retry-after"  # 429 with retry-after, nothing rejected
    BARE = "bare 429"  # 429 that says nothing: perhaps about the request
    SIDE_429 = "429 off the inference path"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SIDE_403 = "403 off the inference path"
    CREDENTIAL = (
        "refused, perhaps for its account"  # 400, 402, 404: organisation, credit, plan, or the request
    )
    MISSING = "not found"  # 404 off the inference path: perhaps another account's
    OVERLOADED = "overloaded"
    OUTAGE = "not the API's answer"  # 401, 403, 407, 511 of an edge, a filter or a proxy
    REQUEST = "request"  # any other 3xx/4xx: about the request itself


class Effect(Enum):
    """What happens to the account."""

    PROVE = "proven"
    BENCH = "benched"
    CAP_MODEL = "capped for the model family"
    CAP_SCOPE = "capped for this model and these betas"
    SUSPECT = "suspected"
    LOCK_OUT = "login refused"
    REST = "benched after a 403"
    NOTHING = "unchanged"


class Next(Enum):
    """What happens to the request before its first byte has been relayed."""

    RELAY = "relay"
    OTHER_ACCOUNT = "next account"
    HOP_ONCE = "one other account, then relay"
    EACH_ONCE = "each other account once, then relay"
    RETRY_LATER = "again within the retry budget, then relay"
    SAME_THEN_OTHER = "same account once after a refresh, then the next"


class Meaning(NamedTuple):
    effect: Effect
    next: Next


MEANING = {
    AnswerKind.SERVED: Meaning(Effect.PROVE, Next.RELAY),
    AnswerKind.QUOTA: Meaning(Effect.BENCH, Next.OTHER_ACCOUNT),
    AnswerKind.MODEL_QUOTA: Meaning(Effect.CAP_MODEL, Next.OTHER_ACCOUNT),
    AnswerKind.OVERAGE: Meaning(Effect.CAP_SCOPE, Next.OTHER_ACCOUNT),
    AnswerKind.TOLD_TO_WAIT: Meaning(Effect.BENCH, Next.OTHER_ACCOUNT),
    AnswerKind.BARE: Meaning(Effect.SUSPECT, Next.EACH_ONCE),
    AnswerKind.SIDE_429: Meaning(Effect.NOTHING, Next.HOP_ONCE),
    AnswerKind.UNAUTHORIZED: Meaning(Effect.LOCK_OUT, Next.SAME_THEN_OTHER),
    AnswerKind.FORBIDDEN: Meaning(Effect.REST, Next.OTHER_ACCOUNT),
    # A right that only this path needs: no reason to keep conversations away from the account.
    AnswerKind.SIDE_403: Meaning(Effect.NOTHING, Next.OTHER_ACCOUNT),
    AnswerKind.CREDENTIAL: Meaning(Effect.SUSPECT, Next.HOP_ONCE),
    AnswerKind.MISSING: Meaning(Effect.NOTHING, Next.EACH_ONCE),
    AnswerKind.OVERLOADED: Meaning(Effect.NOTHING, Next.RETRY_LATER),
    AnswerKind.OUTAGE: Meaning(Effect.NOTHING, Next.RETRY_LATER),
    AnswerKind.REQUEST: Meaning(Effect.NOTHING, Next.RELAY),
}

# What fails uses nothing up: unless it is suspected for a while, it looks plentiful for it.
FAILURES = frozenset({AnswerKind.BARE, AnswerKind.CREDENTIAL, AnswerKind.OVERLOADED, AnswerKind.OUTAGE})

# 520 to 530: of the edge before the API, which did not reach it (not 524: there it may still be running).
_OVERLOAD_STATUSES = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 525, 526, 529, 530})
# About a login, a right or a way in: statuses that programs on the way to the API answer with, too.
_GATE_STATUSES = frozenset({401, 403, 407, 511})


def is_served(status: int) -> bool:
    """Whether a status alone says that the request was served."""
    return status < 300


def needs_words(status: int) -> bool:
    """Whether the body must be looked at before it is known what the answer means."""
    return status in _GATE_STATUSES


def classify(status: int, reading: Reading, inference: bool, api_words: bool = True) -> AnswerKind:
    """Name the kind of an upstream answer.

    `inference` is True for `/v1/messages` itself; `api_words`: the body is an error document of the API's
    (asked only where `needs_words`).
    """
    if is_served(status):
        return AnswerKind.SERVED
    if status == 429:
        return _classify_429(reading, inference)
    if status in _GATE_STATUSES and not api_words:
        return AnswerKind.OUTAGE
    if status == 401:
        return AnswerKind.UNAUTHORIZED
    if status == 403:
        return AnswerKind.FORBIDDEN if inference else AnswerKind.SIDE_403
    if status == 404:
        return AnswerKind.CREDENTIAL if inference else AnswerKind.MISSING
    if status in (400, 402):
        return AnswerKind.CREDENTIAL
    if status in _OVERLOAD_STATUSES:
        return AnswerKind.OVERLOADED
    return AnswerKind.REQUEST


def _classify_429(reading: Reading, inference: bool) -> AnswerKind:
    if not inference:
        return AnswerKind.SIDE_429
    rejected = reading.rejected_axes()
    if any(not is_scoped(axis) for axis in rejected):
        return AnswerKind.QUOTA
    if rejected:
        return AnswerKind.MODEL_QUOTA
    if reading.overage is not None and reading.overage.refuses:
        return AnswerKind.OVERAGE
    if reading.retry_after is not None:
        return AnswerKind.TOLD_TO_WAIT
    return AnswerKind.BARE
