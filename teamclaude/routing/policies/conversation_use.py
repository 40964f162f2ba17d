"""What conversations use: how fast, how much in all, and so for how long a window carries some of them.

A conversation ends without a word.  One that has had no response for ACTIVE_SEC counts as ended; what it has
used counts on when it comes back.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf, log1p, sqrt
from typing import Any

from ...values import NamedTuple
from ..quota.lenient_json import LenientObject, as_count
from .family_estimates import ACTIVE_SEC

__all__ = ["ConversationTotals", "ConversationUse"]

LATEST_ENDED, LEAST_ENDED = 200, 5  # conversations whose totals are what is usual
MAX_RUNNING = 10_000  # that are remembered, should the clock move back
# Standard deviations above the mean that are reckoned with.  A window that closes under conversations costs
# them their caches: in the lab agents-8 lost 5 points with 1.0 (two seeds), and more people waited with 3.0.
MARGIN = 1.5


class ConversationUse(NamedTuple):
    """What one more active conversation is expected to use."""

    rate: float  # tokens a second
    total: float = inf  # tokens until it ends; inf: it goes on
    spread: float = 0.0  # of the totals: standard deviation against the mean

    def lasting(self, tokens: float, count: int) -> float:
        """Return the seconds in which `count` conversations use up `tokens`; inf: they will not.

        Each may end in any second.  The more they are, the nearer to the mean is what they use.
        """
        if self.total == inf:
            return tokens / (count * self.rate)
        each = tokens / (count + MARGIN * self.spread * sqrt(count))
        return inf if each >= self.total else -self.total / self.rate * log1p(-each / self.total)


class ConversationTotals:
    """The tokens of each conversation that is active, and of the latest that have ended."""

    def __init__(self) -> None:
        # Last response, tokens; the one that has had none for the longest time is the first.
        self._running: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._oldest = -inf  # the last response of the first one is no older; -inf: one is new
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._sum = self._sum_of_squares = 0  # of those that have ended

    def record(self, conversation: str, burned: int, now: float) -> float:
        """Count a response; return the seconds since the one before, 0 for the first since it was idle."""
        known = self._running.pop(conversation, None)
        if known is None:
            before, total = now, self._take_back(conversation)
            self._oldest = -inf
        else:
            before, total = known
        self._running[conversation] = now, total + burned
        if self._oldest <= now - ACTIVE_SEC:
            self._end_idle(now)
        since = now - before
        return since if 0.0 <= since < ACTIVE_SEC else 0.0

    def _end_idle(self, now: float) -> None:
        running = self._running
        while (oldest := next(iter(running.values()))[0]) <= now - ACTIVE_SEC or len(running) > MAX_RUNNING:
            ended, (_, total) = running.popitem(last=False)
            self._end(ended, total)
        self._oldest = oldest

    def _take_back(self, conversation: str) -> int:
        """Return what a conversation had used when it ended; it goes on."""
        total = self._ended.pop(conversation, 0)
        self._sum -= total
        self._sum_of_squares -= total * total
        return total

    def _end(self, conversation: str, total: int) -> None:
        self._ended[conversation] = total
        self._sum += total
        self._sum_of_squares += total * total
        if len(self._ended) > LATEST_ENDED:
            self._take_back(next(iter(self._ended)))

    def usual(self, rate: float) -> ConversationUse:
        """Return what a conversation uses that burns `rate` tokens a second."""
        count = len(self._ended)
        if count < LEAST_ENDED or self._sum <= 0:
            return ConversationUse(rate)
        mean = self._sum / count
        variance = max(0.0, self._sum_of_squares / count - mean * mean)
        return ConversationUse(rate, mean, sqrt(variance) / mean)

    def to_json(self) -> dict[str, Any]:
        """Return the totals by conversation, those that have ended first."""
        return {**self._ended, **{name: total for name, (_, total) in self._running.items()}}

    def restore(self, saved: LenientObject) -> None:
        """Take back what `to_json` returned; all of them count as ended until they go on."""
        for name in saved.names()[-LATEST_ENDED:]:
            total = saved.find(name, as_count)
            if total is not None:
                self._end(name, total)
