"""Model families, versions, and what they cost (API-equivalent list prices).

Which price a model has:
1. By `pricing` of the config: the longest name found in the model id.  Figures it leaves out are
   those of the list; where it names the input price, cached tokens follow that.
2. By the list: the longest version the model's own begins with (`opus-4` for claude-opus-4-8).
3. A version newer than every listed one, or none at all (`opus`), counts as the newest listed; one
   between two as the older of both, one older than all as the oldest.  These are estimates.
4. An unknown family has no price: its cost is unknown, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Optional

from ...settings import Settings, setting
from .usage import Price

__all__ = [
    "FAMILIES",
    "PRICES",
    "PriceTable",
    "Pricing",
    "family_of",
    "price_of",
    "version_of",
]

# Relative to the input price, where nothing else is known.
CACHE_READ, CACHE_WRITE_5M, CACHE_WRITE_1H = 0.1, 1.25, 2.0
_PER_MILLION = "$ per million tokens"
MAX_KNOWN_PRICES = 64  # clients name any model


class Pricing(Settings):
    """A price in the config; what is not set is as in the built-in list."""

    input: Optional[float] = setting(None, "Input that is not cached.", unit=_PER_MILLION)
    output: Optional[float] = setting(None, "Output.", unit=_PER_MILLION)
    cache_read: Optional[float] = setting(None, "Input read from the cache.", unit=_PER_MILLION)
    cache_write_5m: Optional[float] = setting(None, "Input cached for 5 minutes.", unit=_PER_MILLION)
    cache_write_1h: Optional[float] = setting(None, "Input cached for an hour.", unit=_PER_MILLION)


# By family and version.  Source: Claude Code's own table, measured 2026-11 from its total_cost_usd.
PRICES: Mapping[str, Mapping[tuple[int, ...], Price]] = {
    "fable": {(5,): Price(10, 50, 1, 12.5, 20), (5, 2): Price(8, 40, 0.20, 10, 16)},
    "mythos": {(): Price(10, 50, 1, 12.5, 20)},
    "opus": {(4,): Price(5, 25, 0.50, 6.25, 10), (5, 5): Price(4, 20, 0.20, 5, 8)},
    "sonnet": {(4,): Price(3, 15, 0.30, 3.75, 6), (5, 5): Price(2, 10, 0.10, 2.5, 4)},
    "haiku": {(4,): Price(1, 5, 0.10, 1.25, 2), (5, 5): Price(0.10, 0.50, 0.01, 0.125, 0.20)},
}
FAMILIES = tuple(PRICES)

# `-4-8`, `-4.8`, `@4` after the family's name; `3-5-` before it, as older models are called.  Longer
# numbers are dates, and `-v1:0` is a revision of the platform's.
_AFTER = re.compile(r"(?:[-._@]?\d{1,2}(?![a-z0-9]))*")
_BEFORE = re.compile(r"(?:(?<![a-z0-9])\d{1,2}[-._])*$")


@lru_cache(maxsize=64)
def family_of(model: Optional[str]) -> Optional[str]:
    """Return the family whose name is in the model id, or None for an unknown family."""
    if model:
        lowered = model.lower()
        for family in FAMILIES:
            if family in lowered:
                return family
    return None


def version_of(model: str) -> tuple[int, ...]:
    """Return the version in the id of a model of a known family: (4, 8); empty where there is none."""
    lowered = model.lower()
    before, _, after = lowered.partition(family_of(model) or lowered)
    found = _AFTER.match(after)
    digits = re.findall(r"\d+", found[0]) if found else []
    if not digits:
        found = _BEFORE.search(before)
        digits = re.findall(r"\d+", found[0]) if found else []
    return tuple(map(int, digits))


class PriceTable(dict[Optional[str], Optional[Price]]):
    """The price of each model by its id, None where it is unknown; found when it is first asked for."""

    def __init__(self, overrides: Mapping[str, Pricing]) -> None:
        super().__init__()
        self._overrides = overrides  # the config's `pricing`

    def __missing__(self, model: Optional[str]) -> Optional[Price]:
        if len(self) >= MAX_KNOWN_PRICES:
            self.clear()
        price = self[model] = price_of(model, self._overrides)
        return price


def price_of(model: Optional[str], overrides: Mapping[str, Pricing]) -> Optional[Price]:
    """Return the price of a model, or None where it is unknown; `overrides` is the config's `pricing`."""
    if not model:
        return None
    return _overridden(model, overrides) if overrides else _list_price(model)


def _list_price(model: str) -> Optional[Price]:
    listed = PRICES.get(family_of(model) or "")
    if listed is None:
        return None
    version, newest = version_of(model), max(listed)
    if version[: len(newest)] == newest:
        return listed[newest]
    beginnings = [known for known in listed if version[: len(known)] == known]
    if version < newest and beginnings:
        return listed[max(beginnings)]
    older = [known for known in listed if known < version]
    nearest = max(older, default=min(listed)) if version else newest
    return listed[nearest]._replace(estimated=True)


def _overridden(model: str, overrides: Mapping[str, Pricing]) -> Optional[Price]:
    listed = _list_price(model)
    names = [name for name in overrides if name and _is_in(name.lower(), model.lower())]
    if not names:
        return listed
    own = overrides[max(names, key=len)]
    paid, output = own.input, own.output
    if listed is not None:
        paid = listed.input if paid is None else paid
        output = listed.output if output is None else output
    if paid is None or output is None:
        return None
    # A new input price moves the cached ones with it.
    rest = listed if listed is not None and own.input is None else _from_input(paid)
    return Price(
        paid,
        output,
        rest.cache_read if own.cache_read is None else own.cache_read,
        rest.cache_write_5m if own.cache_write_5m is None else own.cache_write_5m,
        rest.cache_write_1h if own.cache_write_1h is None else own.cache_write_1h,
        listed is not None and listed.estimated and (own.input is None or own.output is None),
    )


def _from_input(paid: float) -> Price:
    return Price(paid, 0.0, paid * CACHE_READ, paid * CACHE_WRITE_5M, paid * CACHE_WRITE_1H)


def _is_in(name: str, model: str) -> bool:
    """Return whether the name is in the model id and cuts no number in two: `opus-4` is not in `opus-41`."""
    if name not in model:
        return False
    start = r"(?<!\d)" if name[0].isdigit() else ""
    end = r"(?!\d)" if name[-1].isdigit() else ""
    return re.search(start + re.escape(name) + end, model) is not None
