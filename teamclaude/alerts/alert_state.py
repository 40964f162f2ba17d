"""The file that remembers what has been alerted of.

It is small, holds no credential, and may be deleted: the conditions then begin anew, silently.  Times are
epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ..accounts.config.atomic_write import write_private
from .rules import ConditionState, Episode

__all__ = ["load_states", "save_states"]

MAX_BYTES = 10_000_000
LATEST_TIME = 4_102_444_800.0  # the year 2100: beyond it a number is no time


def load_states(path: Path) -> dict[str, ConditionState]:
    """Return the states by condition; none of a file that is missing, unreadable or not ours."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(MAX_BYTES))
        conditions = document["conditions"]
        return {text: _read_state(value) for text, value in conditions.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def save_states(path: Path, states: Mapping[str, ConditionState]) -> None:
    """Replace the file; raises OSError."""
    conditions = {
        text: {
            "began": state.began,
            "firedAt": state.fired_at,
            "episodes": {subject: list(episode) for subject, episode in state.episodes.items()},
        }
        for text, state in states.items()
    }
    write_private(str(path), json.dumps({"schema": 1, "conditions": conditions}).encode())


def _read_state(value: Mapping[str, Any]) -> ConditionState:
    episodes = {
        str(subject): Episode(_time(since), _optional(mark), known is True, _optional(gone_at))
        for subject, (since, mark, known, gone_at) in value["episodes"].items()
    }
    return ConditionState(_time(value["began"]), episodes, _optional(value["firedAt"]))


def _time(value: Any) -> float:
    found = float(value)
    if not 0.0 <= found <= LATEST_TIME:
        raise ValueError(value)
    return found


def _optional(value: Any) -> Optional[float]:
    return None if value is None else _time(value)
