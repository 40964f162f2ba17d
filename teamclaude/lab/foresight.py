"""The policy `foresight`: `price` with a gate that knows what every conversation will use.

No proxy can know that.  What it does better than `price` is what knowledge of the conversations' lengths is
worth; what it leaves undone, and how long requests wait under it, lies in the accounts' windows: those of 5
hours and the weekly ones, the burst limit and the prompt caches are those of the run.

1. A conversation enters an account where each window holds, until its reset, all that it and the
   conversations that were given the account will want: at the pace of clients that never wait.
2. It takes the best of these accounts by the share of `price`; where there is none it waits its turn.
3. What others will use of the accounts it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..routing.policies.base import Placement, Policy, Pool
from ..routing.policies.price import PricePolicy
from ..routing.state.account import Account
from ..routing.state.decision import RoutingRequest
from .api_model import ApiAccount, TokenWeights
from .clients import ActiveSession

__all__ = ["ForesightPolicy"]


class _Pool:
    """The pool of a question, with some of its accounts."""

    def __init__(self, pool: Pool, accounts: Sequence[Account]) -> None:
        self.rules, self.now, self.accounts, self.has_slot = pool.rules, pool.now, accounts, pool.has_slot


class ForesightPolicy(PricePolicy):
    """Quota by its scarcity, with a gate that knows the future of conversations."""

    name = "foresight"
    choose, holds = Policy.choose, Policy.holds  # by its own `place` and `gate_reason`

    def __init__(self) -> None:
        super().__init__()
        self._sessions: Sequence[ActiveSession] = ()
        self._api_accounts: Mapping[str, ApiAccount] = {}
        self._weights = TokenWeights()
        self._by_name: dict[str, ActiveSession] = {}
        self._entered: dict[str, str] = {}  # conversations that have not ended -> account key

    def foresee(
        self, sessions: Sequence[ActiveSession], api_accounts: Mapping[str, ApiAccount], weights: TokenWeights
    ) -> None:
        """Take the run that it is to know: its sessions, a growing list, and the API's accounts."""
        self._sessions, self._api_accounts, self._weights = sessions, api_accounts, weights

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the best account of those with room, as `price`; without one the best of all."""
        roomy = [account for account in pool.accounts if self._has_room(account, request, pool.now)]
        return super().place(_Pool(pool, roomy) if roomy else pool, request, home)

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        """Hold a conversation that the account's windows can't carry to its end, or to their resets."""
        if waited >= request.hold_sec or self._has_room(account, request, pool.now):
            return ""
        return f"{account.name} can't carry it to its end"

    def record_entry(self, account: Account, conversation: str, now: float) -> None:
        """Count what the conversation will want from the account from now on."""
        super().record_entry(account, conversation, now)
        self._entered[conversation] = account.key

    def _has_room(self, account: Account, request: RoutingRequest, now: float) -> bool:
        session = self._session(request.conversation)
        if session is None:
            return True
        api_account = self._api_accounts[account.key]
        api_account.advance(now)
        inside = [
            each
            for name, key in list(self._entered.items())
            if key == account.key and name != request.conversation and (each := self._running(name))
        ]
        for window in api_account.windows:
            seconds = window.resets_at - now if window.resets_at > now else window.length
            wanted = self._wanted(session, seconds, is_cold=True)
            wanted += sum(self._wanted(each, seconds) for each in inside)
            if wanted > window.size - window.used:
                return False
        return True

    def _running(self, conversation: str) -> Optional[ActiveSession]:
        session = self._session(conversation)
        if session is None or session.index >= len(session.trace.requests):
            del self._entered[conversation]
            return None
        return session

    def _session(self, conversation: Optional[str]) -> Optional[ActiveSession]:
        known = self._by_name
        for session in self._sessions[len(known) :]:
            known[session.conversation] = session
        return known.get(conversation or "")

    def _wanted(self, session: ActiveSession, seconds: float, is_cold: bool = False) -> float:
        """Return the weighted tokens that a session will want within `seconds` if it never waits."""
        after = total = 0.0
        for place in range(session.index, len(session.trace.requests)):
            request = session.trace.requests[place]
            if place > session.index:
                after += request.gap
            if after > seconds:
                break
            cached = 0 if is_cold and place == session.index else request.cached_prefix
            total += self._weights.cost(request, cached)
            after += request.duration
        return total
