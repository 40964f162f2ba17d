"""The service that `teamclaude service install` has made, if there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

from ....accounts.config.config import Config
from ....accounts.config.state_place import home_directory, state_place
from ....errors import TeamClaudeError
from ....values import NamedTuple
from ...service.launchd_agent import agents_directory, label_of
from ...service.managers import Launchd, Outcome, Systemd, run_program, with_runtime_directory
from ...service.spec import service_spec
from ..subject import Subject

__all__ = ["ServiceFacts", "service_facts"]

NAME = "teamclaude"  # the usual one: only of that can be told whether it is installed
ASK_S = 1.0


class ServiceFacts(NamedTuple):
    """`files`: paths and states (`unit_files.FileState`, by name); `idle`: units that don't run, in words.

    `problem`: why files or manager can't be asked.  Without files there is no service.
    """

    files: tuple[tuple[str, str], ...] = ()
    idle: tuple[str, ...] = ()
    restart: str = ""
    problem: str = ""


def service_facts(
    subject: Subject, config: Optional[Config], platform: str = sys.platform
) -> Optional[ServiceFacts]:
    """Return what is known of the service, None if none is installed; then no program is started."""
    home = Path(home_directory(subject.env))
    if not any(os.path.lexists(place) for place in _usual_places(subject, home, platform)):
        return None
    env = with_runtime_directory(subject.env)

    def run(words: Sequence[str], limit_sec: float) -> Outcome:
        return run_program(words, min(limit_sec, ASK_S), env)

    manager: Union[Launchd, Systemd] = Systemd(env, home, run)
    if platform == "darwin":
        manager = Launchd(home, os.getuid(), run)
    log = state_place(subject.path, "server.log")
    spec = service_spec(NAME, config or Config(), subject.path, log, subject.env)
    try:
        files = tuple((str(file.path), file.state().name) for file in manager.files(spec))
    except TeamClaudeError as error:
        return ServiceFacts(problem=str(error))
    facts = ServiceFacts(files, restart=manager.restart_command(NAME), problem=manager.problem())
    if facts.problem:
        return facts
    return facts._replace(
        idle=tuple(f"{each.unit}: {each.text}" for each in manager.status(NAME) if not each.active)
    )


def _usual_places(subject: Subject, home: Path, platform: str) -> list[Path]:
    if platform == "darwin":
        return [agents_directory(home) / f"{label_of(NAME)}.plist"]
    base = subject.env.get("XDG_CONFIG_HOME", "")
    bases = [home / ".config", *([Path(base)] if os.path.isabs(base) else [])]
    return [each / "systemd" / "user" / f"{NAME}.service" for each in bases]
