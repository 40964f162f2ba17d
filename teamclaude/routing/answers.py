"""What an upstream answer means, for the account and for the request: one table.

`classify` names the kind of answer, `MEANING` says what follows from it.  Nothing here acts.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .windows import Reading, is_scoped

__all__ = ["MEANING", "AnswerKind", "Effect", "Meaning", "Next", "classify"]


class AnswerKind(Enum):
    SERVED = "served"
    QUOTA = "quota"  # 429, an account window is rejected
    MODEL_QUOTA = "model quota"  # 429, only a model-scoped window is rejected
    TOLD_TO_WAIT = "retry-after"  # 429 with retry-after, nothing rejected
    BARE = "bare 429"  # 429 that says nothing: perhaps about the request
    SIDE_429 = "429 off the inference path"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SIDE_403 = "403 off the inference path"
    OVERLOADED = "overloaded"
    REQUEST = "request"  # any other 3xx/4xx: about the request itself


class Effect(Enum):
    """What happens to the account."""

    PROVE = "proven"
    BENCH = "benched"
    CAP_MODEL = "capped for the model family"
    SUSPECT = "suspected"
    LOCK_OUT = "login refused"
    REST = "benched after a 403"
    NOTHING = "unchanged"


class Next(Enum):
    """What happens to the request before its first byte has been relayed."""

    RELAY = "relay"
    OTHER_ACCOUNT = "next account"
    HOP_ONCE = "one hop, then relay"
    RETRY_LATER = "again within the retry budget, then relay"
    SAME_THEN_OTHER = "same account once after a refresh, then the next"


class Meaning(NamedTuple):
    effect: Effect
    next: Next


MEANING = {
    AnswerKind.SERVED: Meaning(Effect.PROVE, Next.RELAY),
    AnswerKind.QUOTA: Meaning(Effect.BENCH, Next.OTHER_ACCOUNT),
    AnswerKind.MODEL_QUOTA: Meaning(Effect.CAP_MODEL, Next.OTHER_ACCOUNT),
    AnswerKind.TOLD_TO_WAIT: Meaning(Effect.BENCH, Next.OTHER_ACCOUNT),
    AnswerKind.BARE: Meaning(Effect.SUSPECT, Next.HOP_ONCE),
    AnswerKind.SIDE_429: Meaning(Effect.NOTHING, Next.HOP_ONCE),
    AnswerKind.UNAUTHORIZED: Meaning(Effect.LOCK_OUT, Next.SAME_THEN_OTHER),
    AnswerKind.FORBIDDEN: Meaning(Effect.REST, Next.OTHER_ACCOUNT),
    # A right that only this path needs: no reason to keep conversations away from the account.
    AnswerKind.SIDE_403: Meaning(Effect.NOTHING, Next.OTHER_ACCOUNT),
    AnswerKind.OVERLOADED: Meaning(Effect.NOTHING, Next.RETRY_LATER),
    AnswerKind.REQUEST: Meaning(Effect.NOTHING, Next.RELAY),
}

_OVERLOAD_STATUSES = frozenset({500, 502, 503, 504, 529})


def classify(status: int, reading: Reading, inference: bool) -> AnswerKind:
    """The kind of an upstream answer; `inference` is True for `/v1/messages` itself."""
    if status < 300:
        return AnswerKind.SERVED
    if status == 429:
        return _classify_429(reading, inference)
    if status == 401:
        return AnswerKind.UNAUTHORIZED
    if status == 403:
        return AnswerKind.FORBIDDEN if inference else AnswerKind.SIDE_403
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
    if reading.retry_after is not None:
        return AnswerKind.TOLD_TO_WAIT
    return AnswerKind.BARE
