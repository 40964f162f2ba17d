"""The counts of requests, as samples."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Optional

from ..history.histogram import Histogram, bucket_bound
from . import families as f
from .exposition import Collection, HistogramValue
from .request_counts import RequestCounts

__all__ = ["add_requests"]

TOKEN_KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
# The buckets that are shown, 16 ms to 17 min: every second one of those that are counted in (schema 1 of
# Prometheus' native histograms, powers of 2**(1/2)), which are those of schema 0.
SHOWN = range(-12, 21, 2)
BOUNDS = tuple(map(bucket_bound, SHOWN))
# Statuses of the API with a meaning of their own; of others only the class.
CODES = {200, 400, 401, 402, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529}


def add_requests(to: Collection, counts: RequestCounts) -> None:
    """Add the samples of all that was counted."""
    for key, number in counts.requests.items():
        to.add(f.REQUESTS, number, *key)
    responses: dict[tuple[str, str], int] = defaultdict(int)
    for (account, status), number in counts.responses.items():
        responses[account, _code(status)] += number
    for labels, number in responses.items():
        to.add(f.RESPONSES, number, *labels)
    for account, number in counts.failovers.items():
        to.add(f.FAILOVERS, number, account)
    _add_usage(to, counts)
    for name, number in counts.client_requests.items():
        to.add(f.CLIENT_REQUESTS, number, name)
    for labels, number in counts.client_refused.items():
        to.add(f.CLIENT_REFUSED, number, *labels)
    for name, used in counts.clients.items():
        for kind, number in zip(TOKEN_KINDS, used.usage):
            to.add(f.CLIENT_TOKENS, number, name, kind)
        to.add(f.CLIENT_COST, used.cost, name)
    for family, by_label in ((f.TTFB, counts.ttfb), (f.DURATION, counts.duration), (f.WAIT, counts.waits)):
        for label, counted in by_label.items():
            to.add(family, _histogram(counted), label)
    for kind, number in counts.events.items():
        to.add(f.EVENTS, number, kind)


def _add_usage(to: Collection, counts: RequestCounts) -> None:
    for labels, used in counts.usage.items():
        for kind, number in zip(TOKEN_KINDS, used.usage):
            to.add(f.TOKENS, number, *labels, kind)
        to.add(f.COST, used.cost, *labels)
        to.add(f.UNPRICED, used.unpriced, *labels)
        to.add(f.UNMEASURED, used.usage.unmeasured, *labels)


def _code(status: Optional[int]) -> str:
    if status is None:
        return "none"
    return str(status) if status in CODES else f"{status // 100}xx"


def _histogram(counted: Histogram) -> HistogramValue:
    counts, native = [0] * (len(SHOWN) + 1), counted.buckets()
    for index, count in native.items():
        counts[bisect_left(SHOWN, index)] += count
    return HistogramValue(BOUNDS, counts, counted.sum, native)
