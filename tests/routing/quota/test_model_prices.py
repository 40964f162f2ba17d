from __future__ import annotations

from collections.abc import Mapping

import pytest

from teamclaude.routing.quota.model_prices import (
    FAMILIES,
    MAX_KNOWN_PRICES,
    PRICES,
    PriceTable,
    Pricing,
    family_of,
    price_of,
    version_of,
)
from teamclaude.routing.quota.usage import Usage

OPUS_4, OPUS_5_5 = PRICES["opus"][4,], PRICES["opus"][5, 5]


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
    ("model", "version"),
    [
        ("claude-opus-4-8", (4, 8)),
        ("claude-opus-4-8-20260115", (4, 8)),
        ("claude-opus-4-20250514", (4,)),
        ("claude-opus-4@20250514", (4,)),
        ("CLAUDE-OPUS-5-5", (5, 5)),
        ("anthropic/claude-opus-4.5", (4, 5)),
        ("claude-sonnet-5-5[1m]", (5, 5)),
        ("anthropic.claude-opus-4-6-v1:0", (4, 6)),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", (4,)),
        ("claude-opus-10", (10,)),
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("claude-3-5-sonnet-v2@20241022", (3, 5)),
        ("claude-3-opus-latest", (3,)),
        ("anthropic.claude-3-haiku-20240307-v1:0", (3,)),
        ("claude-opus-4x", ()),
        ("mythos", ()),
        ("opus[1m]", ()),
    ],
)
def test_the_version_is_found_in_the_model_id(model, version):
    assert version_of(model) == version


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        ("claude-opus-5-5", (4, 20, 0.20, 5, 8)),
        ("claude-sonnet-5-5", (2, 10, 0.10, 2.5, 4)),
        ("claude-haiku-5-5", (0.10, 0.50, 0.01, 0.125, 0.20)),
        ("claude-fable-5-2", (8, 40, 0.20, 10, 16)),
        ("claude-fable-5", (10, 50, 1, 12.5, 20)),
        ("claude-mythos-1", (10, 50, 1, 12.5, 20)),
        ("claude-opus-4-8", (5, 25, 0.50, 6.25, 10)),
        ("claude-sonnet-4-6", (3, 15, 0.30, 3.75, 6)),
        ("claude-haiku-4-5", (1, 5, 0.10, 1.25, 2)),
    ],
)
def test_the_price_list_in_dollars_per_million_tokens(model, figures):
    for spelling in (model, model.upper(), f"{model}-20260901", f"us.anthropic.{model}-v1:0", f"{model}[1m]"):
        assert price_of(spelling, {}) == (*figures, False)
    assert family_of(model) in FAMILIES


@pytest.mark.parametrize(
    ("model", "counts_as"),
    [
        ("claude-opus-6", ("opus", (5, 5))),
        ("claude-opus-5-6", ("opus", (5, 5))),
        ("claude-opus-10-1", ("opus", (5, 5))),
        ("claude-fable-5-3", ("fable", (5, 2))),
        ("claude-sonnet-7-20270101", ("sonnet", (5, 5))),
        ("opus", ("opus", (5, 5))),  # an alias is the newest
        ("claude-haiku-latest", ("haiku", (5, 5))),
        ("claude-opus-5", ("opus", (4,))),  # between two: the older one
        ("claude-3-5-sonnet-20241022", ("sonnet", (4,))),  # older than all: the oldest
        ("claude-3-opus-20240229", ("opus", (4,))),
    ],
)
def test_a_version_that_is_not_listed_is_an_estimate_by_the_newest_or_nearest_one(model, counts_as):
    family, version = counts_as
    price = price_of(model, {})
    assert price == (*PRICES[family][version][:5], True)
    assert Usage(1).is_estimated(price)
    assert not Usage().is_estimated(price)


@pytest.mark.parametrize("model", ["claude-opus-5-5-1", "claude-opus-5-5-20260901", "claude-mythos-9"])
def test_a_listed_beginning_of_the_version_is_no_estimate(model):
    assert not Usage(1).is_estimated(price_of(model, {}))


def test_an_unknown_family_has_no_price_and_no_cost():
    assert price_of("gpt-5", {}) is None
    assert price_of(None, {"gpt": Pricing(1, 1)}) is None
    assert Usage(1, 1).cost(None) is None
    assert not Usage(1, 1).is_estimated(None)


# --- the config's own prices ----------------------------------------------------------------------


def test_the_longest_override_in_the_id_beats_the_list():
    overrides = {"opus": Pricing(1, 1), "Opus-4-8": Pricing(2, 2), "epic": Pricing(9, 9)}
    assert price_of("claude-OPUS-4-8", overrides) == (2, 2, 0.2, 2.5, 4, False)
    assert price_of("claude-opus-5", overrides) == (1, 1, 0.1, 1.25, 2, False)
    assert price_of("claude-epic-1", overrides) == (9, 9, 0.9, 11.25, 18, False)
    assert price_of("claude-haiku-4-5", overrides) == PRICES["haiku"][4,]


def test_all_five_figures_can_be_given():
    assert price_of("x", {"x": Pricing(1, 2, 3, 4, 5)}) == (1, 2, 3, 4, 5, False)
    assert price_of("opus", {"opus": Pricing(0, 0, 0, 0, 0)}) == (0, 0, 0, 0, 0, False)


def test_figures_left_out_are_the_lists_and_follow_an_input_price_that_is_given():
    assert price_of("opus-4-8", {"opus": Pricing(output=9)}) == OPUS_4._replace(output=9)
    assert price_of("opus-4-8", {"opus": Pricing(cache_read=9)}) == OPUS_4._replace(cache_read=9)
    assert price_of("opus-5-5", {"opus": Pricing(input=8)}) == (8, 20, 0.8, 10, 16, False)
    assert price_of("opus-6", {"opus": Pricing(cache_write_1h=1)}) == (*OPUS_5_5[:4], 1, True)
    assert price_of("opus-6", {"opus": Pricing(input=8)}) == (8, 20, 0.8, 10, 16, True)
    assert price_of("opus-6", {"opus": Pricing(8, 9)}) == (8, 9, 0.8, 10, 16, False)


def test_a_model_of_which_a_figure_is_neither_given_nor_listed_has_no_price():
    assert price_of("gpt-5", {"gpt": Pricing(input=1)}) is None
    assert price_of("gpt-5", {"gpt": Pricing(output=1)}) is None


def input_price(model: str, overrides: Mapping[str, Pricing]) -> float:
    price = price_of(model, overrides)
    assert price is not None
    return price.input


def test_a_name_with_a_number_does_not_cut_a_number_in_two():
    overrides = {"opus-4": Pricing(1, 1), "5-5": Pricing(2, 2)}
    assert input_price("claude-opus-4-8", overrides) == 1
    assert price_of("claude-opus-45", overrides) == price_of("claude-opus-45", {})
    assert price_of("claude-opus-15-5", overrides) == price_of("claude-opus-15-5", {})
    assert input_price("claude-opus-5-5-20260901", overrides) == 2


def test_a_table_finds_each_price_once_and_keeps_few():
    table = PriceTable({"opus": Pricing(3, 1)})
    found = [table[f"opus-{n % 300}"] for n in range(900)]
    assert {price.input for price in found if price is not None} == {3}
    assert (table[None], table["gpt-5"]) == (None, None)
    assert len(table) <= MAX_KNOWN_PRICES
    assert table["opus-1"] is table["opus-1"]
