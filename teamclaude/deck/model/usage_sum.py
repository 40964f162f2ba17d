"""Sums of tokens and cost, as the rows of the Deck show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ...values import NamedTuple

__all__ = ["UNKNOWN_USAGE", "UsageSum", "sum_usage"]


class UsageSum(NamedTuple):
    """A sum of tokens and cost.

    `burn` is what counts against the windows: uncached input, cache writes and output.  `tokens` are nearly
    all cache reads, which hardly move a window.
    `cost` covers the priced tokens only; `unpriced` counts the others.  The tokens of `unmeasured` answers
    are unknown, so the sums are lower bounds then.
    """

    tokens: Optional[int] = None
    cost: Optional[float] = None
    unpriced: int = 0
    requests: Optional[int] = None
    unmeasured: int = 0
    estimated: bool = False  # part of the cost uses the price of another version of the model
    burn: Optional[int] = None
    written: Optional[int] = None  # to the prompt cache; part of `burn`

    @property
    def rank(self) -> int:
        """What rows are sorted by, most first: the burn, or all tokens where only they are known."""
        return (self.tokens or 0) if self.burn is None else self.burn


UNKNOWN_USAGE = UsageSum()


def sum_usage(usages: Iterable[UsageSum]) -> UsageSum:
    """Add up what is known; a field of the sum is None only when it is unknown in all of them."""
    tokens: Optional[int] = None
    cost: Optional[float] = None
    requests: Optional[int] = None
    burn: Optional[int] = None
    written: Optional[int] = None
    unpriced, unmeasured, estimated = 0, 0, False
    for usage in usages:
        if usage.tokens is not None:
            tokens = usage.tokens + (tokens or 0)
        if usage.cost is not None:
            cost = usage.cost + (cost or 0.0)
        if usage.requests is not None:
            requests = usage.requests + (requests or 0)
        if usage.burn is not None:
            burn = usage.burn + (burn or 0)
        if usage.written is not None:
            written = usage.written + (written or 0)
        unpriced += usage.unpriced
        unmeasured += usage.unmeasured
        estimated = estimated or usage.estimated
    return UsageSum(tokens, cost, unpriced, requests, unmeasured, estimated, burn, written)
