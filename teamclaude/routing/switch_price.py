"""What a switch to an account costs: the prompt caches that live elsewhere have to be written anew there.

A prompt cache belongs to one account.  The first request of a moved conversation writes its whole prefix to
the cache of the new account, at the price of a cache write (1.25 or 2 times the input price, by the life of
the cache), where it would have been read for a tenth of the input price.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..snapshot import BindingView, Snapshot
from ..values import NamedTuple
from .quota.usage import Price, Usage

__all__ = ["NO_SWITCH_PRICE", "SwitchPrice", "switch_price"]

FIVE_MINUTES_SEC = 300.0  # the life of the cheaper cache writes


class SwitchPrice(NamedTuple):
    """What the conversations that would move have cached where they are."""

    conversations: int = 0
    tokens: int = 0  # of their cached prefixes
    cost: Optional[float] = None  # dollars of writing these; None: no price of them is known
    estimated: bool = False  # partly by the price of another version of the model
    unpriced_tokens: int = 0  # those among the tokens whose price is unknown: the cost is a lower bound


NO_SWITCH_PRICE = SwitchPrice(cost=0.0)


def switch_price(
    snapshot: Snapshot,
    account: str,
    session: Optional[str],
    prices: Mapping[Optional[str], Optional[Price]],
) -> SwitchPrice:
    """Return the price of pinning all work, or one session, to the account of that name.

    `prices` has each model (a PriceTable).  Sessions with a pin of their own stay when all work is pinned.
    """
    stays = {pin.session for pin in snapshot.pins if pin.session is not None} if session is None else set()
    tokens, unpriced, dollars, estimated, moved = 0, 0, 0.0, False, 0
    for binding in snapshot.session_bindings:
        if session is not None and binding.sid != session:
            continue
        if binding.sid in stays or not _has_cache_elsewhere(binding, account):
            continue
        moved += 1
        tokens += binding.cached_prefix_tokens
        price = prices[binding.model]
        written = _written(binding)
        cost = written.cost(price)
        if cost is None:
            unpriced += binding.cached_prefix_tokens
        else:
            dollars += cost
            estimated = estimated or written.is_estimated(price)
    return SwitchPrice(moved, tokens, None if unpriced == tokens > 0 else dollars, estimated, unpriced)


def _has_cache_elsewhere(binding: BindingView, account: str) -> bool:
    # The cache of an account that was removed is lost in any case.
    return binding.warm and binding.cached_prefix_tokens > 0 and binding.account not in (account, None)


def _written(binding: BindingView) -> Usage:
    """Return the tokens that the conversation's next request writes on another account."""
    if binding.cache_life_sec is not None and binding.cache_life_sec > FIVE_MINUTES_SEC:
        return Usage(cache_write_1h_tokens=binding.cached_prefix_tokens)
    return Usage(cache_write_5m_tokens=binding.cached_prefix_tokens)
