"""Build the synthetic scenario that the options of `teamclaude lab` describe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..lab.api_model import TokenWeights
from ..lab.recording import read_traffic
from ..lab.scenario import Scenario, ScenarioSettings, synthetic_scenario
from ..lab.traffic import SessionTrace, synthetic_sessions

__all__ = ["scenario_of", "traffic_of"]

SYNTHETIC_SESSIONS = 240  # sessions of the built-in traffic
ACCOUNTS = 4


def traffic_of(args: argparse.Namespace) -> Sequence[SessionTrace]:
    """Return the sessions that the team's traffic is drawn from."""
    return (
        synthetic_sessions(SYNTHETIC_SESSIONS, 0)
        if args.traffic is None
        else read_traffic(Path(args.traffic))
    )


def scenario_of(
    args: argparse.Namespace, sessions: Sequence[SessionTrace], load: float, seed: int
) -> Scenario:
    """Return the scenario of one seed at one load."""
    usual = TokenWeights()
    setting = ScenarioSettings(
        sizes=args.sizes or (1.0,) * (args.accounts or ACCOUNTS),
        load=load,
        weeks=args.weeks,
        users=args.users,
        cache_life=args.cache_life,
        burst=args.burst,
        weights=TokenWeights(usual.output * args.weights, usual.read * args.weights),
        first_login_lost_sec=args.lose * 86400.0,
        agents=args.agents,
    )
    return synthetic_scenario(setting, sessions, seed)
