"""The accounts that a policy may give one request at one instant, and why not the others.

1. First come the accounts that can serve it (eligible.py); the user's rails then narrow them (rails.py).
2. A request that has waited for a slot for `slotWaitSec` prefers an account with a free one: one of a lower
   tier, or beyond the rails, beats waiting on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from ..values import NamedTuple
from .eligible import find_eligible
from .quota.rules import Rules
from .rails import RailedAccounts, within_rails
from .state.account import Account, Block
from .state.decision import Exclusion, RoutingRequest

__all__ = ["Candidates", "find_candidates"]


class Candidates(NamedTuple):
    """The accounts in the order of the config file; those that were left out; the rails that none passed."""

    accounts: list[Account]
    excluded: tuple[Exclusion, ...]
    waived: tuple[str, ...]
    soonest: float  # when the first of the blocked ones is back (epoch seconds); NEVER: none in sight


def find_candidates(
    accounts: Iterable[Account],
    request: RoutingRequest,
    rules: Rules,
    now: float,
    block_of: Callable[[Account], Optional[Block]],
    has_slot: Callable[[Account], bool],
    waited_out: bool,
) -> Candidates:
    """Return what `request` may be given; `block_of` says why an account cannot serve it.

    `waited_out`: it has waited for a slot for long enough.
    """

    def not_full(able: list[Account]) -> list[Account]:
        return ([account for account in able if has_slot(account)] if waited_out else []) or able

    able, excluded, soonest = find_eligible(accounts, request, rules, now, block_of, not_full)
    railed = RailedAccounts(able)
    if request.needs_slot:
        railed = within_rails(able, rules, now, has_slot, waited_out)
    if railed.excluded:
        excluded = (*excluded, *railed.excluded)
    return Candidates(railed.accounts, excluded, railed.waived, soonest)
