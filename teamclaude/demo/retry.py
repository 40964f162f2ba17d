"""When Claude Code retries a request, and when it gives up. PURE.

Measured with the client 2.1.330: at most ten retries, each after 0.5 s doubling to 32 s with up
to a quarter of jitter; what is retried depends on the status, the headers and the way the client
is logged in.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from ..values import NamedTuple, dataclass, field

__all__ = ["MAX_RETRIES", "Failure", "RetryStep", "next_retry"]

MAX_RETRIES = 10
_OPUS_OVERLOADED_TRIES = 3
_BETA_TRIES = 6
_RETRIED = (401, 408, 409, 429)
_LIMIT_HEADERS = (
    "anthropic-ratelimit-unified-representative-claim",
    "anthropic-ratelimit-unified-overage-status",
)


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    kind  answer    an error status (or a 200 that is no stream)
          network   no answer: refused, reset or closed before the content
          cut       the stream broke inside its first block
          finished  it broke after a whole text block
          early     `event: error` before any content
          late      `event: error` within the content
    `headers` have lower-case names.
    """

    kind: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def label(self) -> str:
        """The status of an answer, else the kind."""
        return str(self.status) if self.kind == "answer" else self.kind


class RetryStep(NamedTuple):
    """Retry after `delay` seconds; `stream` is False for the non-streaming fallback."""

    delay: float
    stream: bool = True
    resume: bool = False
    """Send a new turn that contains what had already arrived."""


def next_retry(
    failure: Failure, tries: int, *, subscription: bool, model: str, rng: random.Random
) -> RetryStep | None:
    """Return what follows the failure of try number `tries` (from 1); None: the user sees the error."""
    backoff = min(0.5 * 2 ** (tries - 1), 32.0) * (1 + rng.random() / 4)
    if failure.kind == "answer":
        return _after_answer(failure, tries, subscription, model, backoff, rng)
    if tries > MAX_RETRIES:
        return None
    if failure.kind == "finished":
        return RetryStep(0.0, resume=True)
    if failure.kind == "late":
        return RetryStep(0.0, stream=False)
    return RetryStep(backoff, stream=not (failure.kind == "cut" and tries == MAX_RETRIES))


def _after_answer(
    failure: Failure, tries: int, subscription: bool, model: str, backoff: float, rng: random.Random
) -> RetryStep | None:
    status = failure.status
    if status < 400 or status == 404:
        # Not found, or a 200 that is not a stream: one retry without streaming.
        return RetryStep(0.0, stream=False) if tries == 1 else None
    if status == 400:
        # Each immediate retry leaves out one beta feature, unless the message is a known one.
        known = b"prompt is too long" in failure.body
        return RetryStep(0.0) if not known and tries < _BETA_TRIES else None
    if status not in _RETRIED and status < 500:
        return None
    limit = _tries_allowed(failure, subscription, model)
    if tries >= limit:
        return None
    retry_after = _retry_after(failure.headers.get("retry-after"))
    if retry_after is None:
        return RetryStep(backoff)
    return RetryStep(retry_after * (1 + rng.random() / 4)) if retry_after <= 60 else None


def _tries_allowed(failure: Failure, subscription: bool, model: str) -> int:
    status = failure.status
    if failure.headers.get("x-should-retry") == "false" and (status == 429 or status >= 500):
        return 1
    if status == 429 and subscription and any(name in failure.headers for name in _LIMIT_HEADERS):
        return 1
    if status == 401 and subscription:
        return 2
    if status == 529 and not subscription and "opus" in model:
        return _OPUS_OVERLOADED_TRIES
    return MAX_RETRIES + 1


def _retry_after(value: str | None) -> int | None:
    """Return whole seconds; the client ignores an HTTP date."""
    return int(value) if value is not None and value.isdigit() else None
