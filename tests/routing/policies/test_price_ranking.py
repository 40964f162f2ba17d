"""Offers in order; and that who looks at the first few takes whom a look at everybody would."""

from __future__ import annotations

import random

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.price import INFINITE, PricePolicy
from teamclaude.routing.policies.price_ranking import Candidate, QuotaOutlook, Ranking
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import NO_USAGE, Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import Account, AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0
LEFT = QuotaOutlook(0.0, 1.0, ((600_000.0, 9000.0),))


def offers(**costs):
    accounts = [Account(AccountSpec(name, name), number) for number, name in enumerate(costs)]
    return [
        Candidate(-costs[a.name], 0, 0.0, a.name, a.generation, 5.0 + a.generation, a, LEFT, 1)
        for a in accounts
    ]


def names(found):
    return [each.name for each in found]


def test_the_best_offer_is_first_also_when_filed_anew():
    a, b, c = offers(a=1.0, b=3.0, c=2.0)
    ranking = Ranking([a, b, c])
    assert names(ranking.candidates) == ["b", "c", "a"]
    ranking.replace(a._replace(cost=-2.5))
    assert names(ranking.candidates) == ["b", "a", "c"]
    ranking.replace(b._replace(cost=-0.1))
    assert names(ranking.candidates) == ["a", "c", "b"]
    assert b.account in ranking
    assert Account(b.account.spec, 9) not in ranking


def test_who_may_have_become_better_by_time_is_told_once_and_not_if_filed_since():
    a, b, c = offers(a=1.0, b=3.0, c=2.0)
    ranking = Ranking([a, b, c])
    assert ranking.due(4.9) == []
    ranking.replace(a._replace(until=8.0))
    assert names(ranking.due(6.5)) == ["b"]
    assert names(ranking.due(7.0)) == ["c"]
    assert names(ranking.due(8.0)) == ["a"]
    assert ranking.due(99.0) == []


def test_words_say_how_long_a_window_lasts_with_one_more():
    (offer,) = offers(a=1.0)
    assert offer.describe(100.0, 0.0) == "1 active, lasts 50 min"
    assert offer.describe(25.0, 0.0) == "1 active"  # it resets before
    assert offer.describe(None, 0.0) == "1 active"


class Team:
    """A fleet to which things happen at random; every choice is compared with a look at everybody."""

    def __init__(self, seed: int, plenty_changes: bool) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.fleet = Fleet(Rules(), PricePolicy())
        self.policy = policy = self.fleet.policy
        self.names = [f"a{number}" for number in range(9)]
        self.fleet.configure([AccountSpec(name, name) for name in self.names])
        self.open: list[Lease] = []
        self.placed = 0
        policy.estimates.seconds, policy.estimates.tokens = 2 * HOUR, 2 * HOUR * 100.0
        if plenty_changes:
            policy._share_cap = lambda pool: (4e-6, 1.2e-5, INFINITE)[int(pool.now * 3) % 3]
        inner = policy.place

        def place(pool, ask, home):
            best = min(pool.accounts, key=lambda account: self.order(account, pool, ask, home))
            placement = inner(pool, ask, home)
            assert placement.account is best
            others = [a.key for a in pool.accounts if a is not best]
            assert [e.account for e in placement.excluded] == others
            for exclusion in placement.excluded:
                active = policy.estimates.active_count(
                    self.fleet.accounts[exclusion.account], pool.now, ask.conversation
                )
                assert exclusion.detail.startswith(f"{active} active")
            self.placed += 1
            return placement

        policy.place = place

    def order(self, account, pool, ask, home):
        """What an account is worth to the conversation, worked out from the beginning."""
        policy, now, tuning = self.policy, pool.now, self.policy._tuning
        standing = policy._account_outlook(account, now)
        active = policy.estimates.active_count(account, now, ask.conversation)
        value = min(standing.share, policy._share_cap(pool)) / (active + 1)
        runway = standing.runway(active + 1, policy.estimates.burn_rate, now)
        if runway < tuning.long_run_sec:
            value *= runway / tuning.long_run_sec
        if account is home:
            value *= tuning.home_bonus
        full = policy.free_slots(pool.rules, account, now, 0.0) <= 0
        return (full, -value, account.inflight, account.last_picked, account.name)

    def step(self) -> None:
        some = self.random.choice
        self.now += some((0.0, 0.0, 0.1, 1.0, 4.0, 6.0, 20.0, some((-50.0, 320.0, 320.0))))
        self.random.choices((self.ask, self.answer, self.end), (5, 2, 4))[0]()

    def ask(self) -> None:
        some = self.random.choice
        session = some((f"new{self.placed}", f"s{self.random.randrange(6)}"))
        pin = some((None, None, None, *self.names)) if session.startswith("s") else None
        tried = tuple(self.random.sample(self.names, some((0, 0, 0, 1))))
        ask = RoutingRequest(session, model="claude-opus-4-8", pin=pin, tried=tried)
        lease = self.fleet.admit(ask, self.now, some((0.0, 0.0, 9.0)))
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


@pytest.mark.parametrize("plenty_changes", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_account_is_the_one_that_a_look_at_everybody_finds(seed, plenty_changes):
    team = Team(seed, plenty_changes)
    for _ in range(2000):
        team.step()
    assert team.placed > 150
    team.now += 1000.0
    for account in team.fleet.accounts.values():
        assert team.policy.estimates.active_count(account, team.now) == 0
    assert not team.policy.estimates._accounts_of
