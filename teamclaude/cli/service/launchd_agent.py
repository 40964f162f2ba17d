"""The property list of a launchd agent: launchd.plist(5).  Pure.

launchd has no readiness and passes no sockets in a way that Python can ask for: during a restart by launchd,
connections are refused for a second.
"""

from __future__ import annotations

import math
import plistlib
from pathlib import Path

from .spec import ServiceSpec

__all__ = ["agent_text", "label_of"]

STOP_SEC = 60
THROTTLE_SEC = 10  # between two starts of one that fails; launchd's own default


def label_of(name: str) -> str:
    """Return the label by which launchctl knows the agent."""
    return f"{name}.server"


def agent_text(spec: ServiceSpec) -> dict[str, str]:
    """Return the text of the property list by the name of its file."""
    agent = {
        "Label": label_of(spec.name),
        "ProgramArguments": list(spec.command),
        "EnvironmentVariables": dict(sorted(spec.environment.items())),
        "RunAtLoad": True,
        # Again after a failure; an end that was asked for stays one.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE_SEC,
        "ExitTimeOut": math.ceil(spec.drain_sec) + STOP_SEC,
        "ProcessType": "Interactive",  # people wait for it: no throttled timers and disks
        "StandardOutPath": str(spec.log),
        "StandardErrorPath": str(spec.log),
        "Umask": 0o077,
    }
    text = plistlib.dumps(agent, sort_keys=False).decode("utf-8")
    return {f"{label_of(spec.name)}.plist": text}


def agents_directory(home: Path) -> Path:
    """Return where launchd looks for the agents of one user."""
    return home / "Library" / "LaunchAgents"
