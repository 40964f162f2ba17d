"""What the parts of a server have observed, as one object: for the state file, and for a successor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..brief import brief_lines
from ..routing.persistence import adopt_changes, restore_state
from ..routing.state_merge import CLIENTS, LateChanges
from .reporting.forecaster import ForecastObserver
from .runtime import Runtime

__all__ = ["ObservedState"]

FORECAST = "forecast"  # what forecasts have learned


class ObservedState:
    """Of one server; `warn` gets a line on what can't be taken over."""

    def __init__(self, runtime: Runtime, forecasting: ForecastObserver, warn: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._forecasting = forecasting
        self._warn = warn

    def collect(self) -> dict[str, Any]:
        """Return all of it."""
        runtime = self._runtime
        state = runtime.live_history.with_old_ledger(runtime.router.dump())
        return {**state, FORECAST: self._forecasting.saved, CLIENTS: runtime.clients.dump()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what is known, before the start."""
        runtime = self._runtime
        runtime.live_history.adopt(state)
        self._forecasting.saved = state.get(FORECAST)
        lost = runtime.router.change(lambda fleet, now: restore_state(fleet, state, now))
        lost += runtime.clients.restore(state.get(CLIENTS))
        for line in brief_lines(lost, _part_of):
            self._warn(f"not restored from the state file: {line}")
        # Credentials may have changed since the state was saved: a refused login is tried again.
        runtime.router.credentials_changed([account.key for account in runtime.context.config.accounts])

    def adopt(self, changes: LateChanges) -> None:
        """Add what an earlier server learned after its state was given away."""
        try:
            self._runtime.router.change(lambda fleet, now: adopt_changes(fleet, changes, now))
            clients = (part.get(CLIENTS) for part in changes)
            self._runtime.clients.add_late(*clients)
        except Exception as error:  # of another version
            self._warn(f"what the process before learned late is not counted ({type(error).__name__})")


def _part_of(lost: str) -> str:
    """Return the part of the state that a line is about; there may be thousands of one."""
    return lost.removeprefix("saved state: ").partition(":")[0].partition("[")[0]
