"""Pins by project: the account of all work in a directory and below it.

1. The nearest directory above the project that has a pin counts.
2. For the same directory a pin that was set while running counts before one of the configuration.
3. A pin gives way while its account can't serve, as every pin of an operator does; a route does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from .patterns import normalized_path, parents_of
from .routes import NamedAccount, accounts_named

__all__ = ["ProjectPins"]


class ProjectPins:
    """Account keys by normalized directory.  Changed by the Fleet alone."""

    def __init__(self) -> None:
        self._names: Mapping[str, str] = {}  # of the configuration: an account's name by directory
        self._configured: dict[str, str] = {}
        self.switched: dict[str, str] = {}  # by an operator, while running

    def __bool__(self) -> bool:
        return bool(self._configured or self.switched)

    def use(self, names: Mapping[str, str]) -> None:
        """Take over the pins of the configuration: account names by normalized directory."""
        self._names = names

    def configure(self, accounts: Iterable[NamedAccount]) -> None:
        """Find the accounts of the configured pins; drop pins to accounts that are gone."""
        known = list(accounts)
        found = {place: accounts_named(name, known) for place, name in self._names.items()}
        self._configured = {place: those[0].key for place, those in found.items() if len(those) == 1}
        keys = {account.key for account in known}
        self.switched = {place: key for place, key in self.switched.items() if key in keys}

    def rename_account(self, old: str, new: str) -> None:
        """Keep the pins of an account whose key has changed."""
        self.switched = {place: new if key == old else key for place, key in self.switched.items()}

    def pin(self, project: str, account: Optional[str]) -> None:
        """Pin a directory to an account key; None removes what `pin` has set."""
        place = normalized_path(project)
        if account is None:
            self.switched.pop(place, None)
        else:
            self.switched[place] = account

    def find(self, project: str) -> Optional[str]:
        """Return the account key of a normalized directory, or None."""
        place = self.place(project)
        return (self.switched.get(place) or self._configured.get(place)) if place else None

    def place(self, project: str) -> str:
        """Return the nearest pinned directory of a normalized one and those above it; empty: none is."""
        for place in parents_of(project) if self else ():
            if place in self.switched or place in self._configured:
                return place
        return ""

    def rows(self) -> list[tuple[str, str, bool]]:
        """Return each pinned directory, its account key, and whether the configuration says so."""
        configured = [(p, key, True) for p, key in self._configured.items() if p not in self.switched]
        return [*configured, *((place, key, False) for place, key in self.switched.items())]
