from __future__ import annotations

import pytest

from teamclaude.routing.models import FAMILIES, Price, cost, family_of, price_of
from teamclaude.routing.usage import Usage


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-fable-5", "fable"),
        ("claude-mythos-1", "mythos"),
        ("claude-opus-4-8", "opus"),
        ("us.anthropic.CLAUDE-SONNET-4-6-v1:0", "sonnet"),
        ("claude-3-5-haiku-20241022", "haiku"),
        ("gpt-5", None),
        ("", None),
        (None, None),
    ],
)
def test_the_family_is_found_in_the_model_id(model, family):
    assert family_of(model) == family


@pytest.mark.parametrize(
    ("family", "price"),
    [("fable", (10, 50)), ("mythos", (10, 50)), ("opus", (5, 25)), ("sonnet", (3, 15)), ("haiku", (1, 5))],
)
def test_the_price_list_in_dollars_per_million_tokens(family, price):
    assert price_of(f"claude-{family}-9", {}) == price
    assert family in FAMILIES


def test_an_unknown_family_has_no_price_and_no_cost():
    assert price_of("gpt-5", {}) is None
    assert price_of(None, {"gpt": Price(1, 1)}) is None
    assert cost(Usage(1, 1), None) is None


def test_the_longest_override_in_the_id_beats_the_family():
    overrides = {"opus": Price(1, 1), "Opus-4-8": Price(2, 2), "epic": Price(9, 9)}
    assert price_of("claude-OPUS-4-8", overrides) == (2, 2)
    assert price_of("claude-opus-5", overrides) == (1, 1)
    assert price_of("claude-epic-1", overrides) == (9, 9)
    assert price_of("claude-haiku-4-5", overrides) == (1, 5)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input_tokens=1_000_000), 4.0),
        (Usage(output_tokens=1_000_000), 20.0),
        (Usage(cache_read_tokens=1_000_000), 0.4),
        (Usage(cache_write_5m_tokens=1_000_000), 5.0),
        (Usage(cache_write_1h_tokens=1_000_000), 8.0),
        (Usage(), 0.0),
    ],
)
def test_cached_tokens_have_prices_of_their_own(usage, dollars):
    assert cost(usage, Price(4, 20)) == pytest.approx(dollars)
