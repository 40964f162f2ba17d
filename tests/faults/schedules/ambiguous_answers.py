"""Answers whose status does not tell what they concern: account, request, or the way to the API. PURE.

A header of the fake API says which.  The proxy relays it without reading it; the oracle reads it.
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
    """Return a maker of 4xx that concern the credential: another account would serve the request."""
    messages = {402: ["Payment required."], 404: ["model: claude-fable-5"]}

    def make(rng: Rng) -> Fault:
        return Fault.status(code, rng.choice(messages.get(code, _REFUSED_BY_CREDENTIAL)), headers=_ACCOUNT)

    return make


def pages(rng: Rng) -> Fault:
    """Return a refusal that is not from the API: the page of an edge, a filter or a proxy."""
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
    """Return a 429 about overage: 5h and 7d are allowed, retry-after is the overage's."""
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


# The headers of a 200 that was billed as extra usage: the plan is used up.
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
    """Return a 429 with a retry-after longer than any window."""
    far = rng.choice(["1e18", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
    return Fault.status(429, retry_after=far)


def trickled_refusals(rng: Rng) -> Fault:
    """Return a refusal whose head arrives at once and whose body takes seconds.

    Not about a login: there the body is needed to tell whether the API sent it.
    """
    code, wait = rng.choice([(429, 30), (429, None), (529, None), (400, None)])
    body = error_body(code, "w" * 4500)
    fault = Fault.status(code, body=body, retry_after=wait)
    return fault.with_changes(write_size=75, write_gap=0.05 * SPEED)
