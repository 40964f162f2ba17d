"""Model families and what they cost (API-equivalent list prices)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Optional

from .usage import Usage

__all__ = ["FAMILIES", "PRICES", "Price", "cost", "family_of", "price_of"]


class Price(NamedTuple):
    """Dollars per million tokens."""

    input: float
    output: float


PRICES: Mapping[str, Price] = {
    "fable": Price(10, 50),
    "mythos": Price(10, 50),
    "opus": Price(5, 25),
    "sonnet": Price(3, 15),
    "haiku": Price(1, 5),
}
FAMILIES = tuple(PRICES)

# Relative to the input price; cached reads are cheap, the longer-lived write costs more.
CACHE_WRITE_5M, CACHE_WRITE_1H, CACHE_READ = 1.25, 2.0, 0.1


def family_of(model: Optional[str]) -> Optional[str]:
    """The family whose name stands in the model id, or None for an unknown family."""
    if model:
        lowered = model.lower()
        for family in FAMILIES:
            if family in lowered:
                return family
    return None


def price_of(model: Optional[str], overrides: Mapping[str, Price]) -> Optional[Price]:
    """The price of a model: the longest override found in its id, else its family's, else None."""
    if not model:
        return None
    if not overrides:
        return _list_price(model)
    lowered = model.lower()
    matches = [name for name in overrides if name.lower() in lowered]
    if matches:
        return overrides[max(matches, key=len)]
    return _list_price(model)


@lru_cache(maxsize=64)  # asked twice per request, about few models
def _list_price(model: str) -> Optional[Price]:
    return PRICES.get(family_of(model) or "")


def cost(usage: Usage, price: Optional[Price]) -> Optional[float]:
    """Dollars, or None when the price or the tokens are unknown: that is never shown as 0."""
    if price is None or usage.unmeasured:
        return None
    input_equivalent = (
        usage.input_tokens
        + usage.cache_write_5m_tokens * CACHE_WRITE_5M
        + usage.cache_write_1h_tokens * CACHE_WRITE_1H
        + usage.cache_read_tokens * CACHE_READ
    )
    return (input_equivalent * price.input + usage.output_tokens * price.output) / 1e6
