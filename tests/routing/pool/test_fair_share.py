"""Fair shares in virtual time: who may start a request while the windows of the pool get scarce."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from teamclaude.routing.pool.fair_share import (
    AXES,
    MEMORY,
    REST,
    ClientUse,
    Demand,
    PoolWindow,
    pool_windows,
    refusal_by_share,
    share_used,
    shares_of_all,
)
from teamclaude.routing.quota.windows import Window
from tests.routing.conftest import Pool

HOUR = 3600.0
START = 1_800_000_000.0
SIZE = 100_000_000.0  # tokens of one account's 5-hour window
STEP = 10.0  # seconds of the simulation
A_AND_B = shares_of_all({"a": 0.5, "b": 0.5})


def windows(left: float, ends_in: float = HOUR) -> list[PoolWindow]:
    return [PoolWindow("x", left, START + ends_in)]


def refused(client: str, uses: dict[str, ClientUse], left: float, shares: dict[str, float] = A_AND_B) -> bool:
    return refusal_by_share(client, "5h", shares, uses, windows(left), START) is not None


# --- one decision -------------------------------------------------------------------------------


def test_below_its_share_a_client_is_never_refused() -> None:
    uses = {"a": ClientUse(49.0, 0.1), "b": ClientUse(50.0, 1e9)}
    assert not refused("a", uses, 1.0)


def test_not_even_where_a_third_one_has_used_what_another_claims() -> None:
    shares = shares_of_all({"a": 0.5, "b": 0.3, "c": 0.2})
    uses = {"a": ClientUse(10.0, 1.0), "b": ClientUse(0.0, 1e9), "c": ClientUse(60.0, 1.0)}
    assert not refused("a", uses, 30.0, shares)
    assert refused("c", uses, 30.0, shares)


def test_above_its_share_it_is_refused_once_the_others_need_what_is_left() -> None:
    uses = {"a": ClientUse(60.0, 1.0), "b": ClientUse(10.0, 1e9)}
    assert refused("a", uses, 30.0)
    assert not refused("b", uses, 30.0)


def test_what_the_others_will_not_need_is_lent() -> None:
    uses = {"a": ClientUse(60.0, 1.0), "b": ClientUse(10.0, 5.0 / HOUR)}  # b: 10 of the 30, as 2 x 5
    assert not refused("a", uses, 30.0)
    assert not refused("a", uses, 10.5)
    assert refused("a", uses, 9.5)


def test_nothing_is_kept_for_a_client_that_is_not_there() -> None:
    assert not refused("a", {"a": ClientUse(60.0, 1.0)}, 0.5)


def test_a_refusal_says_when_the_first_window_is_reset() -> None:
    uses = {"a": ClientUse(80.0, 1.0), "b": ClientUse(10.0, 1e9)}
    two = [PoolWindow("x", 5.0, START + HOUR), PoolWindow("y", 5.0, START + 2 * HOUR)]
    found = refusal_by_share("a", "5h", A_AND_B, uses, two, START)
    assert found is not None
    assert (found.axis, found.share, found.until) == ("5h", 0.5, START + HOUR)


def test_a_window_without_a_known_reset_lasts_its_length_at_most() -> None:
    uses = {"a": ClientUse(80.0, 1.0), "b": ClientUse(10.0, 1e9)}
    found = refusal_by_share("a", "5h", A_AND_B, uses, [PoolWindow("x", 5.0, None)], START)
    assert found is not None
    assert found.until == START + 5 * HOUR


def test_clients_without_a_share_are_one_with_the_rest_of_1() -> None:
    shares = shares_of_all({"a": 0.7})
    assert shares == {"a": 0.7, REST: pytest.approx(0.3)}
    uses = {"a": ClientUse(10.0, 1e9), REST: ClientUse(40.0, 1.0)}
    assert refused("c", uses, 50.0, shares)
    assert not refused("a", uses, 50.0, shares)


def test_without_a_window_of_known_size_nobody_is_refused() -> None:
    uses = {"a": ClientUse(1e9, 1.0), "b": ClientUse(0.0, 1e9)}
    assert refusal_by_share("a", "5h", A_AND_B, uses, [], START) is None
    assert share_used("a", uses, []) is None


def test_a_share_of_0_is_lent_what_others_leave_and_no_more() -> None:
    shares = shares_of_all({"a": 0.0, "b": 1.0})
    assert not refused("a", {"a": ClientUse(30.0, 1.0)}, 70.0, shares)
    assert refused("a", {"a": ClientUse(30.0, 1.0), "b": ClientUse(1.0, 1e9)}, 69.0, shares)


def test_what_others_use_outside_of_the_proxy_makes_everybodys_part_smaller() -> None:
    uses = {"a": ClientUse(30.0, 1.0), "b": ClientUse(10.0, 1e9)}
    assert not refused("a", uses, 60.0)
    assert refused("a", uses, 20.0), "30 of the 60 that clients can use"


# --- the rate -----------------------------------------------------------------------------------


def test_a_steady_rate_is_found_early_and_forgotten_late() -> None:
    memory, demand = 1800.0, Demand(since=START)
    for second in range(0, 3600, 10):
        demand = demand.plus(50.0, memory, START + second)
        if second >= 600:
            assert demand.per_sec(memory, START + second) == pytest.approx(5.0, rel=0.1)
    assert demand.per_sec(memory, START + 3600 + 1800) == pytest.approx(5.0 / 2.72, rel=0.2)
    assert demand.per_sec(memory, START + 10 * HOUR) < 0.001
    assert demand.per_sec(memory, START - HOUR) >= 0, "a clock that was set back"


# --- the windows of a pool ----------------------------------------------------------------------


def test_the_windows_of_accounts_that_serve_in_tokens(make_pool: Callable[..., Pool]) -> None:
    p = make_pool("a", "b", "c")
    accounts = list(p.fleet.accounts.values())
    for each, used in zip(accounts, (0.5, 0.25, None)):
        if used is not None:
            window = Window(used, p.now + HOUR, "allowed", p.now)
            each.windows.update({"5h": window}, p.now)
            each.burn.add(1_000_000, p.now)
    found = pool_windows(accounts, p.fleet.rules, p.now)
    full = p.fleet.rules.full
    a, b, c = (window.left for window in found["5h"])
    assert a == pytest.approx((full - 0.5) * 2_000_000)
    assert b == pytest.approx((full - 0.25) * 4_000_000)
    assert c == pytest.approx(full * 3_000_000), "with the mean size of the others"
    assert found["7d"] == ()
    accounts[0].auth_failed = "refused"
    assert [window.account for window in pool_windows(accounts, p.fleet.rules, p.now)["5h"]] == ["b", "c"]


# --- simulations --------------------------------------------------------------------------------


class World:
    """Clients that want tokens at some rate, one account, and one 5-hour window from START on."""

    def __init__(self, shares: dict[str, float], wants: dict[str, Callable[[float], float]]) -> None:
        self.shares, self.wants = shares_of_all(shares), wants
        self.used = dict.fromkeys(wants, 0.0)
        self.demand = {name: Demand(since=START) for name in wants}
        self.random = random.Random(7)
        self.missed = dict.fromkeys(wants, 0.0)

    def run(self) -> dict[str, float]:
        """Return what each client has used at the reset, as part of the window."""
        memory, at = MEMORY * AXES["5h"], START
        while at < START + AXES["5h"]:
            for name in self.random.sample(sorted(self.wants), len(self.wants)):
                tokens = self.wants[name]((at - START) / HOUR) * STEP
                left = SIZE - sum(self.used.values())
                uses = {
                    n if n in self.shares else REST: ClientUse(
                        self.used[n], self.demand[n].per_sec(memory, at)
                    )
                    for n in self.wants
                }
                window = [PoolWindow("x", left, START + AXES["5h"])]
                if left < tokens or refusal_by_share(name, "5h", self.shares, uses, window, at):
                    self.missed[name] += tokens
                else:
                    self.used[name] += tokens
                    self.demand[name] = self.demand[name].plus(tokens, memory, at)
            at += STEP
        return {name: used / SIZE for name, used in self.used.items()}


def steady(windows_a_reset: float) -> Callable[[float], float]:
    """Wants so many whole windows in five hours, evenly."""
    return lambda hour: windows_a_reset * SIZE / AXES["5h"]


def test_two_clients_that_want_everything_get_half_each() -> None:
    got = World({"a": 0.5, "b": 0.5}, {"a": steady(2.0), "b": steady(2.0)}).run()
    assert got["a"] == pytest.approx(0.5, abs=0.02)
    assert got["b"] == pytest.approx(0.5, abs=0.02)


def test_a_client_that_asks_four_times_as_fast_gets_no_more_than_its_half() -> None:
    got = World({"a": 0.5, "b": 0.5}, {"a": steady(6.0), "b": steady(1.5)}).run()
    assert got["a"] == pytest.approx(0.5, abs=0.03)
    assert got["b"] == pytest.approx(0.5, abs=0.03)


def test_unequal_shares() -> None:
    got = World({"a": 0.7, "b": 0.2}, {"a": steady(3.0), "b": steady(3.0), "c": steady(3.0)}).run()
    assert got["a"] == pytest.approx(0.7, abs=0.03)
    assert got["b"] == pytest.approx(0.2, abs=0.03)
    assert got["c"] == pytest.approx(0.1, abs=0.03)


def test_a_client_that_is_alone_gets_the_whole_window() -> None:
    got = World({"a": 0.5, "b": 0.5}, {"a": steady(3.0), "b": steady(0.0)}).run()
    assert got["a"] > 0.99


def test_a_client_that_wants_little_gets_it_and_leaves_the_rest() -> None:
    world = World({"a": 0.5, "b": 0.5}, {"a": steady(3.0), "b": steady(0.1)})
    got = world.run()
    assert world.missed["b"] < 0.001 * SIZE
    assert got["b"] == pytest.approx(0.1, abs=0.001)
    assert got["a"] > 0.8


def test_a_client_that_comes_late_still_gets_what_others_have_not_used_up_to_its_share() -> None:
    late = steady(4.0)
    got = World(
        {"a": 0.5, "b": 0.5}, {"a": steady(1.5), "b": lambda hour: late(hour) if hour >= 2 else 0.0}
    ).run()
    assert got["a"] == pytest.approx(0.6, abs=0.04), "used before b came: nobody else wanted it"
    assert got["a"] + got["b"] > 0.97


def test_a_client_that_leaves_is_not_waited_for() -> None:
    early = steady(2.0)
    got = World(
        {"a": 0.5, "b": 0.5}, {"a": steady(4.0), "b": lambda hour: early(hour) if hour < 0.5 else 0.0}
    ).run()
    assert got["b"] == pytest.approx(0.2, abs=0.01)
    assert got["a"] + got["b"] > 0.97


def test_without_shares_the_fast_one_takes_it_all() -> None:
    got = World({}, {"a": steady(6.0), "b": steady(1.5)}).run()
    assert got["a"] == pytest.approx(0.8, abs=0.02)
