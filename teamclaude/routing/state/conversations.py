"""Conversations: their bindings to accounts, and the sets that count them.

A binding ties a conversation to the account where its prompt cache is warm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ...settings import camel_case
from ...values import dataclass, fields
from ..quota.lenient_json import LenientObject, as_amount, as_count, as_flag, as_text, as_usage
from ..quota.rules import Rules
from ..quota.usage import NO_USAGE, Usage
from .account import Account
from .decision import Decision, Reason, RoutingRequest
from .expiring_set import ExpiringSet
from .usage_totals import UsageTotals

__all__ = ["Binding", "Conversations"]

MAX_CACHE_LIFE_SEC = 3600.0


@dataclass(eq=False, repr=False)
class Binding(UsageTotals):
    """One conversation; a rebind changes `account` and keeps everything else."""

    conversation: str
    session: str
    agent: Optional[str]
    parent: Optional[str]
    account: str  # key
    bound_at: float
    first_seen: float
    last_used: float
    cache_life: float = 300.0
    reason: str = ""
    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    unpriced_tokens: int = 0
    cost_estimated: bool = False
    model: Optional[str] = None
    prefix: int = 0  # tokens its prompt cache holds
    moves: int = 0
    paced_at: Optional[float] = None  # last move for pacing
    inflight: int = 0
    project_pinned: bool = False  # a pin of its project led its last request

    def life_sec(self, rules: Rules) -> float:
        """Return the seconds its prompt cache lives after a request."""
        return max(self.cache_life, rules.cache_affinity_window_sec)

    def warm_until(self, rules: Rules) -> float:
        """Return when its prompt cache ends unless it is used again (epoch seconds)."""
        return self.last_used + self.life_sec(rules)

    def is_warm(self, rules: Rules, now: float) -> bool:
        """Return whether its prompt cache still lives; a request in flight keeps it alive."""
        return self.inflight > 0 or now < self.warm_until(rules)

    def idle_sec(self, rules: Rules) -> float:
        """Return the seconds without a request after which it is evicted."""
        return max(rules.binding_evict_sec, 2.0 * self.life_sec(rules))

    def is_recent(self, rules: Rules, now: float) -> bool:
        """Return whether it is certainly warm and not evicted; asked first, it spares four calls."""
        since = now - self.last_used
        return 0.0 <= since < rules.cache_affinity_window_sec and since < rules.binding_evict_sec

    def is_evicted(self, rules: Rules, now: float) -> bool:
        """Return whether it was idle for so long that its next request is a new conversation's."""
        return self.inflight <= 0 and self.last_used + self.idle_sec(rules) <= now

    def continue_on(self, request: RoutingRequest, now: float) -> None:
        """Note a request of it, which is sent to its account."""
        self.cache_life, self.project_pinned = request.cache_life, False
        self.last_used = now
        self.inflight += 1

    def clock_moved_back(self, now: float) -> None:
        """Treat what happened after `now` as if it happened now: the clock moved back."""
        self.last_used, self.bound_at = min(self.last_used, now), min(self.bound_at, now)
        self.first_seen = min(self.first_seen, now)
        if self.paced_at is not None:
            self.paced_at = min(self.paced_at, now)

    def copy_fields(self) -> dict[str, Any]:
        """Return a copy for `to_json`, shared with nothing that changes."""
        return self.__dict__.copy()

    @staticmethod
    def to_json(values: dict[str, Any], now: float) -> dict[str, Any]:
        """Return the JSON data of fields that were copied at `now`."""
        data = {_SAVED_AS[name]: value for name, value in values.items()}
        del data["projectPinned"]  # its next request tells
        if data.pop("inflight"):  # nothing is in flight after a restart
            data["lastUsed"] = now
        return {**data, "usage": list(values["usage"])}

    @classmethod
    def from_json(cls, saved: LenientObject) -> Binding:
        """Read a saved binding; what is missing or unreadable has its default."""
        conversation = saved.get("conversation", as_text, "")
        return cls(
            conversation=conversation,
            session=saved.get("session", as_text, conversation.partition("/")[0]),
            agent=saved.find("agent", as_text),
            parent=saved.find("parent", as_text),
            account=saved.get("account", as_text, ""),
            bound_at=saved.get("boundAt", saved.as_time, 0.0),
            first_seen=saved.get("firstSeen", saved.as_time, 0.0),
            last_used=saved.get("lastUsed", saved.as_time, 0.0),
            cache_life=min(MAX_CACHE_LIFE_SEC, saved.get("cacheLife", as_amount, 300.0)),
            reason=saved.get("reason", as_text, ""),
            requests=saved.get("requests", as_count, 0),
            usage=saved.get("usage", as_usage, NO_USAGE),
            cost=saved.get("cost", as_amount, 0.0),
            unpriced_tokens=saved.get("unpricedTokens", as_count, 0),
            cost_estimated=saved.get("costEstimated", as_flag, False),
            model=saved.find("model", as_text),
            prefix=saved.get("prefix", as_count, 0),
            moves=saved.get("moves", as_count, 0),
            paced_at=saved.find("pacedAt", saved.as_time),
        )


_SAVED_AS = {field.name: camel_case(field.name) for field in fields(Binding)}


class Conversations(dict[str, Binding]):
    """All bindings by conversation.

    Only the Fleet changes them; `accounts` are its accounts of now, by key, `rules` its rules.

    A conversation that is used again only lives longer: the sets that count it find that out once its old
    time has come.  They are told where a time moves forward (`update_expiry`).
    """

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules
        self.idle = ExpiringSet(self._evicted_at)
        self.moves = 0  # from account to account so far

    def bind(
        self,
        key: str,
        request: RoutingRequest,
        account: Account,
        decision: Decision,
        accounts: Mapping[str, Account],
        now: float,
    ) -> None:
        """Bind the request's conversation, called `key`, to `account`, where the request is sent.

        A detour does not move a conversation that has a cache to come back to.
        """
        binding = self.get(key)
        if binding is None:
            binding = self[key] = Binding(
                key, request.session or "", request.agent, request.parent, account.key, now, now, now
            )
            binding.reason = decision.reason
        elif binding.account != account.key and not (
            request.detour and _keeps_account(binding, accounts, self.rules, now)
        ):
            self.unmark_warm(binding, accounts)
            binding.account, binding.bound_at, binding.reason = account.key, now, decision.reason
            binding.prefix = 0  # nothing of it is cached there
            binding.moves += 1
            self.moves += 1
            if decision.reason == Reason.OVER_PACE:
                binding.paced_at = now
        binding.continue_on(request, now)
        binding.project_pinned = bool(
            request.facts.project and decision.reason == Reason.PINNED and request.pin is None
        )
        self.update_expiry(binding, accounts)

    def restore_binding(self, binding: Binding, accounts: Mapping[str, Account]) -> None:
        """Take back a binding saved before a restart."""
        known = self.get(binding.conversation)
        if known is not None:
            self.unmark_warm(known, accounts)
            self.moves += 1
        self[binding.conversation] = binding
        self.update_expiry(binding, accounts)

    def update_expiry(self, binding: Binding, accounts: Mapping[str, Account]) -> None:
        """Add the conversation to the sets that count it, or tell them that it may end earlier."""
        name, rules = binding.conversation, self.rules
        self.idle.set_expiry(name, binding.last_used + binding.idle_sec(rules))
        account = accounts.get(binding.account)
        if account is not None:
            account.warm.set_expiry(name, binding.warm_until(rules))

    def _evicted_at(self, key: str, now: float) -> float:
        binding = self[key]
        return _last_use(binding, now) + binding.idle_sec(self.rules)

    def warm_until(self, key: str, now: float) -> float:
        """Return when the conversation stops being warm, unless it is used again (epoch seconds)."""
        binding = self[key]
        return _last_use(binding, now) + binding.life_sec(self.rules)

    def unmark_warm(self, binding: Binding, accounts: Mapping[str, Account]) -> None:
        """Stop counting the conversation as warm on its account."""
        account = accounts.get(binding.account)
        if account is not None:
            account.warm.discard(binding.conversation)

    def evict_idle(self, accounts: Mapping[str, Account], now: float) -> None:
        """Drop the conversations that have been idle for too long."""
        for key in self.idle.expire(now):
            self.unmark_warm(self.pop(key), accounts)

    def clock_moved_back(self, accounts: Mapping[str, Account], now: float) -> None:
        """Treat what happened after `now` as if it happened now: the clock moved back."""
        for binding in self.values():
            binding.clock_moved_back(now)
            self.update_expiry(binding, accounts)


def _last_use(binding: Binding, now: float) -> float:
    """Return its last use, now at the earliest if a request of it is in flight."""
    return now if binding.inflight > 0 else binding.last_used


def _keeps_account(binding: Binding, accounts: Mapping[str, Account], rules: Rules, now: float) -> bool:
    return binding.prefix > 0 and binding.account in accounts and binding.is_warm(rules, now)
