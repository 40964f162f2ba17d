"""Limits that can't have the effect that they were written for: `maxUsage`, `reserve` and `maxSpend`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

from ....routing.quota.windows import API_KEY_AXES
from ....routing.user_rules.caps import NO_CAPS, Caps, Reserves
from ....routing.user_rules.week_hours import WEEK_MIN

if TYPE_CHECKING:
    from ..account_config import AccountConfig
    from ..config import Config

__all__ = ["usage_notes"]

_AXIS = re.compile(r"[0-9]{1,3}[mhdw](_\w+)?")


def usage_notes(config: Config) -> Iterator[str]:
    """Yield one line, with its path, on each limit that contradicts another or can never match."""
    if config.max_usage is not None:
        yield from _unknown_axes("maxUsage", config.max_usage, is_key=None)
        if config.max_usage.lowest <= 0:
            yield "maxUsage 0: accounts without a maxUsage of their own get no work"
    if 0 in (config.max_spend.day, config.max_spend.month):
        yield "maxSpend 0: nothing that is billed serves, API keys and extra usage"
    yield from _of_day_and_month("maxSpend", config.max_spend.day, config.max_spend.month)
    for number, account in enumerate(config.accounts):
        yield from _of_account(
            f"accounts[{number}]", account, config.max_usage or NO_CAPS, config.allow_extra_usage
        )


def _of_account(path: str, account: AccountConfig, general: Caps, extra_usage: bool) -> Iterator[str]:
    is_key = account.type == "apikey"
    if account.max_usage is not None:
        yield from _unknown_axes(f"{path}.maxUsage", account.max_usage, is_key)
        if account.max_usage.lowest <= 0:
            yield f'{path}.maxUsage 0: {account.name} gets no work, as with "disabled": true'
    yield from _of_spending(path, account, extra_usage)
    if account.reserve is None:
        return
    if is_key:
        yield f"{path}.reserve has no effect: an API key has no window that lasts until other hours"
        return
    yield from _of_reserves(f"{path}.reserve", account.reserve, account.max_usage or general)


def _of_spending(path: str, account: AccountConfig, extra_usage: bool) -> Iterator[str]:
    day, month = account.max_spend.day, account.max_spend.month
    own = account.allow_extra_usage
    is_billed = account.type == "apikey" or (extra_usage if own is None else own)
    if not is_billed and (day is not None or month is not None):
        yield f"{path}.maxSpend has no effect: a subscription without allowExtraUsage costs nothing"
    elif 0 in (day, month):
        yield f"{path}.maxSpend 0: nothing of {account.name} that is billed serves"
    yield from _of_day_and_month(f"{path}.maxSpend", day, month)


def _of_day_and_month(path: str, day: Optional[float], month: Optional[float]) -> Iterator[str]:
    if day is not None and month is not None and day > month:
        yield f"{path}.day has no effect: it is more than the ${month:g} of a month"


def _of_reserves(path: str, reserves: Reserves, caps: Caps) -> Iterator[str]:
    for reserve in reserves.items:
        yield from _unknown_axes(f'{path}["{reserve.hours.text}"]', reserve.parts, is_key=False)
        minutes = {(begin + n) % WEEK_MIN for begin, length in reserve.hours.ranges for n in range(length)}
        if not any(part for _, part in reserve.parts.by_axis) and reserve.parts.every in (0, NO_CAPS.every):
            yield f'{path}["{reserve.hours.text}"] has no effect: it keeps nothing'
        elif len(minutes) == WEEK_MIN:
            yield f'{path}["{reserve.hours.text}"] has no effect: these hours are the whole week'
    named = {axis for each in reserves.items for axis, _ in each.parts.by_axis}
    for axis in sorted(named | {"5h", "7d"}):
        kept, cap = reserves.kept(axis), min(1.0, caps.cap(axis))
        if kept and kept >= cap:
            yield f"{path} keeps {kept:.0%} of {axis}, and {cap:.0%} may be used: before these hours nothing"
            return


def _unknown_axes(path: str, caps: Caps, is_key: Optional[bool]) -> Iterator[str]:
    for axis, _ in caps.by_axis:
        of_key = axis in API_KEY_AXES
        if not of_key and not _AXIS.fullmatch(axis):
            yield f"{path}.{axis} has no effect: no window has this name, as 5h, 7d and 7d_opus have"
        elif is_key is not None and of_key != is_key:
            kind = "an API key" if is_key else "a subscription"
            yield f"{path}.{axis} has no effect: {kind} has no such window"
