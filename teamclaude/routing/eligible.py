"""Which accounts can serve one request, before any policy: usable, free of charge first, the preferred tier.

1. An account that is blocked for the request, or that its route leaves out, is excluded, with the rule.
2. What is billed, a last-resort key or extra usage, serves when the request may be paid for, or when no other
   account comes back by a short wait: a key that a route names alone serves at once.
3. Of the rest only the tier of the smallest priority number serves; a route may have tiers of its own.
4. For a request that names its account (a client's pin, or a file that this account made) less is in the way.
   One that takes no slot spends no quota: a bench or a full window does not keep it away.  Nor do refusals
   that other accounts would have served: a client that insists on the account gets its message.  What the
   owner of the account has limited stays limited.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Optional

from ..values import NamedTuple
from .quota.rules import Rules
from .state.account import Account, Block
from .state.decision import NEVER, Exclusion, RoutingRequest
from .user_rules.routes import Route

__all__ = ["ROUTE", "Eligible", "WhyNot", "exclusions", "find_eligible", "named_account_block"]

ROUTE = "route"  # the rule that excludes an account which the request's route leaves out
NEEDS_OWNER = frozenset({"disabled", "auth_failed"})  # rules whose end only the owner brings


class Eligible(NamedTuple):
    """The accounts that can serve; why not the others, where somebody asks for it at the same instant."""

    accounts: list[Account]
    explain: Callable[[], WhyNot]


class WhyNot(NamedTuple):
    """Why accounts cannot serve, and when the first of them is back."""

    excluded: tuple[Exclusion, ...] = ()
    soonest: float = NEVER  # epoch seconds; NEVER: none in sight


def find_eligible(
    accounts: Collection[Account],
    request: RoutingRequest,
    rules: Rules,
    now: float,
    is_blocked: Callable[[Account], bool],
    block_of: Callable[[Account], Optional[Block]],
    not_full: Callable[[list[Account]], list[Account]],
) -> Eligible:
    """Return the accounts that can serve `request`; `block_of` says why an account cannot.

    `not_full` narrows accounts to those with a free slot once the request has waited for one long enough.
    """
    full, model = rules.full, request.model
    # Most accounts: 8 us less with 16 of them.
    is_restricted = request.tried or request.allowed
    unrestricted = [] if is_restricted else [each for each in accounts if each.is_unrestricted(full, now)]
    if len(unrestricted) == len(accounts):
        best, other_tiers = _best_tier(unrestricted, not_full, request.route)
        if not other_tiers:
            return Eligible(best, WhyNot)
    usable: list[Account] = []
    free: list[Account] = []
    blocked: list[Account] = []
    for account in accounts:
        if account in unrestricted:
            usable.append(account)
            free.append(account)
        elif is_blocked(account):
            blocked.append(account)
        else:
            usable.append(account)
            if not account.is_costly(model, rules, now):
                free.append(account)

    def count_paid() -> bool:
        return request.allow_paid or all(
            account.spec.is_paid or _justifies_paid(account, block_of(account), model, rules, now)
            for account in blocked
        )

    def explain() -> WhyNot:
        blocks = [(account, block) for account in blocked if (block := block_of(account)) is not None]
        excluded = [Exclusion(account.key, block.rule, block.detail) for account, block in blocks]
        excluded.extend(Exclusion(a.key, *_paid_exclusion(a)) for a in usable if a not in left)
        paid = count_paid()
        soonest = min((block.until for a, block in blocks if paid or not a.spec.is_paid), default=NEVER)
        return WhyNot((*excluded, *other_tiers), soonest)

    left = free or (usable if usable and count_paid() else [])
    best, other_tiers = _best_tier(left, not_full, request.route)
    return Eligible(best, explain)


def named_account_block(
    account: Account, block: Block, request: RoutingRequest, now: float
) -> Optional[Block]:
    """Return the block as it holds for a request that names this account; None: it may go there."""
    if block.rule == ROUTE:
        return block
    spends_quota = request.needs_slot or account.key in request.tried
    if not spends_quota and block.rule not in NEEDS_OWNER:
        return None
    if block.rule == "refuses this" or account.is_benched_for_refusals(now):
        return account.owner_block(request.model, now) if request.needs_slot else None
    return block


def _justifies_paid(
    account: Account, block: Optional[Block], model: Optional[str], rules: Rules, now: float
) -> bool:
    """Return whether neither a short wait nor a response brings the account back.

    That justifies spending a paid key at once.
    """
    is_lasting = block is not None and (block.rule in NEEDS_OWNER or block.rule == ROUTE)
    return is_lasting or account.quota_block(model, rules, now) is not None


def _best_tier(
    accounts: list[Account], not_full: Callable[[list[Account]], list[Account]], route: Optional[Route]
) -> tuple[list[Account], Sequence[Exclusion]]:
    """Return the accounts of the preferred tier, and why not the others."""
    own = route if route is not None and route.tiers else None
    if own is None:
        priorities = [a.spec.priority for a in accounts]
        if not priorities or min(priorities) == max(priorities):
            return accounts, ()
    tiers = {a: a.spec.priority if own is None else own.tier_of(a.key) for a in accounts}
    if not tiers:
        return accounts, ()
    tier = min(tiers[a] for a in not_full(accounts))
    better = [a for a in accounts if tiers[a] < tier]
    first = [a for a in accounts if tiers[a] == tier]
    excluded = [Exclusion(a.key, "no slot", f"{a.inflight} in flight") for a in better]
    excluded.extend(exclusions(accounts, [*better, *first], "priority", f"tier {tier} is usable"))
    return first, excluded


def _paid_exclusion(account: Account) -> tuple[str, str]:
    if account.spec.is_paid:
        return "API key waits", "paid last resort"
    return "extra usage waits", "billed last resort"


def exclusions(
    before: Iterable[Account], after: Sequence[Account], rule: str, detail: str
) -> list[Exclusion]:
    """Return an exclusion for each account of `before` that is not in `after`."""
    kept = set(after)
    return [Exclusion(account.key, rule, detail) for account in before if account not in kept]
