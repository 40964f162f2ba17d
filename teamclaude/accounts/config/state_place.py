"""Where the config file is, and the files of what was observed: state, history, recordings, a server's log.

It imports nothing of the package at its top: completion asks for a path at a press of a key.

Rules:
1. For the config file at its default place those are in the directory $XDG_STATE_HOME/teamclaude
   (~/.local/state/teamclaude).
2. For any other config file they are beside it: a copied set-up is self-contained and shares nothing with the
   user's.  So they are for a file below an $XDG_CONFIG_HOME of its own when $XDG_STATE_HOME is not set, and
   where the directory can't be made.
3. Earlier versions had all of them beside the config file.  One that is there, and not in the directory, is
   used where it is until a server that starts has moved it (proxy/lifecycle/state_move.py); what is new is
   made beside it meanwhile.  If it is at both places, the directory's counts.
4. What belongs to credentials, and to other programs' files, stays beside the config file (`path_beside`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

__all__ = [
    "STATE_NAMES",
    "alert_state_path",
    "config_path",
    "default_config_path",
    "home_directory",
    "path_beside",
    "state_directory",
    "state_path",
    "state_place",
]

# By these endings they are called; the history comes first, because it says best whether a server uses them.
STATE_NAMES = ("history.db", "state.json", "state.owner", "alerts.json", "traffic", "server.log")
LEADING = (
    "history.db",
    "state.json",
)  # as long as they wait to be moved, nothing new is made in the directory


def config_path(env: Mapping[str, str]) -> Path:
    """Return $TEAMCLAUDE_CONFIG, else $XDG_CONFIG_HOME/teamclaude.json, else ~/.config/teamclaude.json."""
    named = env.get("TEAMCLAUDE_CONFIG")
    if not named:
        return default_config_path(env)
    if named[:2] in ("~", "~/", "~\\"):
        named = home_directory(env) + named[1:]
    # Absolute: a server started in the background may have another working directory.
    return Path(os.path.abspath(os.path.expanduser(named)))


def default_config_path(env: Mapping[str, str]) -> Path:
    """Return $XDG_CONFIG_HOME/teamclaude.json, else ~/.config/teamclaude.json."""
    base = env.get("XDG_CONFIG_HOME", "")  # a relative path is invalid and must be ignored
    return Path(base if os.path.isabs(base) else f"{home_directory(env)}/.config", "teamclaude.json")


def home_directory(env: Mapping[str, str]) -> str:
    """Return the user's home directory."""
    return env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")


def path_beside(config: Path, ending: str) -> Path:
    """Return the path of something that belongs to a config file: `X.json` -> `X.ENDING`, beside it.

    Another name keeps its own ending, so that no two config files have one in common.
    """
    stem = config.name[: -len(".json")] if config.name.endswith(".json") else config.name
    return config.with_name(f"{stem}.{ending}")


def state_place(config: Path, name: str, env: Optional[Mapping[str, str]] = None) -> Path:
    """Return where the file or directory `name`, one of STATE_NAMES, of a config file is or will be made."""
    directory = state_directory(config, os.environ if env is None else env)
    beside = path_beside(config, name)
    if directory is None:
        return beside
    waiting = any(
        os.path.lexists(path_beside(config, each)) and not os.path.lexists(directory / each)
        for each in (name, *LEADING)
    )
    return beside if waiting and not os.path.lexists(directory / name) else directory / name


def state_path(config: Path) -> Path:
    """Return where the observed state is: X.state.json beside X.json, or state.json of the directory."""
    return state_place(config, "state.json")


def alert_state_path(config: Path) -> Path:
    """Return where it is remembered what has been alerted of."""
    return state_place(config, "alerts.json")


def state_directory(config: Path, env: Mapping[str, str]) -> Optional[Path]:
    """Return the directory of rule 1, which may not exist yet; None where rule 2 holds."""
    if os.path.abspath(config) != os.path.abspath(default_config_path(env)):
        return None
    home = home_directory(env)
    named = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(named):  # XDG base directory specification: it must be ignored
        if os.path.abspath(config.parent) != os.path.abspath(os.path.join(home, ".config")):
            return None
        named = os.path.join(home, ".local", "state")
    directory = Path(named) / "teamclaude"
    return directory if _can_be_made(str(directory)) else None


def _can_be_made(directory: str) -> bool:
    from .atomic_write import missing_directories

    missing = missing_directories(directory)
    if missing and os.path.lexists(missing[0]):  # a file of that name
        return False
    return os.access(os.path.dirname(missing[0]) if missing else directory, os.W_OK | os.X_OK)
