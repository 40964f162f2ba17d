"""The account where a conversation simply stays, as nearly every request's does: a Choice for the others.

It is the fourth case of choice.py as far as nothing has to be weighed: a short list of what may stand in the
way, in place of a Choice, which takes four times as long.  What is on the list need not be wrong: the Choice
says.
"""

from __future__ import annotations

from typing import Optional

from .choice import FleetReader, has_slot
from .quota.rules import Rules
from .state.account import Account
from .state.conversations import Binding
from .state.decision import Decision, Reason, RoutingRequest, Wait
from .state.waiter import Quiet, Waiter

__all__ = ["STAYING", "decision_to_stay", "home_to_stay", "leaves_none", "quiet_of", "recent_until"]

STAYING = (Reason.KEPT, Reason.THREAD)


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


def recent_until(binding: Binding, rules: Rules) -> float:
    """Return how long the conversation stays if nobody goes on with it (epoch seconds)."""
    return binding.last_used + min(rules.cache_affinity_window_sec, rules.binding_evict_sec)


def quiet_of(fleet: FleetReader, waiter: Waiter, wait: Wait, due_at: float) -> Optional[Quiet]:
    """Return what makes the waiter quiet; a policy may move it, and a pin apply again, at any moment."""
    conversation = waiter.conversation
    may_move = fleet.policy.moves_warm or fleet.pins or fleet.user_rules.project_pins
    if wait.account is None or conversation is None or wait.decision.reason not in STAYING or may_move:
        return None
    binding = fleet.bindings.get(conversation)
    if binding is None:
        return None
    until = min(due_at, waiter.since + fleet.rules.slot_wait, recent_until(binding, fleet.rules))
    return Quiet(until, conversation, (wait.account, waiter.request.constraints))


def leaves_none(
    fleet: FleetReader, waiter: Waiter, before: Optional[Quiet], account: str, now: float
) -> bool:
    """Return whether its attempt shows that the account has no slot for others like the waiter.

    It was quiet `before`, has got the last slot, and the account can still serve; or it found none.
    """
    lease, quiet = waiter.lease, waiter.quiet
    if lease is None:
        return quiet is not None and quiet.group[0] == account and now < quiet.until
    home = fleet.accounts.get(account)
    if before is None or lease.account != account or lease.decision.reason not in STAYING or home is None:
        return False
    free = home.inflight < fleet.policy.inflight_limit(fleet.rules, home, now)
    scope = lease.request.scope if home.scoped_refusals else None
    return not free and home.block(lease.request.model, fleet.rules, now, scope) is None
