"""How large an account's windows are, by what is burned and what its headers say."""

from __future__ import annotations

import pytest

from teamclaude.routing.policies.price_estimates import PriceEstimates
from teamclaude.routing.quota.usage import Usage

HOUR, DAY = 3600.0, 86400.0


class Metered:
    """Accounts that burn, and the meter that watches them."""

    def __init__(self, pool) -> None:
        self.pool, self.estimates = pool, PriceEstimates()
        self.ends = {"5h": pool.now + 3 * HOUR, "7d": pool.now + 5 * DAY}
        self.used: dict[tuple[str, str], float] = {}

    def burn(self, name, axis, size, share, by_others=0.0):
        """`share` of a window of `size` tokens in answers of half a percent, headers rounded."""
        key = name, axis
        for _ in range(round(share / 0.005)):
            self.used[key] = self.used.get(key, 0.0) + 0.005
            self._answer(name, axis, Usage(round(0.005 * size)))
        if by_others:
            self.used[key] += by_others
            self._answer(name, axis, Usage(10))

    def _answer(self, name, axis, usage):
        account, now = self.pool[name], self.pool.now
        account.usage = account.usage.plus(usage)
        self.pool.quota(name, axis, round(self.used[name, axis], 2), self.ends[axis] - now)
        self.estimates.record_response(self.pool.fleet.accounts.values(), account, "s", usage, now)
        self.pool.wait(60.0)


@pytest.fixture(name="metered")
def metered_pool(Pool):
    return Metered(Pool("a", "b", "c"))


@pytest.mark.parametrize("axis", ["5h", "7d"])
def test_a_window_is_as_large_as_what_was_burned_while_it_rose(metered, axis):
    metered.burn("a", axis, 4_000_000, 0.3)
    sizes = dict(zip(("5h", "7d"), metered.estimates.window_sizes(metered.pool["a"])))
    assert sizes[axis] == pytest.approx(4_000_000, rel=0.1)


def test_what_others_use_at_a_stroke_makes_no_account_smaller(metered):
    metered.burn("a", "7d", 4_000_000, 0.3)
    metered.burn("a", "7d", 4_000_000, 0.02, by_others=0.3)
    metered.burn("a", "7d", 4_000_000, 0.2)
    assert metered.estimates.week_tokens(metered.pool["a"]) == pytest.approx(4_000_000, rel=0.1)


def test_also_not_of_an_account_that_is_not_known_yet(metered):
    metered.burn("a", "7d", 4_000_000, 0.03, by_others=0.3)
    assert metered.estimates.week_tokens(metered.pool["a"]) is None
    metered.burn("a", "7d", 4_000_000, 0.2)
    assert metered.estimates.week_tokens(metered.pool["a"]) == pytest.approx(4_000_000, rel=0.1)


def test_an_unknown_account_is_as_large_as_the_others(metered):
    metered.burn("a", "5h", 1_000_000, 0.2)
    metered.pool.wait(60.0)
    metered.burn("a", "5h", 1_000_000, 0.01)
    assert metered.estimates.window_sizes(metered.pool["b"])[0] == pytest.approx(1_000_000, rel=0.1)


def test_but_not_smaller_than_what_it_has_shown(metered):
    metered.burn("a", "5h", 1_000_000, 0.2)
    metered.burn("b", "5h", 20_000_000, 0.05)
    assert metered.estimates.window_sizes(metered.pool["b"])[0] > 10_000_000


def test_a_new_window_is_measured_anew(metered):
    metered.burn("a", "5h", 1_000_000, 0.2)
    metered.ends["5h"] += 5 * HOUR
    metered.used["a", "5h"] = 0.0
    metered.burn("a", "5h", 1_000_000, 0.05)
    assert metered.estimates.window_sizes(metered.pool["a"])[0] == pytest.approx(1_000_000, rel=0.1)
