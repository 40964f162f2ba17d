"""Seeded random walks through the fleet: what holds after every step, whatever the schedule and policy."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.persistence import dump_state, restore_state
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rate_limit_headers import read_windows
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import NO_USAGE, Usage
from teamclaude.routing.state.account import Account, AccountSpec, inflight_cap
from teamclaude.routing.state.decision import Decision, Lease, Reason, RoutingRequest
from teamclaude.routing.view import snapshot_of
from tests.routing.conftest import DEFAULT, EVERY

STEPS = 500
# Most walks of the default policy, one of each other.
WALKS = [*((DEFAULT, seed) for seed in range(4)), *((name, 7) for name in EVERY[1:])]
MODELS = ("claude-fable-5", "claude-opus-4-8", "claude-sonnet-4-6", "gpt-5", None)
NAMES = ("a", "b", "c", "d", "key")
STATUSES = (200,) * 20 + (429, 429, 429, 401, 403, 400, 500, 529)
KEPT = {Reason.KEPT, Reason.PINNED}


WITH_LOGIN = ("active", "benched")


class Walk:
    """One walk; `step` does something at random, `check` asserts what must hold then."""

    def __init__(self, seed: int, policy: str) -> None:
        self.random = random.Random(seed)
        self.now = 1_800_000_000.0
        self.policy = policy
        self.configured = Rules(max_inflight_per_account=3, max_sessions_per_account=4)
        self.fleet = Fleet(self.configured, POLICIES[policy]())
        self.rules = self.fleet.rules
        self.open: list[Lease] = []
        self.settled: list[Lease] = []
        self.ever: set[str] = set()
        self.reasons: set[str] = set()
        self.configure(NAMES)

    # --- what can happen ------------------------------------------------------------------------

    def step(self) -> None:
        self.random.choices(
            (
                self.admit,
                self.answer,
                self.settle,
                self.settle_again,
                self.pass_time,
                self.jump,
                self.reconfigure,
                self.pin,
            ),
            (40, 25, 25, 2, 20, 1, 1, 2),
        )[0]()

    def spec(self, name: str) -> AccountSpec:
        paid = name == "key"
        return AccountSpec(
            name,
            name,
            kind="apikey" if paid else "oauth",
            priority=self.random.choice((0, 0, 0, 1)),
            enabled=self.random.random() > 0.05,
            last_resort=paid,
        )

    def configure(self, names: Sequence[str]) -> None:
        self.fleet.configure([self.spec(name) for name in names], renewed=names)
        self.ever.update(names)

    def reconfigure(self) -> None:
        self.configure(self.random.sample(NAMES, self.random.randint(1, len(NAMES))))

    def pass_time(self) -> None:
        self.now += self.random.choice((0.0, 0.3, 1.0, 30.0, 61.0, 400.0, 2000.0))

    def jump(self) -> None:
        self.now += self.random.choice((-86400.0, -3600.0, -1.0, 86400.0))

    def pin(self) -> None:
        account = self.random.choice((None, None, *self.fleet.accounts))
        self.fleet.pin(account, self.random.choice((None, "s1", "s2")))

    def ask(self) -> RoutingRequest:
        some = self.random.choice
        return RoutingRequest(
            session=some((None, *(f"s{n}" for n in range(9)))),
            agent=some((None, None, "x")),
            model=some(MODELS),
            cache_life=some((300.0, 3600.0)),
            needs_slot=self.random.random() > 0.1,
            is_uncounted=self.random.random() < 0.05,
            pin=some((None,) * 60 + NAMES),
            tried=tuple(self.random.sample(NAMES, some((0, 0, 0, 1, 2)))),
            allow_paid=self.random.random() < 0.2,
        )

    def admit(self) -> None:
        ask, waited = self.ask(), self.random.choice((0.0, 0.0, 2.0, 5.0, 60.0))
        self.fleet.admit(
            RoutingRequest(needs_slot=False), self.now
        )  # whatever was idle for too long goes first
        usable = [
            a
            for a in self.fleet.accounts.values()
            if a.block(ask.model, self.rules, self.now) is None and a.key not in ask.tried
        ]
        caps = {
            k: inflight_cap(
                a, self.rules, self.now, waited, self.fleet.policy.inflight_limit(self.rules, a, self.now)
            )
            for k, a in self.fleet.accounts.items()
        }
        for key, account in self.fleet.accounts.items():
            assert caps[key] <= inflight_cap(account, self.rules, self.now, waited) <= 3
            for scope in (ask.scope, None):
                blocked = account.is_blocked(ask.model, self.rules, self.now, scope)
                assert blocked == (account.block(ask.model, self.rules, self.now, scope) is not None)
        before = {k: a.inflight for k, a in self.fleet.accounts.items()}
        expected = self.fleet.choose(ask, self.now, waited)
        assert self.fleet.choose(ask, self.now, waited) == expected
        self.check_kept(ask)
        got = self.fleet.admit(ask, self.now, waited)
        assert (got.decision.account, got.decision.reason) == (expected.account, expected.reason)
        self.check_decision(ask, got.decision, usable)
        if isinstance(got, Lease):
            self.open.append(got)
            assert not ask.needs_slot or before[got.account] < caps[got.account]
        elif got.account is not None:
            assert before[got.account] >= caps[got.account]
        assert isinstance(got, Lease) or got.until > self.now

    def answer(self) -> None:
        if not self.open:
            return
        lease, some = self.random.choice(self.open), self.random.choice
        headers = [("retry-after", some(("0", "30", "-1", "9999")))] if self.random.random() < 0.3 else []
        for axis in self.random.sample(("5h", "7d", "7d_oi", "7d_new"), some((0, 1, 2))):
            used = some((0.1, 0.2, 0.3, 0.5, 0.8, 0.95, 1.1))
            fields = {"utilization": used, "status": "rejected" if used > 1 else "allowed"}
            if self.random.random() < 0.8:
                fields["reset"] = self.now + some((-5, 3, 600, 18000, 500_000))
            headers += [(f"anthropic-ratelimit-unified-{axis}-{k}", str(v)) for k, v in fields.items()]
        status = some(STATUSES)
        self.fleet.record_response(
            lease, status, read_windows(headers, self.now), self.now, self.random.random()
        )
        if status == 429 and some((True, False)):
            self.fleet.confirm_account_429(lease, self.now, self.random.random())
        if status == 401:
            self.fleet.mark_auth_failed(lease, "revoked")

    def settle(self) -> None:
        if self.open:
            lease = self.open.pop(self.random.randrange(len(self.open)))
            usage = self.random.choice((NO_USAGE, Usage(10, 500, 9000, 100, 200)))
            self.fleet.settle_lease(lease, self.now, usage, lease.request.model, usage is not NO_USAGE)
            self.settled = [*self.settled, lease][-50:]

    def settle_again(self) -> None:
        if self.settled:
            before = dump_state(self.fleet, self.now)["accounts"]
            inflight = [a.inflight for a in self.fleet.accounts.values()]
            self.fleet.settle_lease(self.random.choice(self.settled), self.now, Usage(99, 99), served=True)
            assert [a.inflight for a in self.fleet.accounts.values()] == inflight
            assert dump_state(self.fleet, self.now)["accounts"] == before

    # --- what must hold ---------------------------------------------------------------------------

    def check_decision(self, ask: RoutingRequest, decision: Decision, usable: list[Account]) -> None:
        fleet = self.fleet
        self.reasons.add(decision.reason)
        free_of_charge = [a for a in usable if not a.is_costly(ask.model, self.rules, self.now)]
        if decision.account is None:
            free = [a for a in usable if not a.spec.is_paid or ask.allow_paid]
            assert not free or (ask.pin is not None and ask.pin not in [a.key for a in free])
        else:
            taken = fleet.accounts[decision.account]
            # What uses no quota may go to an account that is merely closed to work.
            has_login = taken.status(self.now) in WITH_LOGIN and taken.login_block(self.now) is None
            costless = not ask.uses_quota and has_login and taken.key not in ask.tried
            assert taken in usable or (costless and (ask.pin == taken.key or not free_of_charge))
            assert ask.pin in (None, decision.account)
        if decision.reason not in KEPT and ask.pin is None:
            named = [exclusion.account for exclusion in decision.excluded]
            assert sorted([*named, *filter(None, [decision.account])]) == sorted(fleet.accounts)
        assert all(exclusion.rule and exclusion.detail for exclusion in decision.excluded)

    def check_kept(self, ask: RoutingRequest) -> None:
        """What a body says behind its model does not decide whether a conversation stays: early_upload.py."""
        asks = (
            ask._replace(hold_sec=hold, cache_life=life) for hold, life in ((0.0, 300.0), (18000.0, 3600.0))
        )
        now, later = (self.fleet.choose(each, self.now) for each in asks)
        if Reason.KEPT in (now.reason, later.reason):
            assert now == later

    def check(self) -> None:
        fleet, now = self.fleet, self.now
        fleet.admit(RoutingRequest(needs_slot=False, pin="nobody"), now)  # time passes for the fleet too
        for account in fleet.accounts.values():
            mine = [
                lease
                for lease in self.open
                if lease.holds_slot and (lease.account, lease.generation) == (account.key, account.generation)
            ]
            assert account.inflight == len(mine) >= 0
            homes = [b for b in fleet.bindings.values() if b.account == account.key]
            assert account.warm.count(now) == sum(b.is_warm(self.rules, now) for b in homes)
        for key, binding in fleet.bindings.items():
            assert binding.conversation == key
            assert binding.account in self.ever
            assert binding.inflight == sum(
                le.holds_slot and le.request.conversation == key for le in self.open
            )
            assert not binding.is_evicted(self.rules, now)

    def check_readers(self) -> None:
        view = snapshot_of(self.fleet, self.now)
        assert (view.capacity.verdict == "red") == (view.capacity.live_accounts == 0)
        assert [a.warm_sessions for a in view.accounts] == [
            sum(b.warm for b in view.session_bindings if b.account == a.name) for a in view.accounts
        ]
        for account in view.accounts:
            assert account.usable or account.usable_in_sec is None or account.usable_in_sec > 0
        saved = dump_state(self.fleet, self.now)
        for learned in saved["learned"].values():  # of accounts that are gone a restart keeps nothing
            sizes = learned.get("accounts", {})
            learned.update(
                {"accounts": {k: v for k, v in sizes.items() if k in self.fleet.accounts}} if sizes else {}
            )
        text = json.dumps(saved, allow_nan=False, default=list)
        copy = Fleet(self.configured, POLICIES[self.policy]())
        copy.configure([account.spec for account in self.fleet.accounts.values()])
        assert restore_state(copy, json.loads(text), self.now) == []
        assert json.loads(json.dumps(dump_state(copy, self.now), default=list)) == json.loads(text)


@pytest.mark.parametrize(("policy", "seed"), WALKS)
def test_the_invariants_hold_on_every_step_of_a_random_walk(policy, seed):
    walk = Walk(seed, policy)
    for number in range(STEPS):
        walk.step()
        walk.check()
        if number % 50 == 0:
            walk.check_readers()
    while walk.open:
        walk.settle()
    walk.check()
    assert [a.inflight for a in walk.fleet.accounts.values()] == [0] * len(walk.fleet.accounts)
    assert len(walk.reasons) >= 10, walk.reasons  # else it walked in a corner
