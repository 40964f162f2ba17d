"""How much more work several servers can take together, by the rules of routing.pool.capacity.  Pure.

1. Red if and only if no account of any server would serve a request now.
2. Yellow where an account of any server makes it so, or the room of all together is 1 or less; the small room
   of one server does not.  A server that gives no answer makes it yellow, too: its accounts are missing.
3. What only one server knows of itself is not added up: whether the pool lasts is what they agree on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from ...outlook_views import LastingView
from ...routing.quota.rules import Rules
from ...snapshot import AccountCapacity, CapacityView, LastResort
from ...values import NamedTuple
from .sums import known_ones, known_sum

__all__ = ["Part", "labelled_capacity", "shared_names", "union_lasting", "union_of"]


class Part(NamedTuple):
    """One server's answer; None: `error` says why there is none."""

    label: str
    capacity: Optional[CapacityView]
    error: str = ""


def union_of(parts: Sequence[Part]) -> CapacityView:
    """Return the capacity of all servers; names of accounts are as the servers say them."""
    known = [part.capacity for part in parts if part.capacity is not None]
    headroom = sum(each.headroom or 0 for each in known)
    paid = [account for each in known if each.last_resort for account in each.last_resort.accounts]
    waits = [each.soonest_reset_sec for each in known if each.soonest_reset_sec]
    return CapacityView(
        verdict=_verdict(known, headroom, len(known) < len(parts)),
        headroom=headroom,
        live_accounts=known_sum(each.live_accounts for each in known),
        benched=known_sum(each.benched for each in known),
        total=known_sum(each.total for each in known),
        warm_sessions=known_sum(each.warm_sessions for each in known),
        soonest_reset_sec=min(waits, default=0.0),
        accounts=tuple(account for each in known for account in each.accounts),
        last_resort=LastResort(tuple(paid)) if paid else None,
        at=max((each.at for each in known), default=""),
        held=known_sum(each.held for each in known),
        held_sec=max(known_ones(each.held_sec for each in known), default=None),
    )


def labelled_capacity(label: str, capacity: CapacityView) -> CapacityView:
    """Return the capacity with the label before each account's name."""

    def named(accounts: Iterable[AccountCapacity]) -> tuple[AccountCapacity, ...]:
        from ...values import replace

        return tuple(replace(account, name=f"{label}/{account.name}") for account in accounts)

    from ...values import replace

    paid = capacity.last_resort
    return replace(
        capacity,
        accounts=named(capacity.accounts),
        last_resort=None if paid is None else LastResort(named(paid.accounts)),
    )


def shared_names(parts: Sequence[Part]) -> list[str]:
    """Return the names of accounts that several servers have: one login counts once for each of them."""
    seen: dict[str, int] = {}
    for part in parts:
        for name in {account.name for account in (part.capacity.accounts if part.capacity else ())}:
            seen[name] = seen.get(name, 0) + 1
    return sorted(name for name, count in seen.items() if count > 1)


def union_lasting(answers: Sequence[Optional[LastingView]], seconds: float) -> LastingView:
    """Return what the servers agree on: `yes` or `no` if each says so, `maybe` if they differ.

    `unknown` where one can't tell or gives no answer.  The chance of all together is not known: work of a
    server that is used up may or may not move to another.
    """
    said = {answer.answer if answer is not None else "unknown" for answer in answers}
    unknown = not said or bool({"unknown", ""} & said)
    agreed = "unknown" if unknown else said.pop() if len(said) == 1 else "maybe"
    return LastingView(seconds, agreed)


def _verdict(known: Sequence[CapacityView], headroom: int, incomplete: bool) -> str:
    rows = [account for each in known for account in each.accounts]
    live = [account for account in rows if account.live]
    if not live:
        return "red"
    warn = Rules().five_hour_warn_ceiling
    tight = any(
        account.benched or account.streak >= 2 or (account.utilization_5h or 0.0) >= warn
        for account in rows
        if account.status != "disabled"
    )
    # A server that is yellow with room of its own has a reason that its rows need not show.
    tight = tight or any(each.verdict == "yellow" and (each.headroom or 0) > 1 for each in known)
    tight = tight or headroom <= 1 or all(account.near_cap for account in live)
    return "yellow" if tight or incomplete else "green"
