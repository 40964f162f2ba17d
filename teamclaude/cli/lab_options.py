"""Parse the lab's options; a time is written `2 Tue 14:30` (second week)."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..lab.api_model import TokenWeights
from ..lab.recording import read_traffic
from ..lab.scenario import Scenario, ScenarioSettings, synthetic_scenario
from ..lab.traffic import SessionTrace, synthetic_sessions
from ..routing.policies.registry import POLICIES
from .arguments import number
from .terminal import did_you_mean

__all__ = [
    "Progress",
    "format_moment",
    "parse_moment",
    "parse_policies",
    "parse_sizes",
    "scenario_of",
    "traffic_of",
]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOMENT = re.compile(r"(?:(\d{1,2})\s+)?([A-Za-z]{3})[a-z]*\s+(\d{1,2}):(\d{2})")
BAR_WIDTH = 30
SYNTHETIC_SESSIONS = 240  # sessions of the built-in traffic
ACCOUNTS = 4


def parse_sizes(text: str) -> tuple[float, ...]:
    """Parse relative account sizes: `20,5,1`."""
    return tuple(number(0.01, 1000.0)(part) for part in text.split(","))


def parse_moment(text: str) -> float:
    """Parse `Tue 14:30`, `2 Tue 14:30` or hours into seconds from the start of the run."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        try:
            return number(0.0, 24.0 * 7 * 12)(text) * 3600.0
        except argparse.ArgumentTypeError:
            raise argparse.ArgumentTypeError(
                f'"{text}" is no time: "Tue 14:30", "2 Tue 14:30", or hours'
            ) from None
    week, name, hour, minute = found.groups()
    day = next((n for n, known in enumerate(DAYS) if known.lower() == name.lower()), -1)
    if day < 0 or int(hour) > 23 or int(minute) > 59 or week == "0":
        raise argparse.ArgumentTypeError(f'"{text}" is no time: "Tue 14:30", "2 Tue 14:30", or hours')
    return ((int(week or 1) - 1) * 7 + day) * 86400.0 + int(hour) * 3600.0 + int(minute) * 60.0


def format_moment(at: float) -> str:
    """Format seconds from the start of the run: `week 2, Tue 14:30`."""
    days, seconds = divmod(int(at), 86400)
    hour, minute = seconds // 3600, seconds // 60 % 60
    return f"week {days // 7 + 1}, {DAYS[days % 7]} {hour:02d}:{minute:02d}"


def parse_policies(words: Sequence[str]) -> list[str]:
    """Return the policies named, as separate words or with commas; `all` is every one."""
    names: list[str] = []
    for word in (part for each in words for part in each.split(",") if part):
        if word != "all" and word not in POLICIES:
            known = did_you_mean(word, list(POLICIES)) or f" (known: all, {', '.join(POLICIES)})"
            raise UsageError(f'no policy "{word}"{known}')
        names.extend(POLICIES if word == "all" else [word])
    return list(dict.fromkeys(names))


class Progress:
    """A progress bar on stderr if that is a terminal, else nothing."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = 0
        self._shown = sys.stderr.isatty()

    def update(self, share: float) -> None:
        """Show that `share` (0-1) of the current run is done."""
        if self._shown:
            filled = round(BAR_WIDTH * (self._done + share) / self._runs)
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            print(f"\r[{bar}] run {self._done + 1} of {self._runs} ", end="", file=sys.stderr, flush=True)

    def run_done(self) -> None:
        """Count one finished run."""
        self._done += 1

    def clear(self) -> None:
        """Erase the bar."""
        if self._shown:
            print("\r" + " " * (BAR_WIDTH + 30) + "\r", end="", file=sys.stderr, flush=True)


def traffic_of(args: argparse.Namespace) -> Sequence[SessionTrace]:
    """Return the sessions that the team's traffic is drawn from."""
    if args.traffic is None:
        return synthetic_sessions(SYNTHETIC_SESSIONS, 0)
    return read_traffic(Path(args.traffic))


def scenario_of(
    args: argparse.Namespace, sessions: Sequence[SessionTrace], load: float, seed: int
) -> Scenario:
    """Return the scenario of one seed at one load."""
    usual = TokenWeights()
    settings = ScenarioSettings(
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
    return synthetic_scenario(settings, sessions, seed)
