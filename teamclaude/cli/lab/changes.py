"""Parse what the lab's options change of a run: `--cap`, `--reserve`, `--tuning` and `--without`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import ConfigError, UsageError
from ...lab.study.changes import AccountCap, AccountReserve, Variant, known_values
from ...lab.study.worlds import World
from ...routing.user_rules.caps import Reserves
from ..terminal import did_you_mean

__all__ = [
    "check_accounts",
    "check_caps",
    "parse_cap",
    "parse_reserve",
    "parse_values",
    "parse_without",
    "variants_of",
]

SWITCHES = {"on": True, "true": True, "off": False, "false": False}


def parse_cap(text: str) -> AccountCap:
    """Parse `alice=0.6` or, of one window, `alice:5h=0.8`."""
    name, equals, value = text.rpartition("=")
    account, _, axis = name.partition(":")
    if not equals or not account:
        raise argparse.ArgumentTypeError(f'"{text}" is no cap: alice=0.6, or alice:5h=0.8')
    try:
        fraction = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}": "{value}" is not a number') from None
    if 1.0 < fraction <= 100.0:
        raise argparse.ArgumentTypeError(f'"{text}": a fraction 0-1, got {value}: write {fraction / 100:g}')
    if not 0.0 <= fraction <= 1.0:
        raise argparse.ArgumentTypeError(f'"{text}": a fraction 0-1, got {value}')
    return AccountCap(account, axis, fraction)


def parse_reserve(text: str) -> AccountReserve:
    """Parse `alice=Mon-Fri 9-17:0.3`."""
    account, equals, rest = text.partition("=")
    hours, _, value = rest.rpartition(":")
    if not equals or not account or not hours:
        raise argparse.ArgumentTypeError(f'"{text}" is no reserve: alice="Mon-Fri 9-17:0.3"')
    try:
        fraction = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}": "{value}" is not a number') from None
    try:
        (reserve,) = Reserves.from_json({hours: fraction}, account).items
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return AccountReserve(account, reserve)


def parse_without(name: str) -> tuple[tuple[str, Any], ...]:
    """Parse a value that is to be switched off: a number becomes 0."""
    known = known_values()
    switched = isinstance(known.get(name), bool)
    return parse_values(f"{name}={'off' if switched else '0'}")


def parse_values(text: str) -> tuple[tuple[str, Any], ...]:
    """Parse values of the policy price, `gate_sec=0,own_time=off`."""
    return tuple(_value(part.strip()) for part in text.split(","))


def _value(text: str) -> tuple[str, Any]:
    name, equals, word = text.partition("=")
    known = known_values()
    if not equals or name not in known:
        near = did_you_mean(name, list(known)) or f" (known: {', '.join(known)})"
        raise argparse.ArgumentTypeError(f'price has no value "{name}"{near}: write NAME=VALUE')
    if isinstance(known[name], bool):
        if word not in SWITCHES:
            raise argparse.ArgumentTypeError(f'"{text}": on or off')
        return name, SWITCHES[word]
    try:
        return name, type(known[name] or 0.0)(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}": "{word}" is not a number') from None


def variants_of(names: Sequence[str], values: Sequence[tuple[tuple[str, Any], ...]]) -> list[Variant]:
    """Return the policies to play; `price` once as it is and once with each of the `values`."""
    if values and "price" not in names:
        raise UsageError("--tuning changes the policy price: name it after --policy")
    variants = []
    for name in names:
        variants.append(Variant(name))
        if name == "price":
            variants += [Variant(name, each) for each in dict.fromkeys(values)]
    return variants


def check_caps(caps: Sequence[AccountCap], axes: Iterable[str]) -> None:
    """Raise UsageError for a cap of a window that no account has, and for a second one of the same window."""
    known, seen = sorted(set(axes)), set()
    for account, axis, _ in caps:
        if axis and axis not in known:
            raise UsageError(
                f'--cap {account}:{axis}: no window "{axis}", the accounts have {", ".join(known)}'
            )
        if (account, axis) in seen:
            raise UsageError(f"--cap: {account}{axis and ':'}{axis} is capped twice")
        seen.add((account, axis))


def check_accounts(names: Iterable[str], worlds: Sequence[World]) -> None:
    """Raise UsageError for a rule of an account that a world does not have."""
    names = list(names)
    for world in worlds:
        accounts = [f"acct{number}" for number in range(1, len(world.settings.sizes) + 1)]
        for name in names:
            if name not in accounts:
                where = f"the world {world.name}" if world.name else "it"
                known = f"{accounts[0]} to {accounts[-1]}" if len(accounts) > 1 else accounts[0]
                raise UsageError(f'no account "{name}", {where} has {known}')
