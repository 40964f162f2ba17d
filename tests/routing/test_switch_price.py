"""What it costs to move conversations: their cached prefixes, written anew on the other account."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.routing.quota.model_prices import PriceTable
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.switch_price import NO_SWITCH_PRICE, SwitchPrice, switch_price
from teamclaude.routing.view import snapshot_of
from teamclaude.snapshot import BindingView, PinView, Snapshot
from tests.routing.conftest import Pool

OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-9"  # $6.25 and $3.75 for a million 5-minute writes
PRICES = PriceTable({})


def conversation(
    sid: str, account: str | None = "alice", prefix: int = 100_000, **fields: Any
) -> BindingView:
    settings = {"model": OPUS, "warm": True, "cache_life_sec": 300.0, **fields}
    return BindingView(sid, account=account, cached_prefix_tokens=prefix, **settings)


def price_of(
    *bindings: BindingView, to: str = "bob", session: str | None = None, **fields: Any
) -> SwitchPrice:
    return switch_price(Snapshot(session_bindings=bindings, **fields), to, session, PRICES)


def test_the_prefixes_are_written_at_the_price_of_their_model_and_cache_life() -> None:
    assert price_of(conversation("a")) == SwitchPrice(1, 100_000, 0.625)
    assert price_of(conversation("a", cache_life_sec=3600.0)).cost == pytest.approx(1.0)
    assert price_of(conversation("a", cache_life_sec=None)).cost == pytest.approx(0.625), "the cheaper one"
    both = price_of(conversation("a"), conversation("b", model=SONNET, agent="x"))
    assert both[:2] == (2, 200_000)
    assert both.cost == pytest.approx(0.625 + 0.375)


def test_only_warm_conversations_elsewhere_cost_anything() -> None:
    stays = [
        conversation("there already", "bob"),
        conversation("cold", warm=False),
        conversation("nothing cached", prefix=0),
        conversation("of an account that is gone", None),
    ]
    assert price_of(*stays) == NO_SWITCH_PRICE
    assert NO_SWITCH_PRICE.cost == 0.0


def test_of_one_session_its_sub_agents_move_with_it() -> None:
    rows = (conversation("a"), conversation("a", agent="x", prefix=5000), conversation("b"))
    assert price_of(*rows, session="a")[:2] == (2, 105_000)


def test_a_session_with_a_pin_of_its_own_stays_when_all_work_is_pinned() -> None:
    rows, pins = (conversation("a"), conversation("b")), (PinView("b", "alice"),)
    assert price_of(*rows, pins=pins).conversations == 1
    assert price_of(*rows, pins=pins, session="b").conversations == 1, "a new pin replaces it"


def test_an_unknown_price_is_never_zero() -> None:
    unknown = conversation("a", model="gpt-5")
    assert price_of(unknown) == SwitchPrice(1, 100_000, None, False, 100_000)
    assert price_of(unknown, conversation("b")) == SwitchPrice(2, 200_000, 0.625, False, 100_000)
    assert price_of(conversation("a", model="claude-opus-9")).estimated


def test_it_reads_what_a_fleet_says() -> None:
    pool = Pool(AccountSpec("u1", "alice"), AccountSpec("u2", "bob"))
    pool.settle(pool.lease("s1", pin="u1", model=OPUS), Usage(10, 20, 30_000, 0, 2000), OPUS, served=True)
    snapshot = snapshot_of(pool.fleet, pool.now)
    assert switch_price(snapshot, "bob", None, PRICES)[:2] == (1, 32_000)
    assert switch_price(snapshot, "alice", None, PRICES) == NO_SWITCH_PRICE
