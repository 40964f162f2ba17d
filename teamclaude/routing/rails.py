"""What keeps new work away from accounts, the same under every policy: failures, and the user's rails.

1. A rail is a preference: where no account is within it, it is waived and nobody is refused.
2. An account whose last request failed gets no new work for a minute while another one has a free slot.  What
   fails uses nothing up, and every policy would be drawn to it.
3. `fiveHourSoftCeiling` comes next, then `maxSessionsPerAccount`.  A free slot counts for more than the
   second: an account without one is not preferred for having few sessions.
4. A request that has waited out `slotWaitSec` takes a free slot beyond the rails rather than wait on.
5. Rails are for requests that take a slot; the Choice applies them before a policy sees its pool.

The third rail, `fiveHourWarnCeiling`, limits requests in flight: `inflight_cap` in state/account.py.
"""

from __future__ import annotations

from collections.abc import Callable

from ..values import NamedTuple
from .quota.rules import NO_LIMIT, Rules
from .state.account import Account, is_within_5h_rail
from .state.decision import Exclusion

__all__ = ["RailedAccounts", "within_rails"]


class LeftOut(NamedTuple):
    """Accounts that a rail leaves out."""

    accounts: list[Account]
    rule: str
    describe: Callable[[Account], str]


class RailedAccounts(NamedTuple):
    """The accounts new work may choose from, those that are left out, and the rails that were waived."""

    accounts: list[Account]
    left_out: tuple[LeftOut, ...] = ()
    waived: tuple[str, ...] = ()

    @property
    def excluded(self) -> list[Exclusion]:
        """Why accounts are left out; asked for in the same instant."""
        return [Exclusion(a.key, out.rule, out.describe(a)) for out in self.left_out for a in out.accounts]


def within_rails(
    able: list[Account],
    rules: Rules,
    now: float,
    has_slot: Callable[[Account], bool],
    waited_out: bool = False,
) -> RailedAccounts:
    """Narrow `able`; it is returned itself where no rail applies."""
    found, ceiling, most = RailedAccounts(able), rules.soft_ceiling, rules.most_sessions
    if not waited_out:  # nearly always nobody is near a rail: one look at each account in place of three
        clear = [
            a for a in able if a.suspect_until <= now and a.windows.peak < ceiling and len(a.warm) < most
        ]
        if len(clear) == len(able):
            return found
    trusted = [a for a in able if a.suspect_until <= now]
    if len(trusted) < len(able) and any(map(has_slot, trusted)):
        found = _narrow(found, trusted, "suspected", lambda a: "its last request failed")
    if waited_out:
        free = [a for a in found.accounts if has_slot(a)]
        if free:
            found = _narrow(found, free, "no slot", lambda a: f"{a.inflight} in flight")
    if ceiling < NO_LIMIT:
        below = [a for a in found.accounts if a.windows.peak < ceiling or is_within_5h_rail(a, rules, now)]
        found = _narrow(found, below, "5h rail", lambda a: f"5h at {a.utilization('5h', now) or 0.0:.0%}")
    if most < NO_LIMIT:
        fewer = [a for a in found.accounts if a.warm.count(now) < most]
        if len(fewer) < len(found.accounts):
            if not any(map(has_slot, fewer)) and any(map(has_slot, found.accounts)):
                fewer = []
            found = _narrow(found, fewer, "max sessions", lambda a: f"{a.warm.count(now)} warm")
    return found


def _narrow(
    before: RailedAccounts, kept: list[Account], rule: str, detail: Callable[[Account], str]
) -> RailedAccounts:
    if not kept:
        return before._replace(waived=(*before.waived, rule))
    if len(kept) == len(before.accounts):
        return before
    out = LeftOut([a for a in before.accounts if a not in kept], rule, detail)
    return RailedAccounts(kept, (*before.left_out, out), before.waived)
