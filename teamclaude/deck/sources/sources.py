"""What Claude Code and its session registry left on this machine's disk, as values.

The readers (`registry`, `transcripts`, `machine`) make these, `reader.SourceReader` keeps them fresh.  All of
it is optional: what was not found is not in the mappings.  Texts are safe to print and bounded.
Keys are session ids as the client sends them (without the registry's `cc-`); times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

__all__ = [
    "NO_SOURCES",
    "AgentTranscript",
    "ClientProcess",
    "MachineLoad",
    "IssuePin",
    "RegistryRow",
    "Sources",
    "Transcript",
    "bare_id",
]


@dataclass(frozen=True)
class RegistryRow:
    """A session that registered itself in state/sessions.json."""

    emoji: str = ""
    intent: str = ""
    """Without its `solo:`."""
    solo: bool = False
    """It declared that it works for nobody."""
    pinned_issue: str = ""
    started: Optional[float] = None


@dataclass(frozen=True)
class IssuePin:
    """The issue a session is pinned to, and the issue that one belongs to."""

    identifier: str = ""
    title: str = ""
    status: str = ""
    issue_id: str = ""
    parent_id: str = ""


@dataclass(frozen=True)
class ClientProcess:
    """A running interactive client, from sessions/<pid>.json."""

    name: str = ""
    status: str = ""
    """`busy`, `shell`, `idle` or `waiting` (for an answer of its user)."""
    cwd: str = ""
    started: Optional[float] = None


@dataclass(frozen=True)
class AgentTranscript:
    """The transcript of one sub-agent with its .meta.json."""

    kind: str = ""
    """Its agent type: `Explore`."""
    description: str = ""
    parent: str = ""
    """Id of the sub-agent that started it; empty: its session did, or unknown."""
    changed: float = 0.0
    last_turn: Optional[float] = None
    calling: bool = False
    ended: bool = False
    """It gave its answer."""


@dataclass(frozen=True)
class Transcript:
    """One session's transcript: its end, and what it says of itself."""

    changed: float
    """The file's mtime: moves also without a turn."""
    last_turn: Optional[float] = None
    """Time of the newest `user` or `assistant` entry."""
    calling: bool = False
    """That entry calls a tool whose result is not there yet."""
    title: str = ""
    prompt: str = ""
    """The last one."""
    cwd: str = ""
    branch: str = ""
    agents: Mapping[str, AgentTranscript] = field(default_factory=dict)
    """By agent id; those that moved lately."""


@dataclass(frozen=True)
class MachineLoad:
    """Used shares of this machine's memory and processors."""

    ram: Optional[float] = None
    cpu: Optional[float] = None


@dataclass(frozen=True)
class Sources:
    registry: Mapping[str, RegistryRow] = field(default_factory=dict)
    pins: Mapping[str, IssuePin] = field(default_factory=dict)
    tools: Mapping[str, float] = field(default_factory=dict)
    """When the tool that executes was started."""
    clients: Mapping[str, ClientProcess] = field(default_factory=dict)
    transcripts: Mapping[str, Transcript] = field(default_factory=dict)
    machine: MachineLoad = MachineLoad()

    def issue_of(self, session: str) -> Optional[str]:
        """The issue a session works on; None when nobody said."""
        pin, row = self.pins.get(session), self.registry.get(session)
        return (pin.identifier if pin else "") or (row.pinned_issue if row else "") or None


NO_SOURCES = Sources()


def bare_id(sid: str) -> str:
    """The registry's `cc-<uuid>` as the client's session id."""
    return sid[3:] if sid.startswith("cc-") else sid
