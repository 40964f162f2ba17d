"""Findings about the service.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.service_facts import ServiceFacts

__all__ = ["check_service"]

OUTDATED = Kind("service.outdated", Level.WARNING, "It starts another program, or with other settings.")
EDITED = Kind("service.edited", Level.NOTE, "Install and uninstall leave it alone.")
INCOMPLETE = Kind("service.incomplete", Level.WARNING, "It is not started at boot, or refuses connections.")
IDLE = Kind("service.idle", Level.WARNING, "No server is started for you.")
UNKNOWN = Kind("service.unknown", Level.NOTE, "Whether it runs can't be told.")

INSTALL = "teamclaude service install"


def check_service(facts: ServiceFacts) -> Group:
    """Return what is wrong with an installed service."""
    words = "installed, not running" if facts.idle else "installed" if facts.problem else "runs"
    return Group("service", words, [*_files(facts), *_units(facts)])


def _files(facts: ServiceFacts) -> Iterator[Finding]:
    for path, state in facts.files:
        if state == "OUTDATED":
            yield OUTDATED.found(
                f"{path} is not what this program would write", f"{INSTALL}, then: {facts.restart}"
            )
        elif state == "ABSENT":
            yield INCOMPLETE.found(f"{path} is missing", INSTALL)
        elif state in ("EDITED", "FOREIGN"):
            yield EDITED.found(
                f"{path} was edited or is somebody else's", "teamclaude service print shows ours"
            )


def _units(facts: ServiceFacts) -> Iterator[Finding]:
    if facts.problem:
        yield UNKNOWN.found(f"the service manager can't be asked: {facts.problem}")
    for unit in facts.idle:
        yield IDLE.found(unit, f"{facts.restart}; teamclaude service status")
