"""The account where a conversation simply stays, as nearly every request's does: a Choice for the others.

It is the fourth case of choice.py as far as nothing has to be weighed: a short list of what may stand in the
way, in place of a Choice, which takes four times as long.  What is on the list need not be wrong: the Choice
says.
"""

from __future__ import annotations

from typing import Optional

from .choice import FleetReader, has_slot
from .state.account import Account
from .state.conversations import Binding
from .state.decision import Decision, Reason, RoutingRequest

__all__ = ["decision_to_stay", "home_to_stay"]


def home_to_stay(
    fleet: FleetReader, request: RoutingRequest, binding: Binding, now: float, waited: float
) -> Optional[Account]:
    """Return the account where the request's conversation stays; None: perhaps not.

    A request that has waited for a slot for `slotWaitSec` may take another account's: it needs a Choice
    unless there is one.
    """
    rules, policy = fleet.rules, fleet.policy
    home = fleet.accounts.get(binding.account)
    if (
        home is None
        or policy.moves_warm
        or fleet.pins
        or not request.is_plain
        or (request.facts.project and fleet.user_rules.project_pins)
        or request.cache_life < binding.cache_life  # the sets that count it have to know
        or not binding.is_recent(rules, now)
        or not home.is_unrestricted(rules.full, now)
        or (waited and waited >= rules.slot_wait and not has_slot(policy, rules, home, now, waited))
    ):
        return None
    return home


def decision_to_stay(home: Account, now: float) -> Decision:
    """Return the decision for a conversation that stays."""
    made = (home.key, Reason.KEPT, "", (), home.key, None, now)
    return tuple.__new__(Decision, made)  # as values.py says
