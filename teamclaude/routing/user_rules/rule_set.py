"""The routes and the pins by project of one fleet, as configured and with the accounts that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from .project_pins import ProjectPins
from .routes import NamedAccount, RouteSpec, RouteTable

__all__ = ["RuleSet"]


class RuleSet:
    """What the fleet asks about each request.  Changed by the Fleet alone."""

    def __init__(self) -> None:
        self._specs: Sequence[RouteSpec] = ()
        self._accounts: Sequence[NamedAccount] = ()
        self.routes = RouteTable((), ())
        self.project_pins = ProjectPins()
        self.needs_facts = False  # a rule asks for `RoutingRequest.facts`

    def use(self, routes: Sequence[RouteSpec], pins: Mapping[str, str]) -> None:
        """Use these routes, and these pins: account names by normalized directory."""
        self._specs = routes
        self.project_pins.use(pins)
        self.configure(self._accounts)

    def configure(self, accounts: Iterable[NamedAccount]) -> None:
        """Apply the rules to these accounts."""
        self._accounts = tuple(accounts)
        self.routes = RouteTable(self._specs, self._accounts)
        self.project_pins.configure(self._accounts)
        self._update()

    def pin(self, project: str, account: Optional[str]) -> None:
        """Pin a directory to an account key while running; None removes such a pin.

        Raises KeyError for an account that is not configured.
        """
        if account is not None and all(known.key != account for known in self._accounts):
            raise KeyError(account)
        self.project_pins.pin(project, account)
        self._update()

    def restore_pins(self, pins: Mapping[str, str]) -> None:
        """Take back the pins that were set while running: account keys by directory."""
        self.project_pins.switched = dict(pins)
        self._update()

    def _update(self) -> None:
        self.needs_facts = bool(self.routes or self.project_pins)
