"""Accounts of which the configuration knows more than before: their state goes on under the new key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .state.account_spec import AccountSpec

if TYPE_CHECKING:
    from .fleet import Fleet

__all__ = ["adopt_known"]


def adopt_known(fleet: Fleet, wanted: Mapping[str, AccountSpec]) -> None:
    """Keep the state of an account of which more is known now (its uuid, its organisation).

    `wanted` are the new accounts by key.
    """
    unknown = [spec for key, spec in wanted.items() if key not in fleet.accounts]
    for key, account in list(fleet.accounts.items()):
        heirs = [s for s in unknown if s.kind == account.spec.kind and s.was_known_as(key, account.name)]
        if key not in wanted and len(heirs) == 1:
            _rename(fleet, key, heirs[0])


def _rename(fleet: Fleet, old: str, spec: AccountSpec) -> None:
    account = fleet.accounts[spec.key] = fleet.accounts.pop(old)
    account.configure(spec)
    for binding in fleet.bindings.values():
        if binding.account == old:
            binding.account = spec.key
    fleet.pins = {session: spec.key if key == old else key for session, key in fleet.pins.items()}
    fleet.last_account = spec.key if fleet.last_account == old else fleet.last_account
    fleet.user_rules.project_pins.rename_account(old, spec.key)
    fleet.prefix_caches.rename_account(old, spec.key)
    fleet.owners.rename_account(old, spec.key)
