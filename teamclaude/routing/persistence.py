"""Routing state as plain JSON data and back: what a restart must not lose.

Older files and unknown fields load.  What cannot be read is reported, and everything else is kept.  An
account's data is found by identity, also when the configuration has learned more of it since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Callable, TypeVar

from .apply_response import PROBE_SEC
from .fleet import Fleet
from .quota.learned_caps import BUCKET_SEC, FOREIGN_RISE_5H, FOREIGN_RISE_7D, Burn, LearnedCap, ScopedCap
from .quota.lenient_json import (
    LenientObject,
    as_amount,
    as_count,
    as_flag,
    as_fraction,
    as_number,
    as_text,
    as_usage,
)
from .quota.usage import NO_USAGE
from .quota.windows import MAX_WINDOW_SEC, Window, latest_time
from .state.account import Account, ScopedRefusal
from .state.conversations import Binding
from .state_merge import LateChanges, merge_states

__all__ = ["STATE_VERSION", "LazyRows", "adopt_changes", "dump_state", "reset_saved_benches", "restore_state"]

T = TypeVar("T")

STATE_VERSION = 1
_NOTHING: Mapping[str, int] = {}


class LazyRows:
    """Rows of a state, each built when it is reached; `parts` are shared with nothing that changes.

    There may be thousands, and `dump_state` holds the lock that every request needs.
    """

    def __init__(self, parts: Sequence[T], row: Callable[[T], dict[str, Any]]) -> None:
        self._make = partial(map, row, parts)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._make()


def dump_state(fleet: Fleet, now: float) -> dict[str, Any]:
    """Return everything a restart needs, shared with nothing that changes: JSON data but for the LazyRows."""
    bindings = [binding.copy_fields() for binding in fleet.bindings.values()]
    return {
        "version": STATE_VERSION,
        "savedAt": now,
        "accounts": {key: _dump_account(account, now) for key, account in fleet.accounts.items()},
        "bindings": LazyRows(bindings, lambda values: Binding.to_json(values, now)),
        "pins": [{"session": session, "account": key} for session, key in fleet.pins.items()],
        "projectPins": _project_pins(fleet),
        "lastAccount": fleet.last_account,
        "spentByRemoved": dict(fleet.spending.removed),
        "prefixes": fleet.prefix_caches.to_json(),
        "owners": fleet.owners.to_json(),
        "places": fleet.gate_queue.places.to_json(now),
        "learned": {fleet.policy.name: fleet.policy.to_json()},
    }


def restore_state(fleet: Fleet, data: Mapping[str, Any], now: float) -> list[str]:
    """Put saved state back into a configured fleet; return messages about what could not be read."""
    lost: list[str] = []
    saved = LenientObject(data, "saved state", lost, latest_time(now))
    accounts = {key: saved.inner("accounts").inner(key) for key in saved.inner("accounts").names()}
    keys = _current_keys(fleet, accounts)
    for old, key in keys.items():
        _restore_account(fleet.accounts[key], accounts[old], now)
    for row in saved.rows("bindings"):
        _restore_binding(fleet, row, keys, now)
    for row in saved.rows("pins"):
        key = keys.get(row.get("account", as_text, ""), "")
        if key:
            fleet.pins[row.find("session", as_text)] = key
    fleet.spending.removed = _spent(saved.inner("spentByRemoved"))
    fleet.spending.update(fleet.all_accounts, now)
    _restore_project_pins(fleet, saved, keys)
    fleet.last_account = keys.get(saved.get("lastAccount", as_text, ""))
    fleet.prefix_caches.restore(saved.rows("prefixes"), keys)
    fleet.owners.restore(saved.rows("owners"), keys)
    fleet.gate_queue.places.restore(saved.rows("places"))
    fleet.policy.restore(saved.inner("learned").inner(fleet.policy.name), keys)
    fleet.clock_moved_back(now)
    return lost


def adopt_changes(fleet: Fleet, changes: LateChanges, now: float) -> list[str]:
    """Merge what another server has learned into a fleet that serves; return what could not be read.

    Accounts and conversations that run here keep their requests in flight.  Raises what wrong data raises.
    """
    accounts = {key: fleet.accounts[key] for key in changes.late.get("accounts", {}) if key in fleet.accounts}
    named = [row.get("conversation") for row in changes.late.get("bindings", ())]
    here = [fleet.bindings[name].copy_fields() for name in named if name in fleet.bindings]
    mine: dict[str, Any] = {
        "accounts": {key: _dump_account(account, now) for key, account in accounts.items()},
        "bindings": [Binding.to_json(values, now) for values in here],
        "pins": [{"session": session, "account": key} for session, key in fleet.pins.items()],
        "projectPins": _project_pins(fleet),
    }
    for name, id, rows in (
        ("prefixes", "digest", fleet.prefix_caches.to_json),
        ("owners", "id", fleet.owners.to_json),
    ):
        told = {row.get(id) for row in changes.late.get(name, ())}
        mine[name] = [row for row in rows() if row[id] in told] if told else []
    mine = json.loads(json.dumps(mine, default=list))  # equal to what came as JSON, where it is equal
    lost: list[str] = []
    late = merge_states(changes.base, mine, changes.late)
    merged = LenientObject(late, "late state", lost, latest_time(now))
    keys = {key: key for key in fleet.accounts}
    for key, account in accounts.items():
        bench, probe_at = account.bench_until, account.probe_at
        _restore_account(account, merged.inner("accounts").inner(key), now)
        if account.bench_until == bench:  # else it is probed as after a restart
            account.probe_at = probe_at
        account.last_reading = None
    fleet.spending.update(fleet.all_accounts, now)
    inflight = {values["conversation"]: values["inflight"] for values in here}
    for row in merged.rows("bindings"):
        _restore_binding(fleet, row, keys, now, inflight)
    pins = {row.find("session", as_text): row.get("account", as_text, "") for row in merged.rows("pins")}
    fleet.pins = {session: key for session, key in pins.items() if key in fleet.accounts}
    _restore_project_pins(fleet, merged, keys)
    fleet.prefix_caches.restore(merged.rows("prefixes"), keys)
    fleet.owners.restore(merged.rows("owners"), keys)
    fleet.clock_moved_back(now)
    return lost


def _project_pins(fleet: Fleet) -> list[dict[str, str]]:
    pins = fleet.user_rules.project_pins.switched
    return [{"project": project, "account": key} for project, key in pins.items()]


def _restore_project_pins(fleet: Fleet, saved: LenientObject, keys: Mapping[str, str]) -> None:
    """Take back the pins by project that were set while running; those of the configuration stay."""
    found = {
        row.get("project", as_text, ""): keys.get(row.get("account", as_text, ""), "")
        for row in saved.rows("projectPins")
    }
    fleet.user_rules.restore_pins({project: key for project, key in found.items() if project and key})


def reset_saved_benches(data: Mapping[str, Any], key: str, full: float) -> bool:
    """Reset the benches of an account in saved state, while no proxy runs.

    As `apply_response.reset_benches`; return False where the account is not there.
    """
    accounts = data.get("accounts")
    saved = accounts.get(key) if isinstance(accounts, dict) else None
    if not isinstance(saved, dict):
        return False
    for name in ("scoped", "sidelined", "benchUntil", "benchReason", "authFailed", "streak"):
        saved.pop(name, None)
    windows = LenientObject(saved, "", []).inner("windows")
    kept = {axis: windows.find(axis, lambda value: _as_window(value, windows)) for axis in windows.names()}
    saved["windows"] = {
        axis: list(window)
        for axis, window in kept.items()
        if window is not None and not window.rejected and (window.utilization or 0.0) < full
    }
    return True


def _current_keys(fleet: Fleet, accounts: Mapping[str, LenientObject]) -> dict[str, str]:
    """Map saved account keys to the keys that the same accounts have now; leave out those that are gone."""
    keys = {}
    new = [account.spec for key, account in fleet.accounts.items() if key not in accounts]
    for old, saved in accounts.items():
        name, kind = saved.get("name", as_text, ""), saved.find("kind", as_text)
        known = fleet.accounts.get(old)
        specs = [known.spec] if known is not None else [spec for spec in new if spec.was_known_as(old, name)]
        if len(specs) == 1 and kind in (None, specs[0].kind):
            keys[old] = specs[0].key
    return keys


def _dump_account(account: Account, now: float) -> dict[str, Any]:
    return {
        "name": account.name,
        "kind": account.spec.kind,
        "windows": {axis: list(window) for axis, window in account.windows.live(now)},
        "resets": dict(account.windows.resets),
        "scopes": {axis: sorted(f) for axis, f in account.windows.learned_scopes.items()},
        "scoped": [[*scope, *refusal] for scope, refusal in account.scoped_refusals.items()],
        "sidelined": account.refusals_in_row,
        "extraUsage": account.extra_usage,
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
        "costEstimated": account.cost_estimated,
        "spent": dict(account.spent),
        "burn": account.burn.to_json(),
        "cap5h": account.cap_5h.to_json(),
        "cap7d": account.cap_7d.to_json(),
        "scopedCaps": {axis: cap.to_json() for axis, cap in account.scoped_caps.items()},
    }


def _restore_account(account: Account, saved: LenientObject, now: float) -> None:
    _restore_windows(account, saved, now)
    account.unified_status = saved.find("unifiedStatus", as_text)
    account.bench_began = saved.find("benchBegan", saved.as_time)
    # Ends at once or after a week, whatever is saved: only the length of a bench is in doubt.
    account.bench_until = min(max(0.0, saved.get("benchUntil", as_number, 0.0)), now + MAX_WINDOW_SEC)
    # A long bench is probed with the first request after a restart, and once an hour then.
    account.probe_at = now if account.bench_until > now + PROBE_SEC else 0.0
    account.refusals_in_row = saved.get("sidelined", as_count, 0)
    account.extra_usage = saved.get("extraUsage", as_flag, False)
    account.scoped_refusals = dict(saved.each("scoped", lambda value: _as_scoped(value, saved)))
    account.bench_reason = saved.get("benchReason", as_text, "")
    account.auth_failed = saved.get("authFailed", as_text, "")
    account.streak = saved.get("streak", as_count, 0)
    account.proven = saved.get("proven", as_flag, False)
    account.last_picked = saved.get("lastPicked", saved.as_time, 0.0)
    account.usage = saved.get("usage", as_usage, NO_USAGE)
    account.requests = saved.get("requests", as_count, 0)
    account.cost = saved.get("cost", as_amount, 0.0)
    account.unpriced_tokens = saved.get("unpricedTokens", as_count, 0)
    account.cost_estimated = saved.get("costEstimated", as_flag, False)
    account.spent = _spent(saved.inner("spent"))
    account.burn = Burn(saved.each("burn", lambda value: _as_bucket(value, saved)))
    account.cap_5h = LearnedCap.from_json(saved.inner("cap5h"), FOREIGN_RISE_5H)
    account.cap_7d = LearnedCap.from_json(saved.inner("cap7d"), FOREIGN_RISE_7D)
    caps = saved.inner("scopedCaps")
    account.scoped_caps = {a: ScopedCap.from_json(caps.inner(a), FOREIGN_RISE_5H) for a in caps.names()}


def _spent(saved: LenientObject) -> dict[str, float]:
    """Return dollars by the name of the period."""
    return {name: saved.get(name, as_amount, 0.0) for name in saved.names()}


def _restore_windows(account: Account, saved: LenientObject, now: float) -> None:
    windows, scopes = saved.inner("windows"), saved.inner("scopes")
    for axis in windows.names():
        window = windows.find(axis, lambda value: _as_window(value, windows))
        if window is not None:
            account.windows.update({axis: window}, now)
    resets = saved.inner("resets")
    for axis in resets.names():
        reset = resets.find(axis, resets.as_time)
        if reset is not None:
            account.windows.resets[axis] = reset
    for axis in scopes.names():
        account.windows.learned_scopes[axis] = set(scopes.each(axis, as_text))


def _restore_binding(
    fleet: Fleet,
    saved: LenientObject,
    keys: Mapping[str, str],
    now: float,
    inflight: Mapping[str, int] = _NOTHING,
) -> None:
    binding = Binding.from_json(saved)
    if not binding.conversation:
        saved.report_lost("no conversation")
        return
    binding.account = keys.get(binding.account, binding.account)
    binding.inflight = inflight.get(binding.conversation, 0)
    if not binding.is_evicted(fleet.rules, now):
        fleet.restore_binding(binding)


def _as_window(value: Any, saved: LenientObject) -> Window:
    try:
        used, resets_at, status, seen_at = value
    except TypeError:
        raise ValueError("not a window") from None
    return Window(
        utilization=None if used is None else as_fraction(used),
        resets_at=None if resets_at is None else _as_reset(resets_at, saved),
        status=None if status is None else as_text(status),
        seen_at=saved.as_time(seen_at),
    )


def _as_reset(value: Any, saved: LenientObject) -> float:
    try:
        return saved.as_time(value)
    except ValueError as error:
        raise ValueError(f"resets {error}") from None


def _as_scoped(value: Any, saved: LenientObject) -> tuple[tuple[str, str], ScopedRefusal]:
    try:
        model, betas, until, message, began, times = value
    except TypeError:
        raise ValueError("not a refusal") from None
    scope = (as_text(model), as_text(betas))
    began, until = saved.as_time(began), saved.as_time(until)
    return scope, ScopedRefusal(until, as_text(message), began, as_count(times))


def _as_bucket(value: Any, saved: LenientObject) -> tuple[int, int]:
    try:
        index, tokens = value
    except TypeError:
        raise ValueError("not a bucket") from None
    saved.as_time(as_count(index) * BUCKET_SEC)
    return as_count(index), as_count(tokens)
