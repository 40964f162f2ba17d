"""Claude Code here: its version, its settings, and how it would be led, by `run` and without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Optional

from ....accounts.config.config import Config
from ....errors import TeamClaudeError
from ....manual import page
from ....values import NamedTuple
from ...claude_code.background_service import BackgroundService, find_service
from ...claude_code.environment import ClientTarget
from ...claude_code.settings_files import Layer
from ...launch.client_plan import ClientPlan, Wanted, plan_client
from ...launch.wiring import Finding as Remark
from ...launch.wiring import Value, overlay
from ...settings_edit.edited_files import EditedFiles
from ..subject import Subject
from .claude_program import ClaudeProgram, claude_program

__all__ = ["ClientFacts", "VerifiedVersions", "client_facts", "verified_versions"]


class VerifiedVersions(NamedTuple):
    """The versions of Claude Code that were measured, the oldest first."""

    versions: tuple[str, ...]
    oldest: str


class ClientFacts(NamedTuple):
    """`remarks` are those of `run` (launch/), `effective` is what counts for a client started without it.

    `target`: the proxy as that client must see it; None without a config.  `settings`: those that have a
    file, the lowest first.  `written`: the files that `setup` has changed.
    """

    program: ClaudeProgram
    verified: VerifiedVersions
    settings: tuple[Layer, ...] = ()
    effective: Mapping[str, Value] = MappingProxyType({})
    logged_in: bool = False
    target: Optional[ClientTarget] = None
    remarks: tuple[Remark, ...] = ()
    problem: str = ""
    service: Optional[BackgroundService] = None
    written: tuple[str, ...] = ()


def client_facts(subject: Subject, config: Optional[Config]) -> ClientFacts:
    """Return what there is; nothing is written."""
    facts = ClientFacts(claude_program(subject.env, subject.project), verified_versions())
    try:
        wanted = _wanted(subject, config)
        if wanted is None:
            return facts
        plan = plan_client(wanted._replace(write=False), subject.env, subject.project, [])
    except TeamClaudeError as error:
        return facts._replace(problem=str(error))
    return _with_plan(facts, subject, plan)


def _wanted(subject: Subject, config: Optional[Config]) -> Optional[Wanted]:
    if subject.remote is not None:
        from ...remote.launching import wanted_there

        return wanted_there(subject.remote, None, False)
    if config is None or not config.proxy.api_key:
        return None
    return Wanted(config, subject.path, subject.url, config.proxy.api_key)


def _with_plan(facts: ClientFacts, subject: Subject, plan: ClientPlan) -> ClientFacts:
    effective = overlay(subject.env, [layer for layer in plan.layers if layer.scope != "remote"])
    texts = {name: value.text for name, value in effective.items()}
    return facts._replace(
        settings=tuple(plan.layers),
        effective=effective,
        logged_in=plan.logged_in,
        target=plan.target,
        remarks=tuple(plan.findings),
        service=find_service(texts),
        written=tuple(str(file) for file in EditedFiles(subject.path).files_of("claude")),
    )


def verified_versions() -> VerifiedVersions:
    """Return the table of versions that the manual holds."""
    table = json.loads(page("client-versions"))
    return VerifiedVersions(tuple(row["version"] for row in table["clients"]), str(table["too old before"]))
