"""Which accounts can serve one request, before any policy: usable, free of charge first, the preferred tier.

1. An account that is blocked for the request, or that its route leaves out, is excluded, with the rule.
2. What is billed, a last-resort key or extra usage, serves when the request may be paid for, or when no other
   account comes back by a short wait: a key that a route names alone serves at once.
3. Of the rest only the tier of the smallest priority number serves; a route may have tiers of its own.
4. What uses no quota (`RoutingRequest.uses_quota`) goes to these accounts as well.  Where none is left, it
   goes to those that are merely closed to work (`costless_block`), subscriptions first:

       in the way of both                 in the way of work alone
       the account is disabled            a full window, also of a model
       its login is refused               maxUsage, reserve, maxSpend
       its token can't be renewed         a bench after a 429, a 403 or another refusal
       the request's route leaves it out  a refusal of this model with these betas
       it has refused this request

5. For a request that names its account (a client's pin, or a file that this account made) less is in the way.
   What uses no quota goes there by the same table.  Refusals that other accounts would have served keep no
   work away: a client that insists on the account gets its message.  What the owner of the account has
   limited stays limited.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Optional

from ..values import NamedTuple
from .quota.rules import Rules
from .state.account import Account, Block
from .state.decision import NEVER, Exclusion, RoutingRequest
from .user_rules.routes import Route

__all__ = [
    "ROUTE",
    "TRIED",
    "Eligible",
    "WhyNot",
    "costless_block",
    "exclusions",
    "find_eligible",
    "named_account_block",
]

ROUTE = "route"  # the rule that excludes an account which the request's route leaves out
TRIED = Block("tried", "already refused this request", NEVER)


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

    def block_here(account: Account) -> Optional[Block]:
        block = block_of(account)
        if block is None or request.uses_quota:
            return block
        return costless_block(account, block, request, now) or block

    def explain() -> WhyNot:
        closed = (account for account in blocked if account not in left)
        blocks = [(account, block) for account in closed if (block := block_here(account)) is not None]
        excluded = [Exclusion(account.key, block.rule, block.detail) for account, block in blocks]
        excluded.extend(Exclusion(a.key, *_paid_exclusion(a)) for a in usable if a not in left)
        paid = count_paid()
        soonest = min((block.until for a, block in blocks if paid or not a.spec.is_paid), default=NEVER)
        return WhyNot((*excluded, *other_tiers), soonest)

    left = free
    if not free:
        if not request.uses_quota:
            usable = _open_at_no_cost(accounts, request, block_of, now)
            left = [account for account in usable if not account.spec.is_paid]
        left = left or (usable if usable and count_paid() else [])
    best, other_tiers = _best_tier(left, not_full, request.route)
    return Eligible(best, explain)


def named_account_block(
    account: Account, block: Block, request: RoutingRequest, now: float
) -> Optional[Block]:
    """Return the block as it holds for a request that names this account; None: it may go there."""
    if not request.uses_quota:
        return costless_block(account, block, request, now)
    if block.rule == ROUTE:
        return block
    if block.rule == "refuses this" or account.is_benched_for_refusals(now):
        return account.owner_block(request.model, now)
    return block


def costless_block(account: Account, block: Block, request: RoutingRequest, now: float) -> Optional[Block]:
    """Return what keeps a request that uses no quota from an account with this block; None: nothing."""
    if block.rule == ROUTE:
        return block
    if account.key in request.tried:
        return TRIED
    return account.login_block(now)


def _open_at_no_cost(
    accounts: Collection[Account],
    request: RoutingRequest,
    block_of: Callable[[Account], Optional[Block]],
    now: float,
) -> list[Account]:
    return [
        account
        for account in accounts
        if (block := block_of(account)) is None or costless_block(account, block, request, now) is None
    ]


def _justifies_paid(
    account: Account, block: Optional[Block], model: Optional[str], rules: Rules, now: float
) -> bool:
    """Return whether neither a short wait nor a response brings the account back.

    That justifies spending a paid key at once.
    """
    is_lasting = block is not None and block.until == NEVER and block.rule != TRIED.rule
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
