"""Parse the lab's options; a time is written `2 Tue 14:30` (second week)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import UsageError
from ...lab.recording import is_recording, read_traffic
from ...lab.run import LAB_POLICIES
from ...lab.scenario import ScenarioSettings
from ...lab.study.worlds import FIRST_UNSEEN_SEED, WORLDS, World, half_of, weights_times
from ...lab.traffic import SessionTrace, synthetic_sessions
from ...routing.policies.registry import POLICIES
from ...values import replace
from ..arguments import number
from ..terminal import did_you_mean, note

__all__ = [
    "OF_A_WORLD",
    "default_policy",
    "first_seed_of",
    "format_moment",
    "one_world_of",
    "only_policy",
    "parse_moment",
    "parse_policies",
    "parse_sizes",
    "played_half",
    "traffic_of",
    "worlds_of",
]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOMENT = re.compile(r"(?:(\d{1,2})\s+)?([A-Za-z]{3})[a-z]*\s+(\d{1,2}):(\d{2})")
SYNTHETIC_SESSIONS = 240  # sessions of the built-in traffic
ACCOUNTS, WEEKS = 4, 2
# The options that describe a world; any of them makes one of its own.
OF_A_WORLD = ("sizes", "accounts", "users", "agents", "cache_life", "burst", "weights", "lose")


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
    """Return the policies named, as separate words or with commas; `all` is every one of routing.policy."""
    names: list[str] = []
    for word in (part for each in words for part in each.split(",") if part):
        if word != "all" and word not in LAB_POLICIES:
            known = did_you_mean(word, list(LAB_POLICIES)) or f" (known: all, {', '.join(LAB_POLICIES)})"
            raise UsageError(f'no policy "{word}"{known}')
        names.extend(POLICIES if word == "all" else [word])
    return list(dict.fromkeys(names))


def traffic_of(args: argparse.Namespace) -> Sequence[SessionTrace]:
    """Return the sessions that the team's traffic is drawn from, whole."""
    if args.traffic is None:
        return synthetic_sessions(SYNTHETIC_SESSIONS, 0)
    return read_traffic(Path(args.traffic), note)


def played_half(args: argparse.Namespace, sessions: Sequence[SessionTrace]) -> Sequence[SessionTrace]:
    """Return the half of the sessions that --half names.

    Without the option: of a trace file the unseen one, of made-up sessions and of a recording all.
    """
    if args.half is None:
        is_trace = args.traffic is not None and not is_recording(Path(args.traffic))
        return half_of(sessions, "unseen" if is_trace and len(sessions) > 1 else "all")
    half = half_of(sessions, args.half)
    if not half:
        raise UsageError(f"--half {args.half}: {args.traffic} has too few sessions, every second one is used")
    return half


def default_policy() -> str:
    """Return the policy that the server uses if the config file names none."""
    from ...accounts.config.config import RoutingConfig

    return RoutingConfig().policy


def only_policy(args: argparse.Namespace, command: str) -> str:
    """Return the one policy that `command` plays."""
    names = parse_policies(args.policy) if args.policy else [default_policy()]
    if len(names) != 1:
        raise UsageError(f"{command} plays one policy: name one after --policy")
    return names[0]


# --- worlds ---------------------------------------------------------------------------------------


def worlds_of(args: argparse.Namespace) -> list[World]:
    """Return the worlds to play: those of --world, that of the options, or without both the table's."""
    if args.world:
        return [_named_world(args, name) for name in dict.fromkeys(args.world)]
    if any(getattr(args, name) is not None for name in OF_A_WORLD):
        return [_own_world(args)]
    return [_named_world(args, name) for name in WORLDS]


def one_world_of(args: argparse.Namespace) -> World:
    """Return the world of `lab explain`: that of --world, or that of the options."""
    if len(args.world or ()) > 1:
        raise UsageError("explain plays one world: name one after --world")
    return _named_world(args, args.world[0]) if args.world else _own_world(args)


def first_seed_of(args: argparse.Namespace, world: World) -> int:
    """Return the first seed: of a named world one that nothing was chosen with."""
    if args.first_seed is not None:
        return int(args.first_seed)
    return FIRST_UNSEEN_SEED if world.name else 1


def _named_world(args: argparse.Namespace, name: str) -> World:
    given = [option for option in OF_A_WORLD if getattr(args, option) is not None]
    if given:
        raise UsageError(f"--world {name} says it all: leave --{given[0].replace('_', '-')} out")
    if name not in WORLDS:
        known = did_you_mean(name, list(WORLDS)) or f" (known: {', '.join(WORLDS)})"
        raise UsageError(f'no world "{name}"{known}')
    world = WORLDS[name]
    return world._replace(
        settings=replace(world.settings, weeks=args.weeks or WEEKS), loads=tuple(args.load or world.loads)
    )


def _own_world(args: argparse.Namespace) -> World:
    usual = ScenarioSettings()
    settings = ScenarioSettings(
        sizes=args.sizes or (1.0,) * (args.accounts or ACCOUNTS),
        weeks=args.weeks or WEEKS,
        users=args.users or usual.users,
        cache_life=args.cache_life or usual.cache_life,
        burst=args.burst or usual.burst,
        weights=weights_times(args.weights or 1.0),
        first_login_lost_sec=(args.lose or 0.0) * 86400.0,
        agents=args.agents,
    )
    return World("", "the options'", settings, tuple(args.load or (1.0,)))
