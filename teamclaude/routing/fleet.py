"""The state machine of routing: accounts, conversations, leases.

Rules that hold in this file:

1. Everything that changes routing state happens in a method of `Fleet`; each takes `now`.
2. A lease is settled once; settling it again, or after its account was removed, changes nothing.
3. In-flight counts only move in `_grant` and `settle`.
4. Accounts are found by key (identity), never by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from .account import Account, AccountSpec
from .answers import MEANING, AnswerKind, Effect, classify
from .binding import Binding
from .choice import NEVER, Choice
from .decision import Ask, Decision, Lease, Reason, Wait
from .ledger import DAY_SEC, Ledger, LedgerKey
from .lessons import NO_READING, cap_model, prove, refuse, rest
from .models import Price, cost, price_of
from .policy import Policy
from .rules import Rules
from .usage import NO_USAGE, Usage
from .warmth import WarmSet
from .windows import Reading

__all__ = ["Changes", "Fleet"]


class Changes(NamedTuple):
    """What a new configuration changed, by account name."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()


class Fleet:
    """All routing state of one proxy."""

    def __init__(self, rules: Rules, policy: Policy, prices: Optional[Mapping[str, Price]] = None) -> None:
        self.rules = rules
        self.policy = policy
        self.prices: Mapping[str, Price] = prices or {}
        self.accounts: dict[str, Account] = {}
        self.bindings: dict[str, Binding] = {}
        self.ledger = Ledger()
        self.pins: dict[Optional[str], str] = {}  # session, or None for everything -> account key
        self.last_account: Optional[str] = None
        self.keyless: Optional[str] = None  # account of requests without a conversation
        self._idle = WarmSet()  # conversations by the time they are forgotten
        self._leases: dict[int, Lease] = {}
        self._serial = 0

    # --- configuration ------------------------------------------------------------------------

    def configure(self, specs: Iterable[AccountSpec], renewed: Iterable[str] = ()) -> Changes:
        """Take over a new list of accounts; observed state survives by identity.

        `renewed` are keys whose credentials changed: a refused login gets another chance.
        """
        wanted = {spec.key: spec for spec in specs}
        self._follow_new_identities(wanted)
        added, updated = [], []
        for key, spec in wanted.items():
            account = self.accounts.get(key)
            if account is None:
                self._serial += 1
                self.accounts[key] = Account(spec, self._serial)
                added.append(spec.name)
            elif account.spec != spec:
                account.spec = spec
                updated.append(spec.name)
        removed = [a for key, a in self.accounts.items() if key not in wanted]
        for gone in removed:
            del self.accounts[gone.key]
        self.pins = {s: key for s, key in self.pins.items() if key in wanted}
        for key in renewed:
            if key in self.accounts and self.accounts[key].auth_failed:
                self.accounts[key].auth_failed = ""
        self.accounts = {key: self.accounts[key] for key in wanted}
        return Changes(tuple(added), tuple(a.name for a in removed), tuple(updated))

    def _follow_new_identities(self, wanted: Mapping[str, AccountSpec]) -> None:
        """An account that learned its uuid is the one that had the same name before."""
        by_name = {spec.name: spec for key, spec in wanted.items() if key not in self.accounts}
        for key, account in list(self.accounts.items()):
            spec = by_name.get(account.name)
            if key in wanted or spec is None or spec.kind != account.spec.kind:
                continue
            self.accounts[spec.key] = self.accounts.pop(key)
            self.accounts[spec.key].spec = spec
            for binding in self.bindings.values():
                if binding.account == key:
                    binding.account = spec.key
            self.pins = {s: spec.key if k == key else k for s, k in self.pins.items()}

    def pin(self, account: Optional[str], session: Optional[str] = None) -> None:
        """Pin a session, or everything, to an account key; None takes the pin off."""
        if account is None:
            self.pins.pop(session, None)
        else:
            self.pins[session] = account

    # --- choosing -----------------------------------------------------------------------------

    def choose(self, ask: Ask, now: float, waited: float = 0.0) -> Decision:
        """Where `ask` would go now after waiting `waited` seconds; changes nothing."""
        return Choice(self, ask, now, waited).decide()

    def admit(self, ask: Ask, now: float, waited: float = 0.0) -> Lease | Wait:
        """Choose and take the slot in one step, or say what to wait for."""
        self._forget_idle(now)
        decision = self.choose(ask, now, waited)
        if decision.account is None:
            until = decision.retry_at if decision.retry_at is not None else NEVER
            return Wait(decision, until)
        account = self.accounts[decision.account]
        if ask.needs_slot and self.policy.free_slots(self.rules, account, now, waited) <= 0:
            again = now + self.rules.slot_wait_sec - waited
            return Wait(decision, again if again > now else NEVER, account.key)
        return self._grant(account, ask, decision, now)

    # --- leases -------------------------------------------------------------------------------

    def _grant(self, account: Account, ask: Ask, decision: Decision, now: float) -> Lease:
        self._serial += 1
        lease = Lease(self._serial, account.key, account.generation, ask, decision, now, ask.needs_slot)
        for axis in account.probing_axes(self.rules, now):
            account.windows.touch(axis, now)
        if ask.needs_slot:
            account.inflight += 1
            account.last_picked = now
            self.last_account = account.key
            self._leases[lease.id] = lease
            if ask.conversation is None:
                self.keyless = account.key
            else:
                self._bind(ask, account, decision, now)
        return lease

    def _bind(self, ask: Ask, account: Account, decision: Decision, now: float) -> None:
        key = ask.conversation or ""
        binding = self.bindings.get(key)
        if binding is None:
            binding = self.bindings[key] = Binding(
                key, ask.session or "", ask.agent, ask.parent, account.key, now, now, now
            )
            binding.reason = decision.reason
        elif binding.account != account.key:
            old = self.accounts.get(binding.account)
            if old is not None:
                old.warm.discard(key)
            binding.account, binding.bound_at, binding.reason = account.key, now, decision.reason
            binding.moves += 1
            binding.prefix = 0
            if decision.reason == Reason.OVER_PACE:
                binding.paced_at = now
        binding.cache_life = ask.cache_life
        binding.inflight += 1
        self._touch(binding, account, now)

    def _touch(self, binding: Binding, account: Account, now: float) -> None:
        binding.last_used = now
        account.warm.touch(binding.conversation, binding.warm_until(self.rules))
        self._idle.touch(binding.conversation, binding.evict_at(self.rules))

    def adopt(self, binding: Binding) -> None:
        """Take back a conversation saved before a restart."""
        self.bindings[binding.conversation] = binding
        self._idle.touch(binding.conversation, binding.evict_at(self.rules))
        account = self.accounts.get(binding.account)
        if account is not None:
            account.warm.touch(binding.conversation, binding.warm_until(self.rules))

    def _forget_idle(self, now: float) -> None:
        for key in self._idle.expire(now):
            binding = self.bindings.get(key)
            if binding is None:
                continue
            if binding.inflight:
                self._idle.touch(key, now + self.rules.binding_evict_sec)
                continue
            del self.bindings[key]
            account = self.accounts.get(binding.account)
            if account is not None:
                account.warm.discard(key)

    def settle(
        self,
        lease: Lease,
        now: float,
        usage: Usage = NO_USAGE,
        model: Optional[str] = None,
        served: bool = False,
    ) -> None:
        """Release the lease's slot and count what it used; `served` only for a complete answer."""
        if lease.holds_slot:
            if self._leases.pop(lease.id, None) is None:
                return
            binding = self.bindings.get(lease.ask.conversation or "")
            if binding is not None:
                binding.inflight -= 1
        else:
            binding = None
        account = self._leased(lease)
        if account is None:
            return
        if lease.holds_slot:
            account.inflight -= 1
        if served or usage.total:
            self._count(lease, account, binding, usage, model or lease.ask.model, served, now)

    def _count(
        self,
        lease: Lease,
        account: Account,
        binding: Optional[Binding],
        usage: Usage,
        model: Optional[str],
        served: bool,
        now: float,
    ) -> None:
        dollars = cost(usage, price_of(model, self.prices))
        account.burn.add(usage.burn, now)
        for owner in (account, binding):
            if owner is None:
                continue
            owner.requests += served
            owner.usage = owner.usage.plus(usage)
            if dollars is None:
                owner.unpriced_tokens += usage.total
            else:
                owner.cost += dollars
        if binding is not None:
            binding.model = model or binding.model
            if binding.account == account.key:
                binding.prefix = usage.prefix or binding.prefix
                self._touch(binding, account, now)
        if lease.holds_slot:
            key = LedgerKey(lease.ask.conversation or "", "", account.name, int(now // DAY_SEC))
            retention = self.rules.ledger_retention_hours * 3600.0
            self.ledger.add(key, usage, dollars, model, now, retention)

    def _leased(self, lease: Lease) -> Optional[Account]:
        account = self.accounts.get(lease.account)
        return account if account is not None and account.generation == lease.generation else None

    # --- what answers teach -------------------------------------------------------------------

    def answered(
        self, lease: Lease, status: int, reading: Reading, now: float, roll: float = 1.0, words: str = ""
    ) -> AnswerKind:
        """Take in an upstream answer's head; `words` is the upstream's own message of a refusal."""
        kind = classify(status, reading, lease.ask.needs_slot)
        account = self._leased(lease)
        if account is None:
            return kind
        account.windows.update(reading.axes, now)
        account.unified_status = reading.status or account.unified_status
        effect = MEANING[kind].effect
        if effect is Effect.PROVE:
            prove(account, now)
        elif effect is Effect.BENCH:
            refuse(account, lease, reading, self.rules, now, roll)
        elif effect is Effect.CAP_MODEL:
            cap_model(account, lease.ask.model, reading, now)
        elif effect is Effect.REST:
            rest(account, now, words or "403 from the API")
        return kind

    def condemn(self, lease: Lease, now: float, roll: float = 1.0) -> None:
        """A bare 429 was about the account after all: another account served the same request."""
        account = self._leased(lease)
        if account is not None:
            refuse(account, lease, NO_READING, self.rules, now, roll)

    def lock_out(self, lease: Lease, words: str) -> None:
        """The account's credential is refused: it rests until its credentials change."""
        account = self._leased(lease)
        if account is not None:
            account.auth_failed = words
            account.proven = False
