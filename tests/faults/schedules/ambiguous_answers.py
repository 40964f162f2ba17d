"""Answers whose status does not tell whom they are about: account, request, or the way to the API. PURE.

Each carries in a header of the fake API whom it is about.  The proxy passes that on and knows nothing of it;
the oracle reads it.
"""

from __future__ import annotations

import random
from typing import Callable

from teamclaude.fakeapi.fault import Fault, error_body
from tests.faults.schedules.plan import SPEED

__all__ = [
    "ABOUT",
    "EXTRA_USAGE",
    "endless_rests",
    "of_the_account",
    "overage_claim",
    "pages",
    "trickled_refusals",
]

Rng = random.Random

ABOUT = "x-fake-about"
_ACCOUNT = ((ABOUT, "account"),)
_WAY = ((ABOUT, "way"),)
_UNIFIED = "anthropic-ratelimit-unified-"

_REFUSED_BY_CREDENTIAL = (
    "This organization has been disabled.",
    "Your credit balance is too low to access the Anthropic API.",
    "You have reached your specified workspace API usage limits.",
    "The long context beta is not yet available for this subscription.",
)
_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Blocked.</body></html>"
_NOT_OURS = b'{"error":{"type":"forbidden","message":"Request not allowed"}}'


def of_the_account(code: int) -> Callable[[Rng], Fault]:
    """A 4xx that is this credential's: another account would serve the same request."""
    words = {402: ["Payment required."], 404: ["model: claude-fable-5"]}

    def make(rng: Rng) -> Fault:
        return Fault.status(code, rng.choice(words.get(code, _REFUSED_BY_CREDENTIAL)), headers=_ACCOUNT)

    return make


def pages(rng: Rng) -> Fault:
    """A refusal that is not the API's word: an edge's page, a filter's, a proxy's."""
    code, body, kind = rng.choice(
        [
            (403, _HTML, "text/html; charset=UTF-8"),
            (403, _NOT_OURS, "application/json"),
            (401, _HTML, "text/html"),
            (407, b"Proxy authentication required", "text/plain"),
            (511, _HTML, "text/html"),
        ]
    )
    return Fault.status(code, body=body, headers=[("content-type", kind), *_WAY])


def overage_claim(rng: Rng) -> Fault:
    """A 429 about money beyond the plan: 5h and 7d are allowed, retry-after is of the overage."""
    wait = rng.choice([900, 121_320])
    headers = [
        (_UNIFIED + "status", "rejected"),
        (_UNIFIED + "representative-claim", "overage"),
        (_UNIFIED + "overage-status", "rejected"),
        (_UNIFIED + "overage-disabled-reason", "out_of_credits"),
        (_UNIFIED + "5h-status", "allowed"),
        (_UNIFIED + "5h-utilization", "0.2"),
        (_UNIFIED + "7d-status", "allowed"),
        (_UNIFIED + "7d-utilization", "0.4"),
    ]
    return Fault.status(429, "You are out of extra usage.", headers=headers, retry_after=wait)


# Of a 200: the plan is used up, the answer was paid for apart.
EXTRA_USAGE = Fault(
    headers=(
        (_UNIFIED + "status", "rejected"),
        (_UNIFIED + "representative-claim", "five_hour"),
        (_UNIFIED + "5h-status", "rejected"),
        (_UNIFIED + "5h-utilization", "1.0"),
        (_UNIFIED + "overage-status", "allowed"),
        (_UNIFIED + "overage-in-use", "true"),
    )
)


def endless_rests(rng: Rng) -> Fault:
    """A retry-after that no window of the API's is as long as."""
    far = rng.choice(["1e18", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
    return Fault.status(429, retry_after=far)


def trickled_refusals(rng: Rng) -> Fault:
    """A refusal whose head comes at once and whose body takes seconds.

    None about a login: of those the body is needed to tell whose word it is.
    """
    code, wait = rng.choice([(429, 30), (429, None), (529, None), (400, None)])
    body = error_body(code, "w" * 4500)
    fault = Fault.status(code, body=body, retry_after=wait)
    return fault.with_changes(write_size=75, write_gap=0.05 * SPEED)
