"""Use by others as a fleet tells it, where the API charges requests when they begin, end, or meanwhile.

One account, whose slots are taken all the time by requests that wait for them; what each of them burns, and
how long it runs, differs a thousandfold.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest

NOW, HOUR, WEEK = 1_800_000_000.0, 3600.0, 7 * 86400.0
SIZE, WEEKS = 10_000_000, 80_000_000
BEGIN = 3.0  # hours: when others begin to use it


class World:
    """One account at the API, and eight conversations that use it one request after the other."""

    def __init__(
        self,
        seed: int,
        charged: str,
        tokens: Sequence[int],
        seconds: Sequence[float],
        others: float = 0.0,
        cold: int = 0,
    ) -> None:
        self.rng, self.charged, self.tokens, self.seconds = random.Random(seed), charged, tokens, seconds
        self.others, self.cold = others, cold
        self.fleet = Fleet(Rules(), PricePolicy())
        self.fleet.configure([AccountSpec("a", "a")])
        self.account = self.fleet.accounts["a"]
        self.now, self.ends, self.used, self.used_7d = NOW, 0.0, 0.0, 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.told: list[float] = []  # hours
        for slot in range(9):
            self.after(60.0 * slot, partial(self.ask, slot))
        if others:
            self.after(BEGIN * HOUR, partial(self.use_elsewhere, others * SIZE / 30))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + seconds, len(self.events) + self.rng.getrandbits(40), act))

    def play(self, hours: float) -> list[float]:
        """Return when use by others was told."""
        while self.events[0][0] < NOW + hours * HOUR:
            self.now, _, act = heapq.heappop(self.events)
            act()
            use = self.account.used_elsewhere
            if use.rate("5h", self.now) is not None or use.rate("7d", self.now) is not None:
                self.told.append((self.now - NOW) / HOUR)
        return self.told

    def charge(self, tokens: float) -> None:
        if self.ends <= self.now:
            self.ends, self.used = self.now + 5 * HOUR, 0.0
        self.used += tokens
        self.used_7d += tokens

    def use_elsewhere(self, tokens: float) -> None:
        if self.used < SIZE:
            self.charge(tokens)
        self.after(120.0, partial(self.use_elsewhere, tokens))

    def ask(self, slot: int) -> None:
        if self.others and slot and self.now > NOW + BEGIN * HOUR:
            return  # ours become few
        if self.used >= SIZE and self.ends > self.now:
            self.after(self.ends - self.now + slot, partial(self.ask, slot))
            return
        request = RoutingRequest(session=f"s{slot}", model="claude-opus-4-8", cache_life=HOUR, hold_sec=WEEK)
        lease = self.fleet.admit(request, self.now)
        if not isinstance(lease, Lease):
            self.after(self.rng.uniform(1.0, 20.0), partial(self.ask, slot))
            return
        self.charge(0.0)
        axes = {
            "5h": Window(round(self.used / SIZE, 2), self.ends, "allowed", self.now),
            "7d": Window(round(self.used_7d / WEEKS, 2), NOW + WEEK, "allowed", self.now),
        }
        tokens = round(self.rng.choice(self.tokens) * self.rng.uniform(0.5, 1.5))
        seconds = self.rng.choice(self.seconds) * self.rng.uniform(0.5, 1.5)
        if self.cold and BEGIN * HOUR < self.now - NOW < (BEGIN + 0.1) * HOUR:
            tokens, seconds = self.cold, 5.0 * seconds
        if self.charged == "at its begin":
            self.charge(tokens)
        parts = {"at its end": 1, "meanwhile": 10}.get(self.charged, 0)
        for part in range(parts):
            self.after(seconds * (part + 1) / parts, partial(self.charge, tokens / parts))
        self.after(min(seconds, 20.0) / 2, partial(self.begin, lease, axes))
        self.after(seconds, partial(self.end, lease, tokens, slot))

    def begin(self, lease: Lease, axes: dict[str, Window]) -> None:
        read = {axis: window._replace(seen_at=self.now) for axis, window in axes.items()}
        self.fleet.record_response(lease, 200, QuotaReading(read, "allowed"), self.now, 0.5)

    def end(self, lease: Lease, tokens: int, slot: int) -> None:
        usage = Usage(output_tokens=tokens // 10, cache_write_1h_tokens=tokens - tokens // 10)
        self.fleet.settle_lease(lease, self.now, usage, "claude-opus-4-8", served=True)
        self.after(self.rng.uniform(0.0, 30.0), partial(self.ask, slot))


CHARGED = ("at its begin", "at its end", "meanwhile")
TOKENS = {
    "alike": (5_000,),
    "some large": (*[800] * 30, 600_000),
    "one large": (*[800] * 150, 1_800_000),
}
SECONDS = {"alike": (300.0,), "some long": (*[150.0] * 10, 1500.0), "one long": (*[240.0] * 30, 9000.0)}


@pytest.mark.parametrize(("tokens", "seconds"), [("some large", "one long"), ("one large", "some long")])
@pytest.mark.parametrize("charged", CHARGED)
def test_what_our_own_requests_used_is_never_told_of_others(charged: str, tokens: str, seconds: str) -> None:
    assert World(1, charged, TOKENS[tokens], SECONDS[seconds]).play(5.5) == []


@pytest.mark.parametrize("charged", CHARGED)
def test_caches_that_are_all_written_anew_at_once_are_ours(charged: str) -> None:
    assert World(1, charged, TOKENS["alike"], SECONDS["some long"], cold=500_000).play(BEGIN + 1.0) == []


@pytest.mark.parametrize("charged", CHARGED)
def test_what_others_use_after_a_busy_time_is_found(charged: str) -> None:
    told = World(1, charged, TOKENS["alike"], SECONDS["alike"], others=0.2).play(BEGIN + 1.0)
    assert told
    assert min(told) > BEGIN
