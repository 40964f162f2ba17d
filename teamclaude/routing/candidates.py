"""The accounts that a policy may give one request at one instant, and why not the others.

1. First come the accounts that can serve it (eligible.py); the user's rails then narrow them (rails.py).
2. A request that has waited for a slot for `slotWaitSec` prefers an account with a free one: one of a lower
   tier, or beyond the rails, beats waiting on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Optional

from .eligible import WhyNot, find_eligible
from .quota.rules import Rules
from .rails import within_rails
from .state.account import Account, Block
from .state.decision import Exclusion, RoutingRequest

__all__ = ["Candidates", "find_candidates"]


class Candidates:
    """The accounts in the order of the config file, and the rails that none passed.

    Why others were left out is put into words when it is asked for, at the same instant: most requests that
    wait are only told apart by `accounts`.
    """

    def __init__(
        self, accounts: list[Account], waived: tuple[str, ...], explain: Callable[[], WhyNot]
    ) -> None:
        self.accounts = accounts
        self.waived = waived
        self._explain = explain
        self._why_not: Optional[WhyNot] = None

    @property
    def excluded(self) -> tuple[Exclusion, ...]:
        """Why the others were left out."""
        return self._why().excluded

    @property
    def soonest(self) -> float:
        """When the first of the blocked ones is back (epoch seconds); NEVER: none in sight."""
        return self._why().soonest

    def _why(self) -> WhyNot:
        if self._why_not is None:
            self._why_not = self._explain()
        return self._why_not


def find_candidates(
    accounts: Collection[Account],
    request: RoutingRequest,
    rules: Rules,
    now: float,
    is_blocked: Callable[[Account], bool],
    block_of: Callable[[Account], Optional[Block]],
    has_slot: Callable[[Account], bool],
    waited_out: bool,
) -> Candidates:
    """Return what `request` may be given; `block_of` says why an account cannot serve it.

    `waited_out`: it has waited for a slot for long enough.
    """

    def not_full(able: list[Account]) -> list[Account]:
        return ([account for account in able if has_slot(account)] if waited_out else []) or able

    able, explain = find_eligible(accounts, request, rules, now, is_blocked, block_of, not_full)
    if not request.needs_slot:
        return Candidates(able, (), explain)
    railed = within_rails(able, rules, now, has_slot, waited_out)

    def explain_all() -> WhyNot:
        why_not = explain()
        return why_not._replace(excluded=(*why_not.excluded, *railed.excluded))

    return Candidates(railed.accounts, railed.waived, explain_all if railed.left_out else explain)
