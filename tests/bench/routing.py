"""Measure a routing decision, in microseconds, by the number of accounts and conversations.

python -m tests.bench.routing
"""

from __future__ import annotations

import sys
import time
from itertools import cycle
from statistics import median

from teamclaude.accounts.config.config import RoutingConfig
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.learned_caps import Burn
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest
from tests.bench.rounds import Bench
from tests.bench.table import Row, Target, machine, markdown, quantity

__all__ = ["decision_rows"]

SIZES = ((4, 50), (16, 1_000))  # a person has 2 to 16 accounts
LARGEST = SIZES[-1]
MOST_MICROS, MOST_MICROS_NEW = 20.0, 50.0  # of a warm decision and of a cold placement, at the largest size
ROUNDS = 15
WARM_STEPS, NEW_STEPS = 2_000, 200
NOW = 1_800_000_000.0
MODEL = "claude-opus-4-8"
USAGE = Usage(10, 200, 50_000, 300, 0)
HEADS = ["accounts × conversations", "choose", "admit", "answered", "settle", "admit a new conversation"]


class World:
    """A fleet in the middle of its week, every conversation warm."""

    def __init__(self, accounts: int, conversations: int) -> None:
        self.now = NOW
        self.fleet = Fleet(Rules(max_sessions_per_account=10**9), POLICIES[RoutingConfig().policy]())
        self.fleet.configure(AccountSpec(f"key{n}", f"name{n}") for n in range(accounts))
        self.reading = QuotaReading(
            {"5h": Window(0.2, NOW + 9_000, "allowed", NOW), "7d": Window(0.3, NOW + 300_000, "allowed", NOW)}
        )
        for number, account in enumerate(self.fleet.accounts.values()):
            account.proven = True
            account.windows.update(self.reading.axes, NOW)
            account.windows.update({"7d": Window(0.3 + number / 1e5, NOW + 300_000, "allowed", NOW)}, NOW)
            account.burn = Burn((int(NOW // 300) - back, 1_000) for back in range(2_000))  # a week of use
        names = [f"session{n}" for n in range(conversations)]
        homes = cycle(list(self.fleet.accounts))
        for name, home in zip(names, homes):
            lease = self.fleet.admit(RoutingRequest(session=name, model=MODEL, pin=home), NOW)
            assert isinstance(lease, Lease)
            self.fleet.settle_lease(lease, NOW, USAGE, MODEL, True)
        self.asks = cycle([RoutingRequest(session=name, model=MODEL) for name in names])
        self._fresh = 0

    def step(self) -> list[float]:
        """Seconds of choose, admit, answered and settle of a warm conversation's request."""
        ask, fleet, clock = next(self.asks), self.fleet, time.perf_counter
        self.now += 0.001
        marks = [clock()]
        fleet.choose(ask, self.now)
        marks.append(clock())
        lease = fleet.admit(ask, self.now)
        marks.append(clock())
        assert isinstance(lease, Lease)
        assert lease.decision.reason == "kept warm"
        fleet.record_response(lease, 200, self.reading, self.now)
        marks.append(clock())
        fleet.settle_lease(lease, self.now, USAGE, MODEL, True)
        marks.append(clock())
        return [after - before for before, after in zip(marks, marks[1:])]

    def new(self) -> float:
        """Seconds of placing a conversation that was never seen."""
        self._fresh += 1
        ask = RoutingRequest(session=f"new{self._fresh}", model=MODEL)
        began = time.perf_counter()
        lease = self.fleet.admit(ask, self.now)
        took = time.perf_counter() - began
        assert isinstance(lease, Lease)
        self.fleet.settle_lease(lease, self.now, USAGE, MODEL, True)
        return took


def costs(accounts: int, conversations: int) -> list[float]:
    """The best round's median of each step, in microseconds: the columns of HEADS."""
    world = World(accounts, conversations)
    rounds = []
    for _ in range(ROUNDS):
        steps = [world.step() for _ in range(WARM_STEPS)]
        fresh = [world.new() for _ in range(NEW_STEPS)]
        rounds.append([*(median(column) for column in zip(*steps)), median(fresh)])
    return [1e6 * min(column) for column in zip(*rounds)]


def decision_rows(bench: Bench) -> list[Row]:
    """The decision for a request of a known conversation, and the one for a new conversation's."""
    rows = []
    for size in SIZES:
        print(f"routing: {size[0]:,} accounts, {size[1]:,} conversations", file=sys.stderr)
        choose, admit, *_, new = costs(*size)
        at = f"{size[0]:,} accounts × {size[1]:,} conversations"
        warm = _at_most(MOST_MICROS) if size == LARGEST else None
        cold = _at_most(MOST_MICROS_NEW) if size == LARGEST else None
        rows.append(Row(f"{at}: decision", "µs", {"teamclaude": choose}, warm))
        rows.append(Row(f"{at}: decision and slot", "µs", {"teamclaude": admit}))
        rows.append(Row(f"{at}: the same, new conversation", "µs", {"teamclaude": new}, cold))
    return rows


def _at_most(micros: float) -> Target:
    return Target(f"≤ {micros:g} µs", lambda figures: figures["teamclaude"] <= micros)


if __name__ == "__main__":
    lines = [[f"{a:,} × {b:,}", *(quantity(cost, "µs") for cost in costs(a, b))] for a, b in SIZES]
    print(f"{machine()}\n\n{markdown(HEADS, lines)}")
