"""What a run changes of the defaults: values of the policy `price`, and rules for accounts.

A variant is the policy with other values than its own: what each of them is worth shows in the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...routing.policies.base import Policy
from ...routing.policies.price import DEFAULT_TUNING, PricePolicy
from ...routing.user_rules.caps import Caps, Reserve, Reserves
from ...routing.user_rules.week_hours import Calendar
from ...values import NamedTuple
from ..run import LAB_POLICIES, AccountRules
from ..workload import lab_calendar

__all__ = [
    "AccountCap",
    "AccountReserve",
    "Variant",
    "caps_of",
    "known_values",
    "rules_of",
]


class Variant(NamedTuple):
    """A policy by its name, perhaps with other values of Tuning."""

    policy: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """Its name in the table: `price gate_sec=0`."""
        return " ".join([self.policy, *(f"{name}={_text(value)}" for name, value in self.values)])

    def make(self) -> Policy:
        """Return a new policy; only `price` has values to change."""
        if self.values:
            return PricePolicy(DEFAULT_TUNING._replace(**dict(self.values)))
        return LAB_POLICIES[self.policy]()


class AccountCap(NamedTuple):
    """A cap of one account's windows (0-1): of one axis, or of all ("")."""

    account: str
    axis: str
    fraction: float


class AccountReserve(NamedTuple):
    """What is kept of one account for some hours."""

    account: str
    reserve: Reserve


def rules_of(
    caps: Sequence[AccountCap], reserves: Sequence[AccountReserve], calendar: Calendar = lab_calendar
) -> dict[str, AccountRules]:
    """Return the rules by account; hours are those of `calendar`."""
    found = {account: AccountRules(each) for account, each in caps_of(caps).items()}
    for account, reserve in reserves:
        known = found.get(account, AccountRules())
        items = (*known.reserves.items, reserve)
        found[account] = known._replace(reserves=Reserves(items, calendar))
    return found


def caps_of(caps: Sequence[AccountCap]) -> Mapping[str, Caps]:
    """Return the caps by account; of two for the same windows the later one counts."""
    found: dict[str, Caps] = {}
    for cap in caps:
        known = found.get(cap.account, Caps())
        if cap.axis:
            others = [each for each in known.by_axis if each[0] != cap.axis]
            known = known._replace(by_axis=tuple(sorted([*others, (cap.axis, cap.fraction)])))
        else:
            known = known._replace(every=cap.fraction)
        found[cap.account] = known
    return found


def known_values() -> Mapping[str, Any]:
    """Return the values of `price` that a variant may change, with their defaults."""
    return DEFAULT_TUNING._asdict()


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
