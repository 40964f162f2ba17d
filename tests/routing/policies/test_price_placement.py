"""The early end of the search finds the same account as a look at all of them."""

from __future__ import annotations

import random
from typing import Optional

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.base import Placement, Pool
from teamclaude.routing.policies.conversation_use import ConversationUse
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.policies.quota_outlook import INFINITE, QuotaOutlook
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import NO_USAGE, Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import Account, AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0


def test_the_detail_says_how_long_a_window_lasts_with_one_more() -> None:
    outlook = QuotaOutlook(0.0, 1.0, ((600_000.0, 9000.0, 0),))
    assert outlook.describe(1, ConversationUse(100.0), 0.0) == "1 conversation active, lasts 50 min"
    assert outlook.describe(1, ConversationUse(25.0), 0.0) == "1 conversation active"  # it resets before
    assert outlook.describe(1, None, 0.0) == "1 conversation active"


class CheckedPolicy(PricePolicy):
    """The policy, with each placement compared to a full evaluation."""

    def __init__(self, cap_changes: bool) -> None:
        super().__init__()
        self._cap_changes = cap_changes
        self.placed = 0

    def _share_cap(self, pool: Pool, model: Optional[str]) -> float:
        if self._cap_changes:
            return (4e-6, 1.2e-5, INFINITE)[int(pool.now * 3) % 3]
        return super()._share_cap(pool, model)

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        best = min(pool.accounts, key=lambda account: self._order(account, pool, request, home))
        placement = super().place(pool, request, home)
        assert placement.account is best
        others = [account for account in pool.accounts if account is not best]
        assert [e.account for e in placement.excluded] == [account.key for account in others]
        for account, exclusion in zip(others, placement.excluded):
            active = self.estimates.active_count(account, pool.now, request.conversation)
            assert exclusion.detail.startswith(f"{active} conversation")
        self.placed += 1
        return placement

    def _order(
        self, account: Account, pool: Pool, request: RoutingRequest, home: Optional[Account]
    ) -> tuple[bool, float, int, float, str]:
        now, tuning = pool.now, self._tuning
        outlook = self._outlooks.of(account, request.model, now)
        active = self.estimates.active_count(account, now, request.conversation)
        value = min(outlook.share, self._share_cap(pool, request.model)) / (active + 1)
        runway = outlook.runway(active + 1, self.estimates.use_while_active, now)
        if runway < tuning.long_run_sec:
            value *= runway / tuning.long_run_sec
        if account is home:
            value *= tuning.home_bonus
        full = not pool.has_slot(account)
        return (full, -value, account.inflight, account.last_picked, account.name)


class Team:
    """A fleet to which things happen at random."""

    def __init__(self, seed: int, cap_changes: bool) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.policy = CheckedPolicy(cap_changes)
        self.fleet = Fleet(Rules(), self.policy)
        self.names = [f"a{number}" for number in range(9)]
        self.fleet.configure([AccountSpec(name, name) for name in self.names])
        self.open: list[Lease] = []
        self.policy.estimates.seconds, self.policy.estimates.tokens = 2 * HOUR, 2 * HOUR * 100.0

    def step(self) -> None:
        some = self.random.choice
        self.now += some((0.0, 0.0, 0.1, 1.0, 4.0, 6.0, 20.0, some((-50.0, 320.0, 320.0))))
        self.random.choices((self.ask, self.answer, self.end), (5, 2, 4))[0]()

    def ask(self) -> None:
        some = self.random.choice
        session = some((f"new{self.policy.placed}", f"s{self.random.randrange(6)}"))
        pin = some((None, None, None, *self.names)) if session.startswith("s") else None
        tried = tuple(self.random.sample(self.names, some((0, 0, 0, 1))))
        request = RoutingRequest(session, model="claude-opus-4-8", pin=pin, tried=tried)
        lease = self.fleet.admit(request, self.now, some((0.0, 0.0, 9.0)))
        if isinstance(lease, Lease):
            self.open.append(lease)

    def answer(self) -> None:
        if self.open:
            lease, some = self.random.choice(self.open), self.random.choice
            used = some((0.1, 0.5, 0.9, 0.97, 1.0))
            ends = self.now + some((60.0, HOUR, 4 * HOUR))
            axes = {"5h": Window(used, ends, "allowed", self.now), "7d": Window(used / 2, self.now + DAY)}
            status = some((200, 200, 200, 200, 429))
            self.fleet.record_response(lease, status, QuotaReading(axes, None, 20.0), self.now)

    def end(self) -> None:
        if self.open:
            lease = self.open.pop(self.random.randrange(len(self.open)))
            usage = self.random.choice((NO_USAGE, Usage(1000, 500, 90_000), Usage(90_000, 9000)))
            self.fleet.settle_lease(lease, self.now, usage, served=usage is not NO_USAGE)


@pytest.mark.parametrize("cap_changes", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_account_is_the_one_that_a_full_evaluation_finds(seed: int, cap_changes: bool) -> None:
    team = Team(seed, cap_changes)
    for _ in range(1000):
        team.step()
    assert team.policy.placed > 70
    team.now += 1000.0
    for account in team.fleet.accounts.values():
        assert team.policy.estimates.active_count(account, team.now) == 0
