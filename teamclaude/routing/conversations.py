"""All conversations by key, and the sets that count them: warm on an account, or soon to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from .quota.rules import Rules
from .state.account import Account
from .state.binding import Binding
from .state.decision import Decision, Reason, RoutingRequest
from .state.expiring_set import ExpiringSet

__all__ = ["Conversations"]


class Conversations(dict[str, Binding]):
    """Changed by the Fleet alone.  `accounts` are the Fleet's of now, by key."""

    def __init__(self) -> None:
        super().__init__()
        self._idle = ExpiringSet()  # by the time they are forgotten

    def bind(
        self,
        request: RoutingRequest,
        account: Account,
        decision: Decision,
        accounts: Mapping[str, Account],
        rules: Rules,
        now: float,
    ) -> None:
        """A request of the conversation is sent on `account`: that is its account from now on.

        A detour is not: what has a cache to come back to stays where that is.
        """
        key = request.conversation
        assert key is not None
        binding = self.get(key)
        if binding is None:
            binding = Binding(
                key, request.session or "", request.agent, request.parent, account.key, now, now, now
            )
            binding.reason = decision.reason
            self[key] = binding
        elif binding.account != account.key and not (
            request.detour and _keeps_account(binding, accounts, rules, now)
        ):
            self.unmark_warm(binding, accounts)
            binding.account, binding.bound_at, binding.reason = account.key, now, decision.reason
            binding.prefix = 0  # nothing of it is cached there
            binding.moves += 1
            if decision.reason == Reason.OVER_PACE:
                binding.paced_at = now
        binding.cache_life = request.cache_life
        binding.last_used = now
        binding.inflight += 1
        self.update_expiry(binding, accounts, rules)

    def restore_binding(self, binding: Binding, accounts: Mapping[str, Account], rules: Rules) -> None:
        """Take back a conversation saved before a restart."""
        known = self.get(binding.conversation)
        if known is not None:
            self.unmark_warm(known, accounts)
        self[binding.conversation] = binding
        self.update_expiry(binding, accounts, rules)

    def update_expiry(self, binding: Binding, accounts: Mapping[str, Account], rules: Rules) -> None:
        """Bring the sets in line with what a conversation says of itself."""
        warm_until, evict_at = binding.expiry_times(rules)
        self._idle.set_expiry(binding.conversation, evict_at)
        account = accounts.get(binding.account)
        if account is not None:
            account.warm.set_expiry(binding.conversation, warm_until)

    def unmark_warm(self, binding: Binding, accounts: Mapping[str, Account]) -> None:
        """It no longer counts as warm where it was."""
        account = accounts.get(binding.account)
        if account is not None:
            account.warm.discard(binding.conversation)

    def evict_idle(self, accounts: Mapping[str, Account], now: float) -> None:
        """Drop those that have been idle for too long."""
        for key in self._idle.expire(now):
            self.unmark_warm(self.pop(key), accounts)


def _keeps_account(binding: Binding, accounts: Mapping[str, Account], rules: Rules, now: float) -> bool:
    return binding.prefix > 0 and binding.account in accounts and binding.is_warm(rules, now)
