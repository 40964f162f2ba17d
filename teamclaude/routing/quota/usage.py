"""Token counts of one response, or the sum of many, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import Optional

from ...values import NamedTuple

__all__ = ["NO_USAGE", "UNMEASURED", "Price", "Usage", "sum_of"]


class Price(NamedTuple):
    """Dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float
    estimated: bool = False  # of another version, see model_prices


class Usage(NamedTuple):
    """Tokens as the API counts them; `input_tokens` excludes everything cached.

    `unmeasured` counts responses whose tokens could not be read, or not all: the counts are then a lower
    bound, and zeros mean "unknown".
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    unmeasured: int = 0

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the prompt cache, whatever its life."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total(self) -> int:
        """All tokens, cache reads too."""
        return sum(self[:5])

    @property
    def is_unknown(self) -> bool:
        """Whether not one token of what was used is known."""
        return self.unmeasured > 0 and not self.total

    @property
    def burn(self) -> int:
        """Tokens that count against an account's windows: cache reads hardly move them (measured)."""
        return (
            self.input_tokens + self.output_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        )

    @property
    def prefix(self) -> int:
        """Tokens of the conversation that the prompt cache holds after this response."""
        return self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    def cost(self, price: Optional[Price]) -> Optional[float]:
        """Return dollars, or None when the price or the tokens are unknown: that is never shown as 0."""
        if price is None or self.unmeasured:
            return None
        return (
            self.input_tokens * price.input
            + self.output_tokens * price.output
            + self.cache_read_tokens * price.cache_read
            + self.cache_write_5m_tokens * price.cache_write_5m
            + self.cache_write_1h_tokens * price.cache_write_1h
        ) / 1e6

    def is_estimated(self, price: Optional[Price]) -> bool:
        """Return whether its cost is by the price of another version: it is shown as `~$1.23`."""
        return price is not None and price.estimated and self.total > 0

    def plus(self, other: Usage) -> Usage:
        """Return the sum."""
        return Usage(*map(add, self, other))


NO_USAGE = Usage()
UNMEASURED = Usage(unmeasured=1)


def sum_of(usages: Sequence[Usage]) -> Usage:
    """Return the sum; of many it takes a fifth of what `plus` takes."""
    return Usage(*map(sum, zip(*usages))) if usages else NO_USAGE
