"""What an upstream response means, for the account and for the request: one table.

`classify` names the kind of response, `MEANINGS` says what follows from it.  Nothing here acts.

Rules that hold in this file:

1. Nothing is held against an account before the verdict is certain.  What may be about the account or about
   the request (SUSPECT) is settled by another account's response to the same request.
2. Statuses decide, never phrases.  Of the body only one thing counts: whether it is the API's own.  A
   response about a login that is not the API's comes from something on the way to it, which knows no account.
"""

from __future__ import annotations

from enum import Enum

from ..values import NamedTuple
from .quota.windows import QuotaReading, is_scoped

__all__ = [
    "FAILURE_KINDS",
    "MEANINGS",
    "UNSERVED_FROM",
    "Effect",
    "Meaning",
    "NextStep",
    "ResponseKind",
    "classify",
    "needs_body",
]


class ResponseKind(Enum):
    """The kind of an upstream response; the value is what logs and records show."""

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

    RECORD_SUCCESS = "proven"
    BENCH = "benched"
    CAP_MODEL = "capped for the model family"
    CAP_SCOPE = "capped for this model and these betas"
    SUSPECT = "suspected"
    MARK_AUTH_FAILED = "login refused"
    BENCH_AFTER_403 = "benched after a 403"
    NOTHING = "unchanged"


class NextStep(Enum):
    """What happens to the request before its first byte has been relayed."""

    RELAY = "relay"
    OTHER_ACCOUNT = "next account"
    HOP_ONCE = "one other account, then relay"
    EACH_ONCE = "each other account once, then relay"
    RETRY_LATER = "again within the retry budget, then relay"
    SAME_THEN_OTHER = "same account once after a refresh, then the next"


class Meaning(NamedTuple):
    """What a kind of response means for the account and for the request."""

    effect: Effect
    next: NextStep


MEANINGS = {
    ResponseKind.SERVED: Meaning(Effect.RECORD_SUCCESS, NextStep.RELAY),
    ResponseKind.QUOTA: Meaning(Effect.BENCH, NextStep.OTHER_ACCOUNT),
    ResponseKind.MODEL_QUOTA: Meaning(Effect.CAP_MODEL, NextStep.OTHER_ACCOUNT),
    ResponseKind.OVERAGE: Meaning(Effect.CAP_SCOPE, NextStep.OTHER_ACCOUNT),
    ResponseKind.TOLD_TO_WAIT: Meaning(Effect.BENCH, NextStep.OTHER_ACCOUNT),
    ResponseKind.BARE: Meaning(Effect.SUSPECT, NextStep.EACH_ONCE),
    ResponseKind.SIDE_429: Meaning(Effect.NOTHING, NextStep.HOP_ONCE),
    ResponseKind.UNAUTHORIZED: Meaning(Effect.MARK_AUTH_FAILED, NextStep.SAME_THEN_OTHER),
    ResponseKind.FORBIDDEN: Meaning(Effect.BENCH_AFTER_403, NextStep.OTHER_ACCOUNT),
    # A right that only this path needs: no reason to keep conversations away from the account.
    ResponseKind.SIDE_403: Meaning(Effect.NOTHING, NextStep.OTHER_ACCOUNT),
    ResponseKind.CREDENTIAL: Meaning(Effect.SUSPECT, NextStep.HOP_ONCE),
    ResponseKind.MISSING: Meaning(Effect.NOTHING, NextStep.EACH_ONCE),
    ResponseKind.OVERLOADED: Meaning(Effect.NOTHING, NextStep.RETRY_LATER),
    ResponseKind.OUTAGE: Meaning(Effect.NOTHING, NextStep.RETRY_LATER),
    ResponseKind.REQUEST: Meaning(Effect.NOTHING, NextStep.RELAY),
}

# What fails uses nothing up: unless the account is suspected for a while, that makes it look plentiful.
FAILURE_KINDS = frozenset(
    {ResponseKind.BARE, ResponseKind.CREDENTIAL, ResponseKind.OVERLOADED, ResponseKind.OUTAGE}
)

UNSERVED_FROM = 300  # a lower status alone says that the request was served
# 520 to 530: the edge before the API did not reach it (not 524: there the request may still be running).
_OVERLOAD_STATUSES = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 525, 526, 529, 530})
# About a login, a right or a way in: programs on the way to the API answer with these statuses, too.
_GATE_STATUSES = frozenset({401, 403, 407, 511})


def needs_body(status: int) -> bool:
    """Return whether the meaning depends on the body being the API's own."""
    return status in _GATE_STATUSES


def classify(status: int, reading: QuotaReading, inference: bool, is_api_error: bool = True) -> ResponseKind:
    """Name the kind of an upstream response.

    `inference` is True for `/v1/messages` itself; `is_api_error`: the body is an error document of the API's
    (asked only where `needs_body`).
    """
    if status < UNSERVED_FROM:
        return ResponseKind.SERVED
    if status == 429:
        return _classify_429(reading, inference)
    if status in _GATE_STATUSES and not is_api_error:
        return ResponseKind.OUTAGE
    if status == 401:
        return ResponseKind.UNAUTHORIZED
    if status == 403:
        return ResponseKind.FORBIDDEN if inference else ResponseKind.SIDE_403
    if status == 404:
        return ResponseKind.CREDENTIAL if inference else ResponseKind.MISSING
    if status in (400, 402):
        return ResponseKind.CREDENTIAL
    if status in _OVERLOAD_STATUSES:
        return ResponseKind.OVERLOADED
    return ResponseKind.REQUEST


def _classify_429(reading: QuotaReading, inference: bool) -> ResponseKind:
    if not inference:
        return ResponseKind.SIDE_429
    rejected = reading.rejected_axes()
    if any(not is_scoped(axis) for axis in rejected):
        return ResponseKind.QUOTA
    if rejected:
        return ResponseKind.MODEL_QUOTA
    if reading.overage is not None and reading.overage.refuses:
        return ResponseKind.OVERAGE
    if reading.retry_after is not None:
        return ResponseKind.TOLD_TO_WAIT
    return ResponseKind.BARE
