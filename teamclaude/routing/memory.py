"""Routing state as plain JSON data and back: what a restart must not lose.

Older files and unknown fields load; an account's data is found by identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .account import Account
from .binding import Binding
from .burn import Burn
from .caps import CapEstimate
from .fleet import Fleet
from .usage import Usage
from .windows import Window

__all__ = ["STATE_VERSION", "dump", "restore"]

STATE_VERSION = 1


def dump(fleet: Fleet, now: float) -> dict[str, Any]:
    """Everything a restart needs."""
    return {
        "version": STATE_VERSION,
        "savedAt": now,
        "accounts": {key: _dump_account(account) for key, account in fleet.accounts.items()},
        "bindings": [binding.stored() for binding in fleet.bindings.values()],
        "pins": [[session, key] for session, key in fleet.pins.items()],
        "lastAccount": fleet.last_account,
        "keyless": fleet.keyless,
        "ledger": fleet.ledger.stored(),
    }


def restore(fleet: Fleet, data: Mapping[str, Any], now: float) -> list[str]:
    """Put saved state back into a configured fleet; returns what could not be read, in words."""
    lost: list[str] = []
    for key, saved in _mapping(data.get("accounts")).items():
        account = fleet.accounts.get(key)
        if account is not None:
            _attempt(lost, f"account {account.name}", _restore_account, account, saved)
    for saved in _list(data.get("bindings")):
        _attempt(lost, "a conversation", _restore_binding, fleet, saved, now)
    _attempt(lost, "the usage ledger", fleet.ledger.restore, _list(data.get("ledger")))
    for pin in _list(data.get("pins")):
        if isinstance(pin, list) and len(pin) == 2 and pin[1] in fleet.accounts:
            fleet.pins[pin[0]] = pin[1]
    fleet.last_account = data.get("lastAccount")
    fleet.keyless = data.get("keyless")
    return lost


def _attempt(lost: list[str], what: str, action: Any, *args: Any) -> None:
    try:
        action(*args)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        lost.append(f"{what}: {error}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dump_account(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "windows": {axis: list(window) for axis, window in account.windows.stored().items()},
        "scopes": {axis: sorted(f) for axis, f in account.windows.learned_scopes.items()},
        "unifiedStatus": account.unified_status,
        "benchBegan": account.bench_began,
        "benchUntil": account.bench_until,
        "benchReason": account.bench_reason,
        "authFailed": account.auth_failed,
        "streak": account.streak,
        "proven": account.proven,
        "lastPicked": account.last_picked,
        "usage": list(account.usage),
        "requests": account.requests,
        "cost": account.cost,
        "unpricedTokens": account.unpriced_tokens,
        "burn": account.burn.stored(),
        "cap5h": account.cap_5h.stored(),
        "cap7d": account.cap_7d.stored(),
    }


def _restore_account(account: Account, saved: Mapping[str, Any]) -> None:
    windows = account.windows
    # now=0: a window whose reset has passed meanwhile expires by itself when it is read.
    windows.update({axis: Window(*fields) for axis, fields in _mapping(saved.get("windows")).items()}, 0.0)
    windows.learned_scopes = {axis: set(f) for axis, f in _mapping(saved.get("scopes")).items()}
    account.unified_status = saved.get("unifiedStatus")
    account.bench_began = float(saved.get("benchBegan", 0.0))
    account.bench_until = float(saved.get("benchUntil", 0.0))
    account.bench_reason = str(saved.get("benchReason", ""))
    account.auth_failed = str(saved.get("authFailed", ""))
    account.streak = int(saved.get("streak", 0))
    account.proven = bool(saved.get("proven", False))
    account.last_picked = float(saved.get("lastPicked", 0.0))
    account.usage = Usage(*saved.get("usage", ()))
    account.requests = int(saved.get("requests", 0))
    account.cost = float(saved.get("cost", 0.0))
    account.unpriced_tokens = int(saved.get("unpricedTokens", 0))
    account.burn = Burn((int(i), int(n)) for i, n in saved.get("burn", ()))
    account.cap_5h = CapEstimate.restored(_mapping(saved.get("cap5h")))
    account.cap_7d = CapEstimate.restored(_mapping(saved.get("cap7d")))


def _restore_binding(fleet: Fleet, saved: Mapping[str, Any], now: float) -> None:
    binding = Binding.restored(saved)
    if binding.evict_at(fleet.rules) <= now:
        return
    fleet.adopt(binding)
