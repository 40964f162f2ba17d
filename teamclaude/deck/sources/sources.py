"""What Claude Code and its session registry wrote to this machine's disk, as values; and these as JSON.

`registry`, `session_files` and `transcripts` read them, `reader.SourceReader` keeps them up to date.  All
of it is optional: what was not found is missing from the mappings.  Texts are safe to print and bounded.
Keys are session ids as the client sends them (without the registry's `cc-`); times are epoch seconds.

The JSON is for a Deck on another machine.  It is read back as untrusted input: texts are cleaned and cut,
values of a wrong type are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from ...settings import camel_case
from ...values import dataclass, field, is_dataclass
from ..text.cells import clean
from ..text.format import finite_number

__all__ = [
    "NO_SOURCES",
    "SHOWN_SEC",
    "TOOL_SEC",
    "AgentTranscript",
    "ClientProcess",
    "IssuePin",
    "MachineLoad",
    "RegistryRow",
    "Sources",
    "Transcript",
    "bare_id",
    "sources_from_json",
    "sources_to_json",
]

SHOWN_SEC = 1800.0  # after the last real turn of a conversation
TOOL_SEC = 120.0  # an older marker of an executing tool was left behind by a crash


@dataclass(frozen=True)
class RegistryRow:
    """A session that registered itself in state/sessions.json."""

    emoji: str = ""
    intent: str = ""  # without its `solo:`
    solo: bool = False  # its intent says that it has no parent session
    pinned_issue: str = ""
    started: Optional[float] = None


@dataclass(frozen=True)
class IssuePin:
    """The issue that a session is pinned to, and the id of that issue's parent."""

    identifier: str = ""
    title: str = ""
    status: str = ""
    issue_id: str = ""
    parent_id: str = ""
    commented: Optional[float] = None  # its last comment


@dataclass(frozen=True)
class ClientProcess:
    """A running interactive client (sessions/<pid>.json)."""

    name: str = ""
    status: str = ""  # `busy`, `shell`, `idle` or `waiting` (for its user, and its process lives)
    cwd: str = ""
    started: Optional[float] = None
    waiting_for: str = ""  # `permission prompt`, ...; only while it waits, and if the client says it
    waiting_since: Optional[float] = None  # only while it waits


@dataclass(frozen=True)
class AgentTranscript:
    """The transcript of one sub-agent, with its .meta.json."""

    kind: str = ""  # its agent type: `Explore`
    description: str = ""
    parent: str = ""  # id of the sub-agent that started it; empty: the session did, or unknown
    changed: float = 0.0
    last_turn: Optional[float] = None
    calling: bool = False
    ended: bool = False  # it has given its final answer


@dataclass(frozen=True)
class Transcript:
    """One session's transcript: its last turn, title and place."""

    changed: float  # the file's mtime, which also changes without a turn
    last_turn: Optional[float] = None  # time of the newest `user` or `assistant` entry
    calling: bool = False  # that entry calls a tool whose result is still missing
    title: str = ""
    prompt: str = ""  # the last one
    cwd: str = ""
    branch: str = ""
    agents: Mapping[str, AgentTranscript] = field(default_factory=dict)
    """By agent id; only those that changed within SHOWN_SEC."""


@dataclass(frozen=True)
class MachineLoad:
    """Used shares (0 to 1) of this machine's memory and processors."""

    ram: Optional[float] = None
    cpu: Optional[float] = None


@dataclass(frozen=True)
class Sources:
    """Everything that was read on disk, by session id."""

    registry: Mapping[str, RegistryRow] = field(default_factory=dict)
    pins: Mapping[str, IssuePin] = field(default_factory=dict)
    tools: Mapping[str, float] = field(default_factory=dict)  # when the executing tool was started
    clients: Mapping[str, ClientProcess] = field(default_factory=dict)
    transcripts: Mapping[str, Transcript] = field(default_factory=dict)
    machine: MachineLoad = MachineLoad()

    def issue_of(self, session: str) -> Optional[str]:
        """Return the issue that a session works on: of its pin, else of its registry row."""
        pin, row = self.pins.get(session), self.registry.get(session)
        return (pin.identifier if pin else "") or (row.pinned_issue if row else "") or None

    def directory_of(self, session: str) -> Optional[str]:
        """Return the directory in which a session's client was started, else that of its last turn."""
        client, transcript = self.clients.get(session), self.transcripts.get(session)
        return (client.cwd if client else "") or (transcript.cwd if transcript else "") or None


NO_SOURCES = Sources()


def bare_id(sid: str) -> str:
    """Return the registry's `cc-<uuid>` as the client's session id."""
    return sid[3:] if sid.startswith("cc-") else sid


MAX_TEXT_CHARS = 500  # characters of a text
MAX_ENTRIES = 2000  # entries of a mapping


def sources_to_json(sources: Sources) -> dict[str, Any]:
    """Return `fleet` of GET /teamclaude/deck; empty and unknown values are left out."""
    found: dict[str, Any] = _to_json(sources)
    return found


def sources_from_json(value: Any) -> Sources:
    """Return the sources in `fleet` of an answer; NO_SOURCES when there are none."""
    found = _from_json(Sources, value)
    return found if isinstance(found, Sources) else NO_SOURCES


def _to_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        fields = ((name, getattr(value, name)) for name in _types(value.__class__))
        # Zero is a known value.
        return {camel_case(name): _to_json(item) for name, item in fields if item or isinstance(item, float)}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=64)
def _types(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


def _from_json(wanted: Any, value: Any) -> Any:
    """Return `value` as the wanted type; None when it does not fit."""
    if is_dataclass(wanted) and isinstance(wanted, type):
        if not isinstance(value, dict):
            return None
        found = {
            name: item
            for name, kind in _types(wanted).items()
            if (item := _from_json(kind, value.get(camel_case(name)))) is not None
        }
        try:
            return wanted(**found)
        except TypeError:  # a required field is missing
            return None
    if get_origin(wanted) is Union:
        return _from_json(get_args(wanted)[0], value)
    if wanted is str:
        return clean(value)[:MAX_TEXT_CHARS] if isinstance(value, str) else None
    if wanted is bool:
        return value if isinstance(value, bool) else None
    if wanted is float:
        return finite_number(value)
    return _mapping(get_args(wanted)[1], value)


def _mapping(wanted: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    read = (
        (clean(str(key))[:MAX_TEXT_CHARS], _from_json(wanted, item))
        for key, item in list(value.items())[:MAX_ENTRIES]
    )
    return {key: item for key, item in read if item is not None}
