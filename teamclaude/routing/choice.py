"""One request's choice of an account, from pins over its binding to a fresh placement.

What holds for every policy is decided here.  The policy is asked only to place, to reconsider a warm
conversation, to hold a request, and to limit those in flight.  Nothing here changes state.

The cases, in order:

1. A route of the user's that refuses the request, or the accounts that it leaves out, stand before all else.
2. A request that names what one account made goes to that account or to none.
3. A pin of the client is obeyed strictly; an operator's pin gives way while its account cannot serve.
4. A bound conversation stays while it is warm and its account can serve it, unless the policy moves it.  One
   that continues a thread of the API stays, warm or not, whatever the policy, and waits for a slot there.
   staying.py finds without a Choice those that simply stay: nearly all.
5. A sub-agent joins its parent's account; a request without a session goes where its prompt cache is.
6. Everything else is placed anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, Protocol

from .candidates import Candidates, find_candidates
from .eligible import ROUTE, TRIED, costless_block, exclusions, named_account_block
from .policies.base import Placement, Policy
from .quota.rules import Rules
from .shared_choice import SharedChoices, find_once
from .state.account import Account, Block, inflight_cap
from .state.affinity import PrefixCaches
from .state.conversations import Binding, Conversations
from .state.decision import NEVER, Decision, Exclusion, LazyExclusions, Reason, RoutingRequest
from .state.gate_queue import RECHECK_SEC, GateQueue
from .user_rules.caps import MAX_USAGE, RESERVE
from .user_rules.patterns import name_of
from .user_rules.rule_set import RuleSet
from .user_rules.spend import MAX_SPEND

__all__ = ["HELD", "Choice", "FleetReader", "has_slot", "slot_count"]

# A smaller prompt cache is not worth a longer wait (tokens).
MIN_PREFIX_TOKENS = 3000
_LOST_REASONS = {
    "account benched": Reason.BENCHED,
    "hard cap": Reason.HARD_CAP,
    "model cap": Reason.MODEL_CAP,
    MAX_USAGE: Reason.MAX_USAGE,
    RESERVE: Reason.RESERVE,
    MAX_SPEND: Reason.MAX_SPEND,
    "tried": Reason.FAILOVER,
    ROUTE: Reason.ROUTE,
}


class FleetReader(Protocol):
    """What a choice reads of the fleet."""

    policy: Policy
    accounts: dict[str, Account]
    bindings: Conversations
    pins: dict[Optional[str], str]
    user_rules: RuleSet
    prefix_caches: PrefixCaches
    gate_queue: GateQueue
    shared: Optional[SharedChoices]

    @property
    def rules(self) -> Rules:
        """The configured rules as the policy wants them."""


# What `decide` returns for a request that is held at the gate when nobody asks why.
HELD = Decision(None, Reason.GATE)


class Choice:
    """The choice for one request at one instant; for a policy it is the pool that it chooses from.

    With `terse` a request that the policy holds at its gate gets HELD: most of them are only asked whether
    they still are, and the words take half of the time.
    """

    _known_candidates: Optional[Candidates] = None

    def __init__(
        self, fleet: FleetReader, request: RoutingRequest, now: float, waited: float, terse: bool = False
    ) -> None:
        self._terse = terse
        self._fleet, self.request, self.now, self._waited = fleet, request, now, waited
        self.rules, self._policy = fleet.rules, fleet.policy
        self.conversation = request.conversation
        self._binding = binding = fleet.bindings.get(self.conversation or "")
        self._is_recent = binding is not None and binding.is_recent(self.rules, now)
        if binding is not None and not self._is_recent and binding.is_evicted(self.rules, now):
            self._binding = None

    def decide(self) -> Decision:
        """Return the decision; its account is None when nothing can serve the request now."""
        route = self.request.route
        if route is not None and route.is_block:
            return Decision(None, Reason.BLOCKED, route.words, (), self._previous, at=self.now)
        if self.request.owner is not None and self.request.owner in self._fleet.accounts:
            return self._on_named_account(self.request.owner, Reason.OWNER)
        if self.request.pin is not None or self._fleet.pins or self.request.facts.project:
            pinned = self._pinned()
            if pinned is not None:
                return pinned
        if self._binding is not None:
            return self._for_bound(self._binding)
        beside = self._join_parent() or self._reuse_prefix_cache()
        if beside is not None:
            return beside
        return self._place(Reason.NEW if self.conversation else Reason.NO_SESSION)

    # --- cases --------------------------------------------------------------------------------

    def _pinned(self) -> Optional[Decision]:
        if self.request.pin is not None:
            return self._on_named_account(self.request.pin, Reason.PINNED)
        # An operator's pin gives way while its account cannot serve.
        pins, project = self._fleet.pins, self.request.facts.project
        of_project = self._fleet.user_rules.project_pins.find(project)
        of_session, of_all = pins.get(self.request.session), pins.get(None)
        for key, by_project in ((of_session, False), (of_project, True), (of_all, False)):
            account = self._fleet.accounts.get(key or "")
            if account is not None and self._block(account) is None:
                place = self._fleet.user_rules.project_pins.place(project) if by_project else ""
                return self._decision(account, Reason.PINNED, f"project {name_of(place)}" if place else "")
        return None

    def _on_named_account(self, key: str, reason: str) -> Decision:
        """Choose the named account or none: the client pinned it, or what it names exists there alone."""
        account = self._fleet.accounts.get(key)
        if account is None:
            return self._no_account("the pinned account is not configured", (), NEVER)
        block = self._block(account)
        if block is not None:
            block = named_account_block(account, block, self.request, self.now)
        is_free = reason == Reason.PINNED and self.request.pin_costs_nothing
        if block is None and is_free and self._is_costly(account):
            detail = "it costs money: only a key with the role operator may name it"
            block = Block("costs money", detail, NEVER)
        if block is None:
            return self._decision(account, reason)
        excluded = (Exclusion(account.key, block.rule, block.detail),)
        return self._no_account("pinned account", excluded, block.until)

    def _for_bound(self, binding: Binding) -> Decision:
        home, request = self._fleet.accounts.get(binding.account), self.request
        lost = self._home_lost_reason(home)
        if home is None or lost:
            return self._wait_for_home(binding, home) or self._place(lost, home)
        if request.continues_thread and (self._may_wait or self._has_slot(home)):
            return self._decision(home, Reason.THREAD, f"kept by {home.name}")
        if not self._is_recent and not binding.is_warm(self.rules, self.now):
            return self._place(Reason.LAPSED, home)
        if self._is_costly(home):
            return self._decision(home, Reason.KEPT)  # no account that is free of charge can take it over yet
        if self._policy.moves_warm:
            move = self._policy.reconsider(self, request, binding, home)
            if move is not None:
                return self._placement_decision(move.reason, move.placement)
        if request.needs_slot and self._waited >= self._slot_wait_sec and not self._has_slot(home):
            placement = self._policy.place(self, request, None)
            if placement.account is not home and self._has_slot(placement.account):
                return self._placement_decision(Reason.NO_SLOT, placement)
        return self._decision(home, Reason.KEPT)

    def _wait_for_home(self, binding: Binding, home: Optional[Account]) -> Optional[Decision]:
        """Let a warm conversation wait for its account where that is cheaper than a cold cache elsewhere."""
        if home is None or not binding.prefix or not binding.is_warm(self.rules, self.now):
            return None  # nothing is cached there: it is placed at once
        block = self._block(home)
        if block is None or block.until == NEVER or not self.accounts:
            return None
        why = self._policy.wait_reason(self, self.request, binding, home, block.until, self._waited)
        if not why:
            return None
        excluded = (Exclusion(home.key, block.rule, block.detail),)
        return self._hold(Reason.WAITS_FOR_CACHE, why, excluded, min(block.until, self._recheck_at))

    def _home_lost_reason(self, home: Optional[Account]) -> str:
        """Return why a bound conversation cannot stay, or an empty string."""
        if home is None:
            return Reason.REMOVED
        restricted = self.request.tried or self.request.allowed
        if not restricted and home.is_unrestricted(self.rules.full, self.now):
            return ""  # nearly always: with the reasons looked for one by one a decision took a third more
        block = self._block(home)
        if block is not None and self.request.continues_thread and not self.request.uses_quota:
            block = costless_block(home, block, self.request, self.now)
        if block is not None:
            if self.request.detour and block.rule == "tried":
                return Reason.DETOUR
            return _LOST_REASONS.get(block.rule, Reason.UNUSABLE)
        if self._is_costly(home) and any(not self._is_costly(a) for a in self.accounts):
            return Reason.KEY_YIELDS if home.spec.is_paid else Reason.HARD_CAP
        return ""

    def _is_costly(self, account: Account) -> bool:
        return account.is_costly(self.request.model, self.rules, self.now)

    def _join_parent(self) -> Optional[Decision]:
        """Start a sub-agent on its parent's account when that has a free slot and room for it."""
        parent = self._fleet.bindings.get(self.request.parent or "")
        account = self._fleet.accounts.get(parent.account) if parent is not None else None
        if account is None or not self._accepts_new(account) or not self._has_slot(account):
            return None
        if self._policy.holds(self, self.request, account, self._held_longer, self._waited):
            return None
        return self._join(account, Reason.NEW, "beside its parent", "not its parent's")

    def _reuse_prefix_cache(self) -> Optional[Decision]:
        """Choose the account of the prompt cache for a request without a session, if it has a free slot.

        A small cache is not worth more company than elsewhere: such requests spread out.
        """
        if self.conversation is not None or not self.request.prefixes:
            return None
        known = self._fleet.prefix_caches.find(self.request.prefixes, self.now)
        account = self._fleet.accounts.get(known.account) if known is not None else None
        if known is None or account is None or not self._accepts_new(account) or not self._has_slot(account):
            return None
        if known.tokens < MIN_PREFIX_TOKENS and account.inflight > min(a.inflight for a in self.accounts):
            return None
        detail = f"its cache of {known.tokens} tokens"
        return self._join(account, Reason.NO_SESSION, detail, "has no cache of it")

    def _place(self, reason: str, home: Optional[Account] = None) -> Decision:
        candidates = self._candidates
        if not candidates.accounts:
            return self._no_account("", candidates.excluded, candidates.soonest)
        if self._terse:
            account = self._policy.choose(self, self.request, home)
            if self._policy.holds(self, self.request, account, self._held_longer, self._waited):
                return HELD
        placement = self._policy.place(self, self.request, home)
        why = self._policy.gate_reason(self, self.request, placement.account, self._held_longer, self._waited)
        if why:
            excluded = _chain(self._candidates.excluded, placement.excluded)
            return self._hold(Reason.GATE, why, excluded, self._recheck_at)
        return self._placement_decision(reason, placement)

    # --- parts --------------------------------------------------------------------------------

    def _placement_decision(self, reason: str, placement: Placement) -> Decision:
        excluded, detail = _chain(self._candidates.excluded, placement.excluded), placement.detail
        waived = (*self._candidates.waived, *placement.waived)
        if waived:
            detail += f"{', ' if detail else ''}none passed: {', '.join(waived)}"
        return self._decision(placement.account, reason, detail, excluded)

    def _join(self, account: Account, reason: str, detail: str, rule: str) -> Decision:
        """Choose an account for a reason of its own; the others only lack it."""
        others = exclusions(self.accounts, [account], rule, f"{account.name} is")
        return self._decision(account, reason, detail, (*self._candidates.excluded, *others))

    def _decision(
        self, account: Account, reason: str, detail: str = "", excluded: Iterable[Exclusion] = ()
    ) -> Decision:
        route = self.request.route
        if route is not None:
            detail = f"{detail}; {route.words}" if detail else route.words
        made = (account.key, reason, detail, excluded, self._previous, None, self.now)
        return tuple.__new__(Decision, made)  # as values.py says

    def _no_account(self, detail: str, excluded: Iterable[Exclusion], until: float) -> Decision:
        retry_at = until if until != NEVER else None
        return Decision(None, Reason.NOTHING_USABLE, detail, excluded, self._previous, retry_at, at=self.now)

    def _hold(self, reason: str, detail: str, excluded: Iterable[Exclusion], until: float) -> Decision:
        """Let the request wait although an account could serve it: the policy holds it."""
        return Decision(None, reason, detail, excluded, self._previous, until, at=self.now)

    @property
    def _slot_wait_sec(self) -> float:
        """How long the request waits for a slot of its account before it takes another's (s)."""
        if self._binding is None:
            return self.rules.slot_wait
        return self._policy.slot_wait_sec(self.rules, self._binding)

    @property
    def next_attempt_at(self) -> float:
        """When a request that waits for a slot is tried again without an event.

        It may then take one above the warn ceiling, or of another tier, and later one of another account.
        """
        for sec in self.rules.slot_wait, self._slot_wait_sec:  # the second is no less
            if sec > self._waited:
                return self.now + (sec - self._waited)
        return self._candidates.soonest  # when the first account that is blocked now is back

    @property
    def _recheck_at(self) -> float:
        return self.now + RECHECK_SEC

    @property
    def _held_longer(self) -> int:
        """Conversations that have been held at the gate for longer than this one."""
        gated, conversation = self._fleet.gate_queue, self.conversation
        since = gated.places.since(conversation, self.now - self._waited, self.now)
        return gated.count_longer(conversation, since, self.now) if gated else 0

    @property
    def _previous(self) -> Optional[str]:
        return self._binding.account if self._binding is not None else None

    def _accepts_new(self, account: Account) -> bool:
        return account in self.accounts

    def has_slot(self, account: Account, waited: float = 0.0) -> bool:
        """Return whether the account takes one more request, one that has waited for so long (s)."""
        return has_slot(self._policy, self.rules, account, self.now, waited)

    def _has_slot(self, account: Account) -> bool:
        return self.has_slot(account, self._waited)

    def _is_blocked(self, account: Account) -> bool:
        request = self.request
        if account.key in request.tried or (request.allowed and account.key not in request.allowed):
            return True
        scope = request.scope if account.scoped_refusals else None
        return account.is_blocked(request.model, self.rules, self.now, scope)

    def _block(self, account: Account) -> Optional[Block]:
        allowed = self.request.allowed
        if allowed and account.key not in allowed:
            route = self.request.route
            return Block(ROUTE, route.words if route is not None else "not among those allowed", NEVER)
        shared = self._fleet.shared
        if shared is not None:
            key = account.key, shared.constraints(self.request, self._fleet.accounts.values())
            if key in shared.blocks:
                return shared.blocks[key]
        # The scope is computed only where an account refuses some.
        scope = self.request.scope if account.scoped_refusals else None
        block = account.block(self.request.model, self.rules, self.now, scope)
        if block is None and account.key in self.request.tried:
            block = TRIED
        if shared is not None:
            shared.blocks[key] = block
        return block

    @property
    def accounts(self) -> list[Account]:
        """The accounts that can serve this request, within the user's rails as far as any of them is."""
        return self._candidates.accounts

    # Not a cached_property: until Python 3.12 that takes a lock, 1 us of each warm request.
    @property
    def _candidates(self) -> Candidates:
        """Found only when the conversation does not simply stay; a walk of the queue finds them once."""
        if self._known_candidates is None:
            shared = self._fleet.shared
            if shared is None:
                self._known_candidates = self._find_candidates()
            else:
                constraints = shared.constraints(self.request, self._fleet.accounts.values())
                alike = constraints, self._has_waited_out
                self._known_candidates = find_once(shared.candidates, alike, self._find_candidates)
        return self._known_candidates

    def _find_candidates(self) -> Candidates:
        return find_candidates(
            self._fleet.accounts.values(),
            self.request,
            self.rules,
            self.now,
            self._is_blocked,
            self._block,
            self._has_slot,
            self._has_waited_out,
        )

    @property
    def _may_wait(self) -> bool:
        return not self.request.needs_slot or self._waited < self.request.hold_sec

    @property
    def _has_waited_out(self) -> bool:
        return self.request.needs_slot and self._waited >= self.rules.slot_wait


def has_slot(policy: Policy, rules: Rules, account: Account, now: float, waited: float) -> bool:
    """Return whether the account takes one more request, one that has waited for so long (s)."""
    # No limit is less than 1.
    return not account.inflight or slot_count(policy, rules, account, now, waited) > account.inflight


def slot_count(policy: Policy, rules: Rules, account: Account, now: float, waited: float) -> int:
    """Return the requests the account may have in flight, for one that has waited for so long (s).

    The rails and an unproven account's probe count beside the policy's own limit.
    """
    return inflight_cap(account, rules, now, waited, policy.inflight_limit(rules, account, now))


def _chain(before: tuple[Exclusion, ...], after: Iterable[Exclusion]) -> Iterable[Exclusion]:
    return LazyExclusions(lambda: (*before, *after)) if before else after
