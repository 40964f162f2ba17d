"""The state machine of routing: accounts, conversations, leases.

Rules that hold in this file:

1. Everything that changes routing state happens in a method of `Fleet`; each takes `now`.
2. A lease is settled once; settling it again, or after its account was removed, changes nothing.
3. In-flight counts move only in `_grant` and `_settle_lease`.  Accounts are found by key, not by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from ..values import NamedTuple
from . import apply_response
from .adopt_known import adopt_known
from .choice import HELD, Choice, has_slot
from .policies.base import Policy
from .quota.model_prices import PriceTable, Pricing
from .quota.rules import Rules
from .quota.usage import NO_USAGE, Usage
from .quota.windows import QuotaReading
from .response_kinds import FAILURE_KINDS, UNSERVED_FROM, ResponseKind, classify
from .shared_choice import SharedChoices
from .state.account import Account, AccountSpec
from .state.affinity import PrefixCaches, ResourceOwners
from .state.conversations import Binding, Conversations
from .state.decision import NEVER, Decision, Lease, Reason, RoutingRequest, Wait
from .state.gate_queue import GateQueue
from .state.spending import Spending
from .staying import decision_to_stay, home_to_stay
from .user_rules.rule_set import RuleSet

__all__ = ["Changes", "Fleet"]


class Changes(NamedTuple):
    """What a new configuration changed, by account name."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()


class Fleet:
    """All routing state of one proxy."""

    def __init__(self, rules: Rules, policy: Policy, prices: Optional[Mapping[str, Pricing]] = None) -> None:
        self.policy = policy
        self.rules = policy.adapt_rules(rules)  # the configured ones as the policy wants them
        self.prices = PriceTable(prices or {})
        self.accounts: dict[str, Account] = {}
        self.bindings = Conversations(self.rules)
        self.pins: dict[Optional[str], str] = {}  # session, or None for everything -> account key
        self.user_rules = RuleSet()
        self.last_account: Optional[str] = None
        self.prefix_caches = PrefixCaches()  # of requests without a conversation
        self.owners = ResourceOwners()  # which account made the files, batches and skills that requests name
        self.gate_queue = GateQueue(policy.place_life_sec)
        self.shared: Optional[SharedChoices] = None  # while the wait queue is walked
        self.spending = Spending()
        self._open_leases: set[int] = set()  # ids of the open ones
        self._by_generation: dict[int, Account] = {}
        self.all_accounts: tuple[Account, ...] = ()  # given to policies that learn
        self._serial, self._last_now = 0, 0.0  # a smaller `now` means that the clock moved back

    def set_policy(self, rules: Rules, policy: Policy) -> None:
        """Use these rules and this policy; a policy of the same name keeps what it has learned."""
        if policy.name != self.policy.name:
            self.policy = policy
            self.gate_queue = GateQueue(policy.place_life_sec)
        self.rules = self.bindings.rules = self.policy.adapt_rules(rules)

    # --- configuration ------------------------------------------------------------------------

    def configure(self, specs: Iterable[AccountSpec], renewed: Iterable[str] = ()) -> Changes:
        """Take over a new list of accounts; observed state survives by identity.

        `renewed` are keys whose credentials changed: a refused login gets another chance.
        """
        wanted = {spec.key: spec for spec in specs}
        adopt_known(self, wanted)
        before, self.accounts = self.accounts, {}
        added, updated = [], []
        for key, spec in wanted.items():
            account = before.get(key)
            if account is None or account.spec.kind != spec.kind:
                self._serial += 1
                account = Account(spec, self._serial, open_leases=self._open_leases)
                account.warm.expiry_of = self.bindings.warm_until
                added.append(spec.name)
            elif account.spec != spec:
                account.configure(spec)
                updated.append(spec.name)
            self.accounts[key] = account
        gone = [account for key, account in before.items() if self.accounts.get(key) is not account]
        self.credentials_changed(renewed, self._last_now)
        self.pins = {session: key for session, key in self.pins.items() if key in wanted}
        self.last_account = self.last_account if self.last_account in wanted else None
        self._by_generation = {account.generation: account for account in self.accounts.values()}
        self.all_accounts = tuple(self.accounts.values())
        self.user_rules.configure(wanted.values())
        for account in gone:
            self.spending.account_removed(account)
        self.spending.update(self.all_accounts, self._last_now)
        for binding in self.bindings.values():
            self.bindings.update_expiry(binding, self.accounts)
        return Changes(tuple(added), tuple(account.name for account in gone), tuple(updated))

    def credentials_changed(self, keys: Iterable[str], now: float) -> None:
        """Give these accounts another chance: they have new credentials."""
        for account in filter(None, map(self.accounts.get, keys)):
            account.auth_failed = ""
            if account.bench_until == account.login_bench:
                account.bench_until = min(account.bench_until, now)
            account.login_bench = 0.0

    def pin(self, account: Optional[str], session: Optional[str] = None) -> None:
        """Pin a session, or everything, to an account key; None removes the pin.

        Raises KeyError for an account that is not configured.
        """
        if account is None:
            self.pins.pop(session, None)
        else:
            self.pins[session] = self.accounts[account].key

    # --- choosing -----------------------------------------------------------------------------

    def choose(self, request: RoutingRequest, now: float, waited: float = 0.0) -> Decision:
        """Return where `request` would go now after waiting `waited` seconds; change nothing."""
        return Choice(self, request, now, waited).decide()

    def is_held(self, request: RoutingRequest, now: float, waited: float) -> bool:
        """Return whether the policy would hold `request` at its gate, as `admit` would say."""
        self._advance_clock(now)
        self.gate_queue.drop_stale(now)
        return Choice(self, request, now, waited, terse=True).decide() is HELD

    def admit(self, request: RoutingRequest, now: float, waited: float = 0.0) -> Lease | Wait:
        """Choose and take the slot in one step, or say what to wait for."""
        self._advance_clock(now)
        conversation = request.conversation
        binding = None if conversation is None else self.bindings.get(conversation)
        if binding is None or conversation in self.gate_queue:
            return self._admit_by_choice(request, conversation, now, waited)
        home = home_to_stay(self, request, binding, now, waited)
        if home is None:
            return self._admit_by_choice(request, conversation, now, waited)
        if home.inflight and not has_slot(self.policy, self.rules, home, now, waited):
            return Wait(decision_to_stay(home, now), now + (self.rules.slot_wait - waited), home.key, True)
        return self.continue_at(home, binding, request, now)

    def continue_at(self, home: Account, binding: Binding, request: RoutingRequest, now: float) -> Lease:
        """Grant a slot of its account to a request whose conversation is known to stay there."""
        lease = self._grant(home, request, binding.conversation, decision_to_stay(home, now), now)
        binding.continue_on(request, now)
        return lease

    def _admit_by_choice(
        self, request: RoutingRequest, conversation: Optional[str], now: float, waited: float
    ) -> Lease | Wait:
        choice = Choice(self, request, now, waited)
        decision = choice.decide()
        if self.gate_queue or decision.account is None:
            self.gate_queue.drop_stale(now)
            self.gate_queue.record_decision(conversation, decision, now - waited, now)
        if decision.account is None:
            return Wait(decision, NEVER if decision.retry_at is None else decision.retry_at)
        account = self.accounts[decision.account]
        if request.needs_slot and not choice.has_slot(account, waited):
            return Wait(decision, choice.next_attempt_at, account.key)
        lease = self._grant(account, request, conversation, decision, now)
        if request.needs_slot:
            apply_response.begin_probes(account, lease, self.rules, now)
            if account.extra_usage and account.is_costly(request.model, self.rules, now):
                self.spending.extra_usage_leases.add(lease.id)
            if conversation is not None:
                self.bindings.bind(conversation, request, account, decision, self.accounts, now)
                if decision.reason != Reason.KEPT and decision.reason != Reason.THREAD:
                    self.policy.record_entry(account, conversation, now)
        return lease

    # --- leases -------------------------------------------------------------------------------

    def _grant(
        self,
        account: Account,
        request: RoutingRequest,
        conversation: Optional[str],
        decision: Decision,
        now: float,
    ) -> Lease:
        id = self._serial = self._serial + 1
        key, slot = account.key, request.needs_slot
        self._open_leases.add(id)
        places = self.gate_queue.places
        if places.by_conversation or places.kept:
            places.discard(conversation)
        if slot:
            account.inflight += 1
            if not request.detour:  # a detour does not say where work goes
                account.last_picked, self.last_account = now, key
        values = (id, key, account.generation, request, decision, now, slot, conversation)
        return tuple.__new__(Lease, values)  # as values.py says

    def settle_lease(
        self,
        lease: Lease,
        now: float,
        usage: Usage = NO_USAGE,
        model: Optional[str] = None,
        served: bool = False,
        unseen: int = 0,
    ) -> None:
        """Release the lease's slot and count what it used; `served` only for a complete response.

        `unseen`: output tokens that `usage` lacks, estimated, of an answer that broke off: they are billed.
        """
        self._advance_clock(now)
        id, conversation, open_leases = lease.id, lease.conversation, self._open_leases
        if id not in open_leases:
            return
        open_leases.remove(id)
        is_billed = id in self.spending.extra_usage_leases
        self.spending.extra_usage_leases.discard(id)
        binding = self.bindings.get(conversation) if lease.holds_slot and conversation is not None else None
        account = self._by_generation.get(lease.generation)
        if account is not None:
            account.inflight -= lease.holds_slot
            if served or usage != NO_USAGE:
                model = model or lease.request.model
                if is_billed or account.spec.kind == "apikey":
                    self.spending.count(self.all_accounts, account, usage, self.prices[model], now, unseen)
                self._count_usage(lease, account, binding, usage, model, served, now)
        if binding is not None:
            binding.inflight -= 1
            if binding.last_used != now:  # else it only lives longer
                self.bindings.update_expiry(binding, self.accounts)

    def _count_usage(
        self,
        lease: Lease,
        account: Account,
        binding: Optional[Binding],
        usage: Usage,
        model: Optional[str],
        served: bool,
        now: float,
    ) -> None:
        price = self.prices[model]
        dollars = usage.cost(price)
        is_estimated = price is not None and price.estimated and usage.is_estimated(price)
        burned, conversation = usage.burn, lease.conversation
        account.burn.add(burned, now, account.windows.resets.get("5h"))
        account.count(usage, dollars, is_estimated, served)
        if served and lease.holds_slot:
            self.policy.record_response(self.all_accounts, account, conversation, usage, now, model)
            account.observe_windows(now, model, burned)
        if binding is not None:
            binding.count(usage, dollars, is_estimated, served)
            binding.model = model or binding.model
            if binding.account == account.key:
                binding.prefix = usage.prefix or binding.prefix
                binding.last_used = now
        elif served and conversation is None and lease.request.prefixes:
            until = now + lease.request.cache_life
            self.prefix_caches.record(lease.request.prefixes, account.key, usage.prefix, until, now)

    def _leased_account(self, lease: Lease) -> Optional[Account]:
        """Return the account of a lease, also when its key has changed; None when it was removed."""
        return self._by_generation.get(lease.generation)

    # --- conversations ------------------------------------------------------------------------

    def restore_binding(self, binding: Binding) -> None:
        """Take back a conversation saved before a restart."""
        self.bindings.restore_binding(binding, self.accounts)

    def _advance_clock(self, now: float) -> None:
        if now < self._last_now:
            self.clock_moved_back(now)
        self._last_now = now
        if now >= self.bindings.idle.next_expiry:
            self.bindings.evict_idle(self.accounts, now)

    def clock_moved_back(self, now: float) -> None:
        """Treat what happened after `now` as if it happened now: the clock moved back."""
        for account in self.accounts.values():
            account.clock_moved_back(now)
        self.bindings.clock_moved_back(self.accounts, now)
        self.gate_queue.clock_moved_back(now)

    # --- responses -------------------------------------------------------------------

    def record_response(
        self,
        lease: Lease,
        status: int,
        reading: QuotaReading,
        now: float,
        jitter: float = 1.0,
        message: str = "",
        is_api_error: bool = True,
    ) -> ResponseKind:
        """Apply the head of an upstream response; return its kind.

        `message` is the upstream's own message of a refusal; `is_api_error` as of `classify`.
        """
        self._advance_clock(now)
        account = self._leased_account(lease)
        is_known = account is not None and reading is account.last_reading
        if is_known and status < UNSERVED_FROM and lease.holds_slot:
            return ResponseKind.SERVED  # the same reading again changes nothing: 9 us of a small request
        kind = classify(status, reading, lease.request.needs_slot, is_api_error)
        if account is None:
            return kind
        account.last_reading = None
        if kind is not ResponseKind.SIDE_429 and kind is not ResponseKind.OUTAGE:
            apply_response.apply_windows(account, reading, lease.request.needs_slot, now)
        apply_response.apply_kind(account, lease, kind, reading, self.rules, now, jitter, message)
        if kind is ResponseKind.BARE:
            self.policy.record_bare_429(account, now)
        if lease.holds_slot and kind in FAILURE_KINDS:
            apply_response.mark_suspect(account, now)
        return kind

    def record_and_settle(
        self,
        lease: Lease,
        status: int,
        reading: QuotaReading,
        now: float,
        jitter: float,
        usage: Usage,
        model: Optional[str],
        served: bool,
        unseen: int = 0,
    ) -> None:
        """Record and settle a response that came whole, of a status that needs no body (`needs_body`)."""
        account = self._by_generation.get(lease.generation)
        changes = account is None or reading is not account.last_reading
        if changes or status >= UNSERVED_FROM or not lease.holds_slot:
            self.record_response(lease, status, reading, now, jitter)
        self.settle_lease(lease, now, usage, model, served, unseen)

    def record_usage_report(self, key: str, reading: QuotaReading, sent_at: float, now: float) -> None:
        """Apply what the usage endpoint said of an account when it was asked at `sent_at`."""
        self._advance_clock(now)
        if key in self.accounts:
            apply_response.apply_usage_report(self.accounts[key], reading, sent_at, now)

    def record_request_fault(self, lease: Lease) -> None:
        """Record that other accounts refused the request alike: that was its own fault."""
        account = self._leased_account(lease)
        if account is not None:
            apply_response.record_request_fault(account, lease, self._last_now)

    def record_account_refusal(self, lease: Lease, message: str, now: float) -> None:
        """Record that another account served what this one refused: the refusal is about the account."""
        self._advance_clock(now)
        account = self._leased_account(lease)
        if account is not None:
            told = message or "the API refuses its requests"
            apply_response.record_account_refusal(account, lease, told, now)

    def reset_benches(self, key: str, now: float) -> None:
        """Forget benches, refusals and full windows: the owner wants the account to serve again."""
        self._advance_clock(now)
        account = self.accounts.get(key)
        if account is not None:
            apply_response.reset_benches(account, self.rules, now)

    def confirm_account_429(self, lease: Lease, now: float, jitter: float = 1.0) -> None:
        """Record that a bare 429 was about the account: another one served the same request."""
        self._advance_clock(now)
        account = self._leased_account(lease)
        if account is not None:
            apply_response.record_429(account, lease, apply_response.EMPTY_READING, self.rules, now, jitter)

    def mark_auth_failed(self, lease: Lease, message: str) -> None:
        """Record that the account's credential is refused: it rests until its credentials change."""
        account = self._leased_account(lease)
        if account is not None:
            self.mark_account_auth_failed(account.key, message)

    def mark_account_auth_failed(self, key: str, message: str) -> None:
        """Record a refused credential when no request is involved."""
        account = self.accounts.get(key)
        if account is not None:
            apply_response.mark_auth_failed(account, message)

    def bench_for_login(self, key: str, until: float, message: str, now: float) -> None:
        """Bench an account whose token is refused and cannot be renewed before `until`."""
        account = self.accounts.get(key)
        if account is not None:
            apply_response.bench_for_login(account, until, message, now)
