from __future__ import annotations

import pytest

from teamclaude.routing.quota.usage import NO_USAGE, UNMEASURED, Price, Usage

SOME = Usage(1, 20, 300, 4000, 50_000)


def test_sums_of_tokens():
    assert (SOME.total, SOME.cache_write_tokens) == (54_321, 54_000)
    assert SOME.plus(SOME) == (2, 40, 600, 8000, 100_000, 0)
    assert SOME.plus(NO_USAGE) == SOME


def test_answers_whose_tokens_are_unknown_are_counted_beside_the_tokens():
    assert (UNMEASURED.total, UNMEASURED.burn, UNMEASURED.is_unknown) == (0, 0, True)
    both = SOME.plus(UNMEASURED).plus(UNMEASURED)
    assert (both.total, both.unmeasured, both.is_unknown) == (54_321, 2, False)
    assert not NO_USAGE.is_unknown


def test_cache_reads_burn_nothing():
    assert SOME.burn == 54_021


def test_the_prefix_is_what_the_cache_holds_afterwards():
    assert SOME.prefix == 54_300


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input_tokens=1_000_000), 4.0),
        (Usage(output_tokens=1_000_000), 20.0),
        (Usage(cache_read_tokens=1_000_000), 0.2),
        (Usage(cache_write_5m_tokens=1_000_000), 5.0),
        (Usage(cache_write_1h_tokens=1_000_000), 8.0),
        (Usage(), 0.0),
    ],
)
def test_cached_tokens_have_prices_of_their_own(usage, dollars):
    assert usage.cost(Price(4, 20, 0.2, 5, 8)) == pytest.approx(dollars)
