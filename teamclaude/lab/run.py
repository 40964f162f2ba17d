"""Run one policy in one scenario; the same scenario and policy give the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Optional

from ..routing.fleet import Fleet
from ..routing.policies.base import Policy
from ..routing.policies.registry import POLICIES
from ..routing.quota.rules import Rules
from ..routing.state.account import AccountSpec
from ..routing.user_rules.caps import NO_CAPS, NO_RESERVES, Caps, Reserves
from ..values import NamedTuple, replace
from .clients import ClientSessions, EventQueue
from .foresight import ForesightPolicy
from .heatmap import Heatmap
from .horizon.receding_horizon import RecedingHorizonPolicy
from .known_lengths import waits_with_known_lengths
from .other_use import OtherUse, others_got
from .scenario import Scenario
from .score import LONG_SEC, Score, ScoreCounter
from .simulation import Simulation

__all__ = ["LAB_POLICIES", "NO_RULES", "AccountRules", "PolicyRun", "run_policy"]

# Those that `routing.policy` can name, and those that only the lab plays.
LAB_POLICIES: Mapping[str, Callable[[], Policy]] = {
    **POLICIES,
    RecedingHorizonPolicy.name: RecedingHorizonPolicy,
    ForesightPolicy.name: ForesightPolicy,
}


class AccountRules(NamedTuple):
    """What the user allows of one account."""

    caps: Caps = NO_CAPS
    reserves: Reserves = NO_RESERVES

    def spec(self, key: str) -> AccountSpec:
        """Return the account as the Fleet is configured with it."""
        return AccountSpec(key, key, caps=self.caps, reserves=self.reserves)


OPEN = AccountRules()
NO_RULES: Mapping[str, AccountRules] = {}


class PolicyRun:
    """One policy in one scenario, from the beginning up to an instant and on."""

    def __init__(
        self,
        scenario: Scenario,
        policy: str | Policy,
        heatmap: Optional[Heatmap] = None,
        rules: Mapping[str, AccountRules] = NO_RULES,
    ) -> None:
        chosen = LAB_POLICIES[policy]() if isinstance(policy, str) else policy
        chosen.use_calendar(scenario.calendar)
        settings = scenario.settings
        self.scenario = scenario
        self._heatmap = heatmap
        self._clients = ClientSessions(
            EventQueue(), scenario.users, [plan for plan in scenario.plans if plan.at < scenario.end]
        )
        self.api_accounts = scenario.api_accounts()
        if isinstance(chosen, ForesightPolicy):
            chosen.foresee(self._clients.sessions, self.api_accounts, settings.weights)
        self.fleet = Fleet(replace(Rules(), backoff_jitter=False), chosen)
        self.fleet.configure([rules.get(key, OPEN).spec(key) for key in self.api_accounts])
        self._counter = ScoreCounter(scenario.demand, self.api_accounts, settings.cache_life, scenario.end)
        self._used_elsewhere: list[tuple[float, float]] = []  # when, how much of the windows
        for use in scenario.other_use:
            if use.at < scenario.end:
                self._clients.events.schedule(use.at, partial(self._use_elsewhere, use))
        self.simulation = Simulation(
            self._clients,
            self.fleet,
            self.api_accounts,
            self._counter,
            settings.cache_life,
            settings.hold_sec,
        )

    def advance(self, until: float, on_progress: Callable[[float], None] = lambda share: None) -> None:
        """Advance to `until`; call `on_progress` with the share of the run that is done (0-1)."""

        def hourly(now: float) -> None:
            on_progress(now / self.scenario.end)
            if self._heatmap is not None:
                self._heatmap.record(now, self.api_accounts)

        self._clients.events.run(until, hourly)
        if self._heatmap is not None:
            self._heatmap.record(until - 1.0, self.api_accounts)

    def _use_elsewhere(self, use: OtherUse) -> None:
        used = self.api_accounts[use.account].use_elsewhere(use.tokens, use.at)
        self._used_elsewhere.append((use.at, used))

    def score(self) -> Score:
        """Return the score, at the end."""
        part = self.scenario.settings.opus_window
        score = self._counter.score(
            self.scenario.upper_bound(self._counter.overshoot, self._used_elsewhere),
            self.scenario.last_week_allowance(),
            [user.number for user in self.scenario.users],
            [session for session in self._clients.sessions if session.is_waiting],
            self.scenario.last_week_allowance(part) if part else None,
        )
        known_lengths = waits_with_known_lengths(self.scenario)
        used = sum(used for _, used in self._used_elsewhere)
        return replace(
            score,
            known_lengths_10min=known_lengths.share_over(LONG_SEC),
            others_got=others_got(self.scenario.other_use, used, self.scenario.end),
        )


def run_policy(
    scenario: Scenario,
    policy: str | Policy,
    on_progress: Callable[[float], None] = lambda share: None,
    heatmap: Optional[Heatmap] = None,
    rules: Mapping[str, AccountRules] = NO_RULES,
) -> Score:
    """Run one policy on one scenario from beginning to end; `rules` are those of accounts that have some."""
    run = PolicyRun(scenario, policy, heatmap, rules)
    run.advance(scenario.end, on_progress)
    return run.score()
